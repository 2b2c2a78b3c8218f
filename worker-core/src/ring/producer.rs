//! The writing end of a ring.
//! Not here: writing the payload bytes (the caller does, into its reservation) and waiting for room.
//! Layer 2: safe code over `Memory`.

use std::sync::atomic::Ordering;

use super::geometry::record_bytes;
use super::{Geometry, Header, KIND_PADDING, LINE_BYTES, Memory, PAYLOAD_OFFSET_BYTES};

/// The one producer of a ring.
#[derive(Debug)]
pub(crate) struct Producer {
    geometry: Geometry,
    /// Where the next record begins; always a whole number of lines. Only we know it.
    write_position: u64,
    /// What we last saw of the consumer's position: it can be stale, never too large.
    seen_read_position: u64,
    /// Where a line is known to be zero, ahead of the next record; [`NOWHERE`] if none is.
    zeroed_position: u64,
}

/// No line begins there.
const NOWHERE: u64 = u64::MAX;

/// Room for one record, not yet visible to the consumer.
///
/// Dropping it gives the room back by doing nothing at all.
#[derive(Debug)]
pub(crate) struct Reservation {
    position: u64,
    /// What was [`Producer::zeroed_position`]: whoever has the room may write there.
    zeroed_position: u64,
    /// Offset in the memory where the payload goes.
    pub(crate) payload_offset: usize,
    /// How many bytes of payload fit.
    pub(crate) payload_room_bytes: usize,
}

/// There is no room now; there will be once the consumer has read up to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// What `read_position` must reach.
    pub(crate) until_position: u64,
}

impl Producer {
    pub(crate) fn new(geometry: Geometry) -> Self {
        Self { geometry, write_position: 0, seen_read_position: 0, zeroed_position: NOWHERE }
    }

    /// Position behind the last record.
    #[inline]
    pub(crate) fn write_position(&self) -> u64 {
        self.write_position
    }

    /// Where the consumer has arrived: everything before it is read and free.
    ///
    /// A consumer that claims to have read what was never written is not believed.
    #[inline]
    pub(crate) fn read_position(&mut self, memory: &impl Memory) -> u64 {
        // SYNC: space (acquire).
        let claimed = memory.load(self.geometry.read_position_offset, Ordering::Acquire);
        if (self.seen_read_position..=self.write_position).contains(&claimed) {
            self.seen_read_position = claimed;
        }
        self.seen_read_position
    }

    /// Reserves the free room before the end of the ring, at most `payload_max_bytes` of payload.
    ///
    /// For a message of unknown length: the room may turn out to be too short for it. `None` if not
    /// even one line is free.
    #[inline]
    pub(crate) fn reserve_some(
        &mut self,
        memory: &impl Memory,
        payload_max_bytes: usize,
    ) -> Option<Reservation> {
        let wanted = record_bytes(payload_max_bytes).min(self.geometry.until_end(self.write_position));
        if self.free_bytes() < wanted + LINE_BYTES {
            self.read_position(memory);
        }
        // R1: the line behind the record must be ours too.
        let room = self.free_bytes().saturating_sub(LINE_BYTES).min(wanted);
        (room >= LINE_BYTES).then(|| self.reservation(payload_max_bytes.min(room - PAYLOAD_OFFSET_BYTES)))
    }

    /// Reserves room for a payload of exactly this length, padding to the end of the ring if need be.
    ///
    /// # Panics
    ///
    /// If it is longer than [`Geometry::payload_max_bytes`].
    pub(crate) fn reserve(
        &mut self,
        memory: &impl Memory,
        payload_bytes: usize,
    ) -> Result<Reservation, Full> {
        assert!(payload_bytes <= self.geometry.payload_max_bytes(), "payload too long for the ring");
        let record = record_bytes(payload_bytes);
        let until_end = self.geometry.until_end(self.write_position);
        if record <= until_end {
            self.require(memory, record + LINE_BYTES)?;
        } else {
            // R3. The line behind the padding is the first of the ring, where the record goes.
            self.require(memory, until_end + record + LINE_BYTES)?;
            let length_bytes =
                u32::try_from(until_end - PAYLOAD_OFFSET_BYTES).expect("rings are below 4 GiB");
            let padding = Header { length_bytes, kind: KIND_PADDING, ..Header::default() };
            self.publish(memory, padding, 0, until_end);
        }
        Ok(self.reservation(payload_bytes))
    }

    /// Publishes a record whose payload has been written to its reservation.
    #[inline]
    pub(crate) fn commit(&mut self, memory: &impl Memory, reservation: Reservation, header: Header, id: u64) {
        debug_assert_eq!(reservation.position, self.write_position);
        debug_assert!(header.length_bytes as usize <= reservation.payload_room_bytes);
        // What was written is the record, so nothing behind it.
        self.zeroed_position = reservation.zeroed_position;
        self.publish(memory, header, id, record_bytes(header.length_bytes as usize));
    }

    #[inline]
    fn publish(&mut self, memory: &impl Memory, header: Header, id: u64, record: usize) {
        let offset = self.geometry.offset_of(self.write_position);
        let next_position = self.write_position + record as u64;
        if self.zeroed_position != next_position {
            // R1. Relaxed: the release below publishes this zero with the record.
            memory.store(self.geometry.offset_of(next_position), 0, Ordering::Relaxed);
        }
        // Relaxed: as above.
        memory.store(offset + 8, id, Ordering::Relaxed);
        // SYNC: record (release).
        memory.store(offset, header.to_word(), Ordering::Release);
        self.write_position = next_position;
        // For a next record of one line, as most are: stores become visible one after the other, and this one would have to
        // fetch its line from the other processor while that waits for the header.
        self.zeroed_position = NOWHERE;
        if self.free_bytes() >= 2 * LINE_BYTES {
            let ahead = next_position + LINE_BYTES as u64;
            // Relaxed: the release of the next record publishes it.
            memory.store(self.geometry.offset_of(ahead), 0, Ordering::Relaxed);
            self.zeroed_position = ahead;
        }
    }

    #[inline]
    fn reservation(&mut self, payload_room_bytes: usize) -> Reservation {
        Reservation {
            position: self.write_position,
            zeroed_position: std::mem::replace(&mut self.zeroed_position, NOWHERE),
            payload_offset: self.geometry.offset_of(self.write_position) + PAYLOAD_OFFSET_BYTES,
            payload_room_bytes,
        }
    }

    fn require(&mut self, memory: &impl Memory, bytes: usize) -> Result<(), Full> {
        if self.free_bytes() < bytes {
            self.read_position(memory);
        }
        if self.free_bytes() >= bytes {
            return Ok(());
        }
        let until_position = self.write_position + bytes as u64 - self.geometry.capacity_bytes as u64;
        Err(Full { until_position })
    }

    /// Bytes that are certainly free: R2 with what we last saw.
    #[inline]
    fn free_bytes(&self) -> usize {
        let used = usize::try_from(self.write_position - self.seen_read_position).expect("used room fits");
        self.geometry.capacity_bytes - used
    }
}
