//! Who sleeps, and who must therefore ring: two words, one a side, and the rule that loses no wake-up.
//! Not here: the doorbell itself (`sys::doorbell`), and how long to spin before (`link::spin`).
//! Layer 2: safe code over `Memory`.
//!
//! # Protocol
//!
//! A side that wants to sleep sets bits in its own word, fences, and looks once more for what it
//! waits for. A side that has made something true (a record, free lines) fences and looks at the
//! other's word.
//!
//! * S1: of two threads that each write, fence, and read what the other wrote, at least one sees the
//!   other's write. So either the sleeper sees the record and stays awake, or the writer sees the
//!   bits and rings: no wake-up is lost.
//! * S2: bits are taken by a swap, so each time of waiting is answered by at most one ring. One that
//!   comes after the sleeper changed its mind only makes its next sleep end early.

use std::sync::atomic::Ordering;

use super::Memory;

/// Waits for a message.
pub(crate) const MESSAGE_BIT: u64 = 1;
/// Waits for room to send one.
pub(crate) const ROOM_BIT: u64 = 2;

/// Says that a side is about to sleep. It must look once more before it does.
pub(crate) fn announce(memory: &impl Memory, own_word_offset: usize, bits: u64) {
    // The fence orders it (S1). Release: for whoever takes the bits back in our place, in `end`.
    memory.or(own_word_offset, bits, Ordering::Release);
    memory.fence();
}

/// Says that a side is awake.
pub(crate) fn end(memory: &impl Memory, own_word_offset: usize) {
    // A ring for bits seen before is a stray one (S2). Of threads of one side, one may take back what another has just
    // announced, who then relies on the first to look for it. Acquire: so that one sees what was written down for it (C10).
    memory.swap(own_word_offset, 0, Ordering::Acquire);
}

/// After something was made true: whether the other side sleeps for it and must be rung.
#[inline]
#[must_use]
pub(crate) fn must_ring(memory: &impl Memory, other_word_offset: usize, bits: u64) -> bool {
    // S1: our record or position is written; now look whether anybody sleeps for it.
    memory.fence();
    // Relaxed, twice: the fence orders the look, and S2 asks of the swap only that it is one step.
    memory.load(other_word_offset, Ordering::Relaxed) & bits != 0
        && memory.swap(other_word_offset, 0, Ordering::Relaxed) != 0
}
