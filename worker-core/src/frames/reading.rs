//! A reading end's half of the protocol: finds the next frame, borrows it, gives it back.
//! Not here: the bytes of frames, and waiting (`reader`).
//! Layer 6: pure steps over `Words`, so that a model can run them. It trusts no word further than that
//! a wrong one makes for wrong frames: what becomes an offset is checked.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use super::Overflow;
use super::control::{BORROWERS, Control, POSITION_MAX, ReaderWords, Words, from_entry, published};
use super::registry::Start;

/// What one reading end knows.
#[derive(Debug)]
pub(super) struct Reading {
    control: Control,
    overflow: Overflow,
    seat: usize,
    at: ReaderWords,
    next: Cell<u64>,
    last_sequence: Cell<u64>,
}

/// A frame that is borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Borrowed {
    pub(super) slot: usize,
    pub(super) sequence: u64,
    /// Nanoseconds of the machine's monotonic clock.
    pub(super) timestamp: u64,
}

impl Reading {
    /// The reading end that has a seat, where its words say it is.
    pub(super) fn resume(control: Control, overflow: Overflow, seat: usize, words: &impl Words) -> Self {
        let at = control.reader(seat);
        // Relaxed: this end alone writes them, and its hand-over orders everything before it.
        let next = Cell::new(words.load(at.next, Ordering::Relaxed));
        let last_sequence = Cell::new(words.load(at.last_sequence, Ordering::Relaxed));
        Self { control, overflow, seat, at, next, last_sequence }
    }

    /// Borrows the next frame, if there is one.
    #[inline]
    pub(super) fn take(&self, words: &impl Words) -> Option<Borrowed> {
        loop {
            // SYNC: newest (acquire).
            let newest = words.load(self.control.newest(), Ordering::Acquire);
            let next = self.next.get();
            // No writer comes so far in the life of a computer; whatever wrote that is not believed.
            if newest < next || newest > POSITION_MAX {
                return None;
            }
            // Further back than there are slots, there can be no frame any more.
            let oldest = (newest + 1).saturating_sub(self.control.slots() as u64);
            let mut position = match self.overflow {
                Overflow::LatestOnly => newest,
                _ => next.max(oldest),
            };
            while position <= newest {
                if let Some(borrowed) = self.try_borrow(words, position) {
                    self.pass(words, position, Some(borrowed.sequence));
                    return Some(borrowed);
                }
                position += 1;
            }
            // All of them were taken away from under our eyes, which shows when the next one comes.
            self.pass(words, newest, None);
        }
    }

    /// Whether there may be a frame to take.
    #[inline]
    pub(super) fn may_take(&self, words: &impl Words) -> bool {
        // SYNC: newest (acquire).
        let newest = words.load(self.control.newest(), Ordering::Acquire);
        newest >= self.next.get() && newest <= POSITION_MAX
    }

    #[inline]
    fn try_borrow(&self, words: &impl Words, position: u64) -> Option<Borrowed> {
        // Relaxed: acquired with `newest`; what was written since names another position.
        let (entry_position, slot) = from_entry(words.load(self.control.index(position), Ordering::Relaxed));
        if entry_position != position || slot >= self.control.slots() {
            return None;
        }
        let at = self.control.slot(slot);
        loop {
            // Relaxed: a guess, which the exchange confirms.
            let word = words.load(at.word, Ordering::Relaxed);
            if word & !BORROWERS != published(position) {
                return None;
            }
            // F1. SYNC: frame (acquire).
            if words.exchange(at.word, word, word | self.bit(), Ordering::Acquire) {
                break;
            }
        }
        // Relaxed, all three: acquired with the exchange, and unchanged while we borrow.
        if words.load(at.position, Ordering::Relaxed) != position {
            // The word has too few bits to tell this frame from one that is 2^31 frames away.
            self.give_back(words, slot);
            return None;
        }
        let sequence = words.load(at.sequence, Ordering::Relaxed);
        let timestamp = words.load(at.timestamp, Ordering::Relaxed);
        Some(Borrowed { slot, sequence, timestamp })
    }

    /// Moves past a position, and counts what was lost on the way if a frame was found there.
    #[inline]
    fn pass(&self, words: &impl Words, position: u64, sequence: Option<u64>) {
        if let Some(sequence) = sequence {
            let lost = sequence.saturating_sub(self.last_sequence.get().saturating_add(1));
            self.last_sequence.set(sequence);
            // Relaxed, all four: counts of this end alone; the release below is after them.
            words.store(self.at.last_sequence, sequence, Ordering::Relaxed);
            let lost = lost.wrapping_add(words.load(self.at.lost, Ordering::Relaxed));
            words.store(self.at.lost, lost, Ordering::Relaxed);
            words.add(self.at.taken, 1, Ordering::Relaxed);
        }
        self.next.set(position + 1);
        // SYNC: passed (release).
        words.store(self.at.next, position + 1, Ordering::Release);
    }

    /// Gives a borrowed frame back.
    pub(super) fn give_back(&self, words: &impl Words, slot: usize) {
        // SYNC: slot (release).
        words.and(self.control.slot(slot).word, !self.bit(), Ordering::Release);
    }

    /// Whether the writing end sleeps and has to be woken now that there may be room.
    pub(super) fn take_waiting_writer(&self, words: &impl Words) -> bool {
        if self.overflow != Overflow::Block {
            return false;
        }
        // D1: what we gave back is written; now look whether the writing end sleeps for it.
        words.fence();
        // Relaxed, both: the fence orders the first, and the second needs only atomicity (D2).
        words.load(self.control.writer_waiting(), Ordering::Relaxed) != 0
            && words.swap(self.control.writer_waiting(), 0, Ordering::Relaxed) != 0
    }

    /// Says that this end is about to sleep. It must look once more before it does.
    #[inline]
    pub(super) fn announce_waiting(&self, words: &impl Words) {
        // Relaxed: the fence orders it (D1).
        words.or(self.control.sleepers(), self.bit(), Ordering::Relaxed);
        words.fence();
    }

    /// Says that this end is awake.
    #[inline]
    pub(super) fn end_waiting(&self, words: &impl Words) {
        // Relaxed: a ring that comes late only ends a later sleep early.
        words.and(self.control.sleepers(), !self.bit(), Ordering::Relaxed);
    }

    /// Where another end begins that is made from this one.
    pub(super) fn start(&self) -> Start {
        Start { next: self.next.get(), last_sequence: self.last_sequence.get() }
    }

    pub(super) fn seat(&self) -> usize {
        self.seat
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    fn bit(&self) -> u64 {
        1 << self.seat
    }
}
