//! The receiving half of a shared link, and the place where its side sleeps.
//! Not here: what a message means.
//! Layer 3: over `ring::Consumer`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::extension::{RETAINED_BYTES, UNIT_BYTES};
use super::layout::{Direction, TAKEN_POSITION_OFFSET};
use super::side::Side;
use super::{FLAG_EXTERNAL, FLAG_MORE, FLAG_PARCEL, FLAG_WITHDRAWN};
use crate::link::spin::Spin;
use crate::link::{self, Arrived, Broken, Interest, Lost, Rings, Wake};
use crate::ring::waiting::{MESSAGE_BIT, ROOM_BIT};
use crate::ring::{Consumer, LINE_BYTES, Memory, PAYLOAD_OFFSET_BYTES, Record};
use crate::sys::clock::Moment;
use crate::sys::doorbell::Sleeper;
use crate::wire::descriptors::Parcel;
use crate::wire::kind::Kind;
use crate::wire::received::{Received, SHORT_MAX_BYTES};

/// See [`super::super::Incoming`].
#[derive(Debug)]
pub(crate) struct Incoming {
    side: Arc<Side>,
    consumer: Consumer,
    extension_offset: usize,
    extension_bytes: usize,
    /// Where the other side's position word for our own messages lies, to see room there.
    sent_read_position_offset: usize,
    sleeper: Sleeper,
    spin: Spin,
    last_sleep_began: Option<Moment>,
    /// Pieces of a message that has not come as a whole.
    assembled: Vec<u8>,
    /// Why the pieces of the message that comes are thrown away.
    lost: Option<Lost>,
    payload_max_bytes: usize,
    /// Number of the next parcel beside the link.
    parcels_taken: u64,
    /// Whether a wait for a message ends for newcomers too.
    heeds_given: bool,
}

/// Most parts that are taken in with no whole message among them: more than an honest side has room for, so that one
/// look after its end finds all that it left.
const PARTS_MAX: usize = 16;

/// Where the payload of a message lies: checked against the memory, whatever the other side wrote.
#[derive(Debug)]
pub(crate) struct Place {
    offset: usize,
    length_bytes: usize,
    /// It lies in the extension.
    is_external: bool,
    /// The payload continues what is assembled.
    is_piece: bool,
}

impl Incoming {
    pub(super) fn new(side: Arc<Side>, sleeper: Sleeper, direction: Direction) -> Self {
        let geometry = side.layout.ring(direction);
        let (extension_offset, extension_bytes) = side.layout.extension(direction);
        // The two position words stand side by side; the one that is not ours is the other's.
        let sent_read_position_offset = 128 + 256 - geometry.read_position_offset;
        Self {
            side,
            consumer: Consumer::new(geometry),
            extension_offset,
            extension_bytes,
            sent_read_position_offset,
            sleeper,
            spin: Spin::new(),
            last_sleep_began: None,
            assembled: Vec::new(),
            lost: None,
            payload_max_bytes: usize::MAX,
            parcels_taken: 0,
            heeds_given: false,
        }
    }

    #[cfg(test)]
    pub(super) fn next(&mut self) -> Result<Option<Arrived>, Broken> {
        let mut arrived = Arrived::none();
        Ok(self.next_into(&mut arrived)?.then_some(arrived))
    }

