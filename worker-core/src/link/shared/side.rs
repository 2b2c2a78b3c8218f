//! One side of a shared link: its memory, the bell of the other side, and who sleeps.
//! Not here: what is sent (`outgoing`) and received (`incoming`), and why no wake-up is lost (`ring::waiting`).
//! Layer 3: over `ring` and `sys`.

use std::sync::Arc;

use super::layout::{Layout, WaitingWord};
use crate::link::beside::Beside;
use crate::ring::waiting;
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
