//! The words of a ring in real shared memory.
//! Not here: which word means what (`super`, `waiting`).
//! Layer 2: over `sys::memory`.

use std::sync::atomic::{Ordering, fence};

use super::Memory;
use crate::sys::memory::SharedMemory;

impl Memory for SharedMemory {
    #[inline]
    fn load(&self, offset_bytes: usize, order: Ordering) -> u64 {
        self.word(offset_bytes).load(order)
    }

    #[inline]
    fn store(&self, offset_bytes: usize, value: u64, order: Ordering) {
        self.word(offset_bytes).store(value, order);
    }

    #[inline]
    fn swap(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).swap(value, order)
    }

    #[inline]
    fn or(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).fetch_or(value, order)
    }

    #[inline]
    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}
