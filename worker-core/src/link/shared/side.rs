//! One side of a shared link: its memory, the bell of the other side, and who sleeps.
//! Not here: what is sent (`outgoing`) and received (`incoming`).
//! Layer 3: over `sys`.
//!
//! # Protocol of sleeping
//!
//! A side that wants to sleep sets bits in its own waiting word, fences, and looks once more. A side
//! that has made something true (a record, free lines) fences and looks at the other's word.
//!
//! * S1: of two threads that each write, fence and read the other's word, at least one sees the
//!   other's write. So either the sleeper sees the record and stays awake, or the writer sees the
//!   bits and rings: no wake-up is lost.
//! * S2: bits are taken by a swap, so each time of waiting is answered by at most one byte in the
//!   pipe. A byte that comes after the sleeper changed its mind only makes its next sleep end early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::layout::{Layout, WaitingWord};
use crate::link::beside::Beside;
use crate::ring::Memory;
use crate::sys::doorbell::Bell;
use crate::sys::memory::SharedMemory;

/// Waits for a message.
pub(super) const MESSAGE_BIT: u64 = 1;
/// Waits for room to send one.
pub(super) const ROOM_BIT: u64 = 2;

/// What both halves of a link end share.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) memory: SharedMemory,
    pub(super) layout: Layout,
    pub(super) beside: Arc<Beside>,
    bell: Bell,
    waiting: WaitingWord,
    /// Whether the other side slept when we last wrote to it.
    rang: AtomicBool,
}

impl Side {
    pub(super) fn new(
        memory: SharedMemory,
        layout: Layout,
        bell: Bell,
        waiting: WaitingWord,
        beside: Arc<Beside>,
    ) -> Self {
        Self { memory, layout, beside, bell, waiting, rang: AtomicBool::new(false) }
    }

    /// Tells the other side that what it may wait for has come true.
    #[inline]
    pub(super) fn notify(&self, bits: u64) {
        let word = self.waiting.other().0;
        // S1: our record or position is written; now look whether anybody sleeps for it.
        self.memory.fence();
        // Relaxed: the fence orders it.
        let rang = self.memory.load(word, Ordering::Relaxed) & bits != 0
            // AcqRel: S2 needs only atomicity; the order is the fence's.
            && self.memory.swap(word, 0, Ordering::AcqRel) != 0;
        if rang {
            self.bell.ring();
        }
        if bits & MESSAGE_BIT != 0 {
            // Relaxed: a hint for the spin decision of this side, nothing depends on it.
            self.rang.store(rang, Ordering::Relaxed);
        }
    }

    /// Whether the other side slept when we last sent it a message.
    pub(super) fn rang(&self) -> bool {
        // Relaxed: see `notify`.
        self.rang.load(Ordering::Relaxed)
    }

    /// Says that this side is about to sleep. The caller must look once more before it does.
    pub(super) fn announce_waiting(&self, bits: u64) {
        // Relaxed: the fence orders it (S1).
        self.memory.or(self.waiting.0, bits, Ordering::Relaxed);
        self.memory.fence();
    }

    /// Says that this side is awake.
    pub(super) fn end_waiting(&self) {
        // Relaxed: a byte that was sent for bits seen before this store is a stray one (S2).
        self.memory.store(self.waiting.0, 0, Ordering::Relaxed);
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }
}