    #[inline]
    pub(crate) fn next_into(&mut self, arrived: &mut Arrived) -> Result<bool, Broken> {
        if !self.side.memory.is_here() {
            return Ok(false);
        }
        let mut parts = 0;
        loop {
            let Some(record) = self.consumer.next(&self.side.memory).map_err(|_| Broken)? else {
                return Ok(false);
            };
            let kind = Kind::from_number(record.header.kind).ok_or(Broken)?;
            self.spin.saw_peer_on(record.header.cpu);
            let flags = record.header.flags;
            let place = if flags & !FLAG_PARCEL == 0 && !self.is_in_pieces() {
                let length_bytes = record.header.length_bytes as usize;
                Place { offset: record.payload_offset, length_bytes, is_external: false, is_piece: false }
            } else if let Some(place) = self.piece(record)? {
                place
            } else if parts < PARTS_MAX {
                parts += 1;
                continue;
            } else {
                // There is more, and a wait ends at once; but its caller has a clock to look at.
                return Ok(false);
            };
            arrived.attached = if flags & FLAG_PARCEL == 0 { None } else { Some(self.take_parcel()?) };
            arrived.kind = kind;
            arrived.id = record.id;
            arrived.place = link::Place::Shared(place);
            arrived.lost = self.lost.take();
            return Ok(true);
        }
    }

    /// Takes out what came along with the message at hand.
    #[cold]
    fn take_parcel(&mut self) -> Result<Box<Parcel>, Broken> {
        let parcel = self.side.beside.take_parcel(self.parcels_taken)?;
        self.parcels_taken += 1;
        Ok(parcel)
    }

    /// Looks at a record that is not a whole message by itself; `None` if it was one part of many.
    #[cold]
    fn piece(&mut self, record: Record) -> Result<Option<Place>, Broken> {
        let flags = record.header.flags;
        if flags & FLAG_WITHDRAWN != 0 {
            (self.assembled, self.lost) = (Vec::new(), None);
            self.consumer.release(&self.side.memory);
            self.tell_room();
            return Ok(None);
        }
        if flags & FLAG_EXTERNAL == 0 {
            return Err(Broken);
        }
        let mut region = Vec::with_capacity(16);
        if record.header.length_bytes != 16 {
            return Err(Broken);
        }
        self.side.memory.append_to(&mut region, record.payload_offset, 16);
        let word = |at: usize| <[u8; 8]>::try_from(&region[at..at + 8]).map(u64::from_le_bytes);
        let (Ok(start), Ok(length)) = (word(0), word(8)) else { return Err(Broken) };
        let (Ok(start), Ok(length_bytes)) = (usize::try_from(start), usize::try_from(length)) else {
            return Err(Broken);
        };
        if start > self.extension_bytes
            || length_bytes > self.extension_bytes - start
            || !start.is_multiple_of(UNIT_BYTES)
        {
            return Err(Broken);
        }
        let offset = self.extension_offset + start;
        let more = flags & FLAG_MORE != 0;
        if !more && !self.is_in_pieces() {
            return Ok(Some(Place { offset, length_bytes, is_external: true, is_piece: false }));
        }
        // A backend that never ends its message must not end us: what is too long is read over.
        if self.lost.is_none() {
            match Lost::make_room(&mut self.assembled, length_bytes, self.payload_max_bytes) {
                Ok(()) => self.side.memory.append_to(&mut self.assembled, offset, length_bytes),
                Err(lost) => (self.assembled, self.lost) = (Vec::new(), Some(lost)),
            }
        }
        let place = Place { offset, length_bytes, is_external: true, is_piece: true };
        if !more {
            return Ok(Some(place));
        }
        self.release_place(&place);
        self.tell_room();
        Ok(None)
    }

    fn is_in_pieces(&self) -> bool {
        !self.assembled.is_empty() || self.lost.is_some()
    }

    pub(crate) fn limit(&mut self, payload_max_bytes: usize) {
        self.payload_max_bytes = payload_max_bytes;
    }

    /// Bytes that [`Incoming::next`] has copied for a message.
    pub(crate) fn copied_bytes(&self, arrived: &Arrived) -> usize {
        match &arrived.place {
            link::Place::Shared(place) if place.is_piece => self.assembled.len(),
            _ => 0,
        }
    }

