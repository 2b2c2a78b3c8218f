//! The reading end of a ring.
//! Not here: copying or trusting payload bytes (`link`).
//! Layer 2: safe code over `Memory`.

use std::sync::atomic::Ordering;

use super::geometry::record_bytes;
use super::{Geometry, Header, KIND_PADDING, Memory, PAYLOAD_OFFSET_BYTES};

/// The one consumer of a ring.
///
/// It trusts no word of the memory: each is loaded once, checked, and only the copy is used.
#[derive(Debug)]
pub(crate) struct Consumer {
    geometry: Geometry,
    /// Where the next record begins. The shared `read_position` follows it in `release`.
    position: u64,
    /// Where the record that `next` gave last ends.
    behind_next: u64,
}

/// A published record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) header: Header,
    pub(crate) id: u64,
    /// Offset in the memory of its payload, which lies inside the ring as a whole.
    pub(crate) payload_offset: usize,
}

/// The other side wrote what no producer writes; nothing behind it can be made out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Consumer {
    pub(crate) fn new(geometry: Geometry) -> Self {
        Self { geometry, position: 0, behind_next: 0 }
    }

    /// Whether a record (or padding) waits.
    #[inline]
    pub(crate) fn has_record(&self, memory: &impl Memory) -> bool {
        // Relaxed: `next` acquires before anything of the record is looked at.
        memory.load(self.geometry.offset_of(self.position), Ordering::Relaxed) != 0
    }

    /// The next record, if one is published. It stays the next one until [`Consumer::release`].
    #[inline]
    pub(crate) fn next(&mut self, memory: &impl Memory) -> Result<Option<Record>, Broken> {
        loop {
            let offset = self.geometry.offset_of(self.position);
            // SYNC: record (acquire).
            let word = memory.load(offset, Ordering::Acquire);
            if word == 0 {
                return Ok(None);
            }
            let header = Header::from_word(word);
            let record = record_bytes(header.length_bytes as usize);
            if record > self.geometry.until_end(self.position) {
                return Err(Broken);
            }
            if header.kind != KIND_PADDING {
                self.behind_next = self.position + record as u64;
                // Relaxed: the acquire above covers the whole record.
                let id = memory.load(offset + 8, Ordering::Relaxed);
                return Ok(Some(Record { header, id, payload_offset: offset + PAYLOAD_OFFSET_BYTES }));
            }
            // Padding reaches to the end and never begins the ring (R3). So no two follow each other, and
            // whatever the other side writes, this loop ends.
            let until_end = self.geometry.until_end(self.position);
            if record != until_end || until_end == self.geometry.capacity_bytes {
                return Err(Broken);
            }
            // Told at once: the producer may be waiting for just these lines.
            self.move_to(memory, self.position + record as u64);
        }
    }

    /// Position behind the record that [`Consumer::next`] gave last.
    #[inline]
    pub(crate) fn position_behind_next(&self) -> u64 {
        self.behind_next
    }

    /// Moves past the record that [`Consumer::next`] gave last: its lines may be written again.
    ///
    /// By what was read then, because the header in the memory may have changed.
    #[inline]
    pub(crate) fn release(&mut self, memory: &impl Memory) {
        self.move_to(memory, self.behind_next);
    }

    #[inline]
    fn move_to(&mut self, memory: &impl Memory, position: u64) {
        self.position = position;
        // SYNC: space (release).
        memory.store(self.geometry.read_position_offset, self.position, Ordering::Release);
    }
}
