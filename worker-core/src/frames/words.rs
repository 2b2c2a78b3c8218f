//! The control words of a ring in real shared memory.
//! Not here: which word means what (`control`), and what rings of records do with words (`ring::words`).
//! Layer 6: over `sys::memory`.

use std::sync::atomic::Ordering;

use super::control::Words;
use crate::sys::memory::SharedMemory;

impl Words for SharedMemory {
    #[inline]
    fn add(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).fetch_add(value, order)
    }

    #[inline]
    fn and(&self, offset_bytes: usize, bits: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).fetch_and(bits, order)
    }

    #[inline]
    fn exchange(&self, offset_bytes: usize, from: u64, to: u64, order: Ordering) -> bool {
        // Relaxed on failure: nothing is concluded from it but that the word is another.
        self.word(offset_bytes).compare_exchange(from, to, order, Ordering::Relaxed).is_ok()
    }
}