    #[inline]
    pub(crate) fn copy_short(&self, arrived: &Arrived, target: &mut Received) -> bool {
        let link::Place::Shared(place) = &arrived.place else { return false };
        if place.is_external || place.is_piece || place.length_bytes > self.payload_max_bytes {
            return false;
        }
        // The whole rest of the line: a copy of a length that is known takes no call, and no loop.
        const { assert!(SHORT_MAX_BYTES == LINE_BYTES - PAYLOAD_OFFSET_BYTES) };
        let Some(short) = target.short(place.length_bytes) else { return false };
        self.side.memory.read_into(place.offset, short);
        true
    }

    #[inline]
    pub(crate) fn copy_payload(&mut self, arrived: &Arrived, target: &mut Vec<u8>) -> Result<(), Lost> {
        let link::Place::Shared(place) = &arrived.place else { return Ok(()) };
        if place.is_piece {
            if target.is_empty() {
                std::mem::swap(target, &mut self.assembled);
            } else {
                target.append(&mut self.assembled);
            }
        } else {
            Lost::make_room(target, place.length_bytes, self.payload_max_bytes)?;
            self.side.memory.append_to(target, place.offset, place.length_bytes);
        }
        Ok(())
    }

    /// # Safety
    ///
    /// As for [`super::super::Incoming::trusted_payload`].
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn trusted_payload<'any>(&self, arrived: &Arrived) -> &'any [u8] {
        let payload = match &arrived.place {
            link::Place::Shared(place) if !place.is_piece => {
                // SAFETY: the caller vouches that the other side leaves the payload alone.
                unsafe { self.side.memory.trusted_slice(place.offset, place.length_bytes) }
            }
            _ => &self.assembled,
        };
        // SAFETY: the memory stays mapped with `self.side`, `assembled` stays until `release`, and
        // the caller uses the slice no longer than that.
        unsafe { link::outlive(payload) }
    }

    #[inline]
    pub(crate) fn note_taken(&self) {
        let position = self.consumer.position_behind_next();
        // Relaxed: it is looked at only after our death.
        self.side.memory.store(TAKEN_POSITION_OFFSET, position, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn release_quietly(&mut self, place: &link::Place) {
        let link::Place::Shared(place) = place else { return };
        if place.is_piece {
            self.assembled = Vec::new();
        }
        self.release_place(place);
    }

    #[inline]
    pub(crate) fn tell_room(&self) {
        self.side.notify(ROOM_BIT);
    }

    #[inline]
    fn release_place(&mut self, place: &Place) {
        if place.is_external {
            self.give_pages_back(place);
        }
        self.consumer.release(&self.side.memory);
    }

    /// Gives back the pages of a region that lie above what an extension keeps.
    #[cold]
    fn give_pages_back(&self, place: &Place) {
        let start = place.offset.max(self.extension_offset + RETAINED_BYTES);
        let end = place.offset + place.length_bytes.next_multiple_of(UNIT_BYTES);
        let end = end.min(self.extension_offset + self.extension_bytes);
        if start < end {
            // Refused, it only keeps the pages a little longer.
            let _ = self.side.memory.release_pages(start, end - start);
        }
    }

    /// Whether what is waited for has come.
    #[inline]
    pub(crate) fn is_ready(&self, interest: Interest) -> bool {
        self.look().is_ready(interest)
    }

    #[inline]
    fn look(&self) -> Look<'_> {
        Look {
            side: &self.side,
            consumer: &self.consumer,
            room_offset: self.sent_read_position_offset,
            heeds_given: self.heeds_given,
        }
    }

    pub(crate) fn wait(&mut self, interest: Interest, deadline: Option<Instant>) -> io::Result<Wake> {
        if !self.side.memory.is_here() {
            return Ok(Wake::Gone);
        }
        self.last_sleep_began = None;
        let patient = deadline.is_none_or(|deadline| deadline > Instant::now());
        if self.is_ready(interest) || (patient && self.spin(interest, || false)) {
            return Ok(Wake::Rung);
        }
        self.side.announce_waiting(bits(interest));
        // Without this second look a record published between the first look and the announcement
        // would wake nobody, and we would sleep beside it (S1 in `ring::waiting`).
        if self.is_ready(interest) {
            self.side.end_waiting();
            return Ok(Wake::Rung);
        }
        let start = Moment::now();
        self.last_sleep_began = Some(start);
        let wake = self.sleeper.sleep(deadline)?;
        self.side.end_waiting();
        if wake == Wake::Rung {
            self.spin.slept_for(start.elapsed());
        }
        Ok(wake)
    }

    /// Says whether a wait for a message ends for newcomers too (N1 of `link::newcomers`).
    pub(crate) fn heed_given(&mut self, heeds: bool) {
        self.heeds_given = heeds;
    }

    #[inline]
    pub(crate) fn was_given(&self) -> bool {
        self.heeds_given && self.side.was_given()
    }

    #[inline]
    pub(crate) fn spin(&mut self, interest: Interest, mut or: impl FnMut() -> bool) -> bool {
        let Self { side, consumer, sent_read_position_offset, heeds_given, spin, .. } = self;
        let (room_offset, heeds_given) = (*sent_read_position_offset, *heeds_given);
        let look = Look { side, consumer, room_offset, heeds_given };
        spin.spin_until(|| look.is_ready(interest) || or())
    }

    pub(crate) fn announce_sleep(&mut self, interest: Interest) {
        self.last_sleep_began = Some(Moment::now());
        self.side.announce_waiting(bits(interest));
    }

    pub(crate) fn sleeps_at(&self) -> BorrowedFd<'_> {
        self.sleeper.as_fd()
    }

