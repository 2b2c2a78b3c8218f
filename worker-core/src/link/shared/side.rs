//! One side of a shared link: its memory, the bell of the other side, and who sleeps.
//! Not here: what is sent (`outgoing`) and received (`incoming`), and why no wake-up is lost (`ring::waiting`).
//! Layer 3: over `ring` and `sys`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::layout::{Layout, WaitingWord};
use crate::link::beside::Beside;
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
        let rang = waiting::must_ring(&self.memory, self.waiting.other().0, bits);
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
