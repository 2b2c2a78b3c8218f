//! What lies where in the control part of a ring, and the words that both sides touch.
//! Not here: who may write which word when (`writing`, `reading`, `registry`).
//! Layer 6: pure numbers, and one trait over atomics, that of `ring` made wider.
//!
//! | word | unit | writer | reader |
//! | --- | --- | --- | --- |
//! | newest | position of the frame published last | writing end | reading ends |
//! | sequence | number of the frame published or dropped last | writing end | both |
//! | dropped | frames that found no slot | writing end | both |
//! | overwritten | frames taken away before some reader came to them | writing end | both |
//! | writer waiting | whether the writing end sleeps | both | both |
//! | sleepers | a bit per reading end that wants to be woken | both | both |
//! | epoch | how often the writing end changed hands | writing end | writing end |
//! | attached | a bit per reading end that counts | both | writing end |
//! | attachments | how many reading ends there ever were | reading ends | writing end |
//! | tokens | names given to reading ends | reading ends | reading ends |
//! | departed lost | frames lost by reading ends that are gone | both | both |
//! | reader: state, next, lost, taken, last sequence | one set per reading end | that end | both |
//! | index | position and slot of the frames published last | writing end | reading ends |
//! | slot: word, position, sequence, timestamp | one set per slot | see `mod` | both |

use std::sync::atomic::Ordering;

use crate::ring::Memory;

/// Most reading ends of one ring: each has a bit in the word of every slot.
pub(super) const READERS_MAX: usize = 32;
/// Most slots: an index entry has 16 bits for the number of one.
pub(super) const SLOTS_MAX: usize = 1 << 16;
const SLOT_BITS: u32 = 16;

/// The atomic words of the control part, by byte offset: those of a ring of records, and what only frames need.
pub(super) trait Words: Memory {
    fn add(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64;
    fn and(&self, offset_bytes: usize, bits: u64, order: Ordering) -> u64;
    /// Gives whether it was exchanged. A failure is relaxed.
    fn exchange(&self, offset_bytes: usize, from: u64, to: u64, order: Ordering) -> bool;
}

/// Offsets of the words, for one number of slots and of reading ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    base_bytes: usize,
    /// Distance of words that different processes write: processors fetch lines in pairs.
    line_bytes: usize,
    readers_max: usize,
    slots: usize,
}

/// Lines before the index. The index, the slots of a ring of few and the first reading ends share a page with
/// them, because each page costs a reading end that was asleep for long.
const INDEX_LINE: usize = 8;

impl Control {
    /// The words behind a header of `base_bytes`.
    pub(super) const fn new(base_bytes: usize, slots: usize) -> Self {
        Self { base_bytes, line_bytes: 128, readers_max: READERS_MAX, slots }
    }

    /// As few words as possible, so that a model checker can keep up.
    #[cfg(test)]
    pub(super) const fn for_model(readers_max: usize, slots: usize) -> Self {
        Self { base_bytes: 0, line_bytes: 40, readers_max, slots }
    }

    pub(super) const fn readers_max(&self) -> usize {
        self.readers_max
    }

    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    /// Where the words end.
    pub(super) const fn end_bytes(&self) -> usize {
        self.reader(self.readers_max).state
    }

    const fn line(&self, number: usize) -> usize {
        self.base_bytes + number * self.line_bytes
    }

    pub(super) const fn newest(&self) -> usize {
        self.line(0)
    }

    pub(super) const fn sequence(&self) -> usize {
        self.line(1)
    }

    pub(super) const fn dropped(&self) -> usize {
        self.line(1) + 8
    }

    pub(super) const fn overwritten(&self) -> usize {
        self.line(1) + 16
    }

    pub(super) const fn writer_waiting(&self) -> usize {
        self.line(2)
    }

    pub(super) const fn sleepers(&self) -> usize {
        self.line(3)
    }

    pub(super) const fn epoch(&self) -> usize {
        self.line(4)
    }

    pub(super) const fn attached(&self) -> usize {
        self.line(5)
    }

    pub(super) const fn attachments(&self) -> usize {
        self.line(5) + 8
    }

    pub(super) const fn tokens(&self) -> usize {
        self.line(6)
    }

    pub(super) const fn departed_lost(&self) -> usize {
        self.line(6) + 8
    }

    pub(super) const fn reader(&self, index: usize) -> ReaderWords {
        let slots_end = self.slot(self.slots).word;
        let line = slots_end.next_multiple_of(self.line_bytes) + index * self.line_bytes;
        ReaderWords {
            state: line,
            next: line + 8,
            lost: line + 16,
            taken: line + 24,
            last_sequence: line + 32,
        }
    }

    /// The entry that tells the slot of the frame at a position.
    pub(super) fn index(&self, position: u64) -> usize {
        let place = usize::try_from(position % self.slots as u64).expect("below the number of slots");
        self.line(INDEX_LINE) + place * 8
    }

    pub(super) const fn slot(&self, slot: usize) -> SlotWords {
        let index_end = self.line(INDEX_LINE) + self.slots * 8;
        let stride = (self.line_bytes / 2) & !7;
        let stride = if stride < 32 { 32 } else { stride };
        let word = index_end.next_multiple_of(stride) + slot * stride;
        SlotWords { word, position: word + 8, sequence: word + 16, timestamp: word + 24 }
    }
}

/// Offsets of the words of one reading end.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReaderWords {
    pub(super) state: usize,
    /// Position of the frame that it wants next.
    pub(super) next: usize,
    /// Frames that went by it.
    pub(super) lost: usize,
    pub(super) taken: usize,
    /// Sequence number of the frame that it took last.
    pub(super) last_sequence: usize,
}

/// Offsets of the words of one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotWords {
    /// See [`published`].
    pub(super) word: usize,
    pub(super) position: usize,
    pub(super) sequence: usize,
    /// Nanoseconds of the machine's monotonic clock.
    pub(super) timestamp: usize,
}

/// How much of a position the word of a slot tells. In models it is so little that they meet frames whose
/// words look alike.
const POSITION_BITS: u32 = if cfg!(worker_model) { 1 } else { 31 };

/// The word of a slot that holds the frame at `position` and that nobody borrows.
///
/// `{ position: 31 bits, published: 1, borrowers: 32 }`; zero means that the slot is the writing end's.
pub(super) const fn published(position: u64) -> u64 {
    (position & ((1 << POSITION_BITS) - 1)) << 33 | 1 << 32
}

/// The bits of a slot's word that say who borrows it.
pub(super) const BORROWERS: u64 = (1 << READERS_MAX) - 1;

/// Last position that an index entry can tell: at a million frames a second, nine years away.
pub(super) const POSITION_MAX: u64 = (1 << (64 - SLOT_BITS)) - 1;

/// The index entry `{ position: 48 bits, slot: 16 }`.
pub(super) const fn entry(position: u64, slot: usize) -> u64 {
    position << SLOT_BITS | slot as u64
}

/// Position (its low 48 bits) and slot of an index entry.
pub(super) fn from_entry(entry: u64) -> (u64, usize) {
    let slot = usize::try_from(entry & (SLOTS_MAX as u64 - 1)).expect("16 bits");
    (entry >> SLOT_BITS, slot)
}