    pub(crate) fn end_sleep(&mut self, readable: bool) -> io::Result<Wake> {
        self.side.end_waiting();
        let began = self.last_sleep_began.take();
        if !readable {
            return Ok(Wake::Rung);
        }
        let wake = self.sleeper.wake()?;
        if let Some(began) = began
            && wake == Wake::Rung
        {
            self.spin.slept_for(began.elapsed());
        }
        Ok(wake)
    }

    pub(crate) fn bell(&self) -> Arc<OwnedFd> {
        self.sleeper.share()
    }

    pub(crate) fn take_rings(&mut self) -> io::Result<Rings> {
        self.sleeper.take_rings()
    }

    pub(crate) fn arm(&mut self) -> bool {
        self.side.announce_waiting(MESSAGE_BIT);
        // As in `wait`: without this look a record of a moment ago would ring for nobody (S1).
        self.consumer.has_record(&self.side.memory)
    }

    pub(crate) fn has_hung_up(&self) -> bool {
        self.sleeper.has_hung_up()
    }

    #[cfg(test)]
    pub(super) fn assembled_bytes(&self) -> usize {
        self.assembled.len()
    }

    pub(crate) fn last_sleep_began(&self) -> Option<Moment> {
        self.last_sleep_began
    }

    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.sleeper.as_fd(), self.side.bell().as_fd(), self.side.beside.as_fd()]
    }
}

/// What a waiting side looks at.
#[derive(Clone, Copy)]
struct Look<'incoming> {
    side: &'incoming Side,
    consumer: &'incoming Consumer,
    room_offset: usize,
    heeds_given: bool,
}

impl Look<'_> {
    #[inline]
    fn is_ready(self, interest: Interest) -> bool {
        let memory = &self.side.memory;
        let message = interest.message
            && (self.consumer.has_record(memory) || self.heeds_given && self.side.was_given());
        // Relaxed: the producer acquires before it writes to the room.
        let has_room = |until| memory.load(self.room_offset, Ordering::Relaxed) >= until;
        message || interest.room.is_some_and(|room| has_room(room.until_position))
    }
}

fn bits(interest: Interest) -> u64 {
    let message = if interest.message { MESSAGE_BIT } else { 0 };
    message | if interest.room.is_some() { ROOM_BIT } else { 0 }
}
