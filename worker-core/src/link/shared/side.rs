//! One side of a shared link: its memory, the bell of the other side, and who sleeps.
//! Not here: what is sent (`outgoing`) and received (`incoming`), and why no wake-up is lost (`ring::waiting`).
//! Layer 3: over `ring` and `sys`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::layout::{GIVEN_OFFSET, Layout, WaitingWord};
use crate::link::beside::Beside;
use crate::ring::Memory;
use crate::ring::waiting::{self, MESSAGE_BIT};
use crate::sys::doorbell::Bell;
use crate::sys::memory::SharedMemory;

/// What both halves of a link end share.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) memory: SharedMemory,
    pub(super) layout: Layout,
    pub(super) beside: Arc<Beside>,
    bell: Bell,
    waiting: WaitingWord,
}

impl Side {
    pub(super) fn new(
        memory: SharedMemory,
        layout: Layout,
        bell: Bell,
        waiting: WaitingWord,
        beside: Arc<Beside>,
    ) -> Self {
        Self { memory, layout, beside, bell, waiting }
    }

    /// Tells the other side that what it may wait for has come true; says whether it slept.
    #[inline]
    pub(super) fn notify(&self, bits: u64) -> bool {
        let rings = waiting::must_ring(&self.memory, self.waiting.other().0, bits);
        if rings {
            self.bell.ring();
        }
        rings
    }

    /// Tells the backend that its actor was given away (N1 of `link::newcomers`).
    pub(super) fn give(&self) {
        // Relaxed: as a record, it is made true before the fence in `notify` (S1).
        self.memory.store(GIVEN_OFFSET, 1, Ordering::Relaxed);
        self.notify(MESSAGE_BIT);
    }

    /// Whether the frontend says that the actor was given away.
    #[inline]
    pub(super) fn was_given(&self) -> bool {
        // Relaxed: nothing but the word itself is read by it, and `ring::waiting` orders the look (S1).
        self.memory.load(GIVEN_OFFSET, Ordering::Relaxed) != 0
    }

    /// Says that this side is about to sleep. The caller must look once more before it does.
    pub(super) fn announce_waiting(&self, bits: u64) {
        waiting::announce(&self.memory, self.waiting.0, bits);
    }

    /// Says that this side is awake.
    pub(super) fn end_waiting(&self) {
        waiting::end(&self.memory, self.waiting.0);
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }
}
