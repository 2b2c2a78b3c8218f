//! What the bare peers need of the system: what the figures of the library use, and shared memory for payloads.
//! Not here: measuring anything.
//! Layer: bottom; the only `unsafe` of the comparison.

#[path = "../../figures/system.rs"]
#[allow(dead_code, reason = "the figures use the rest")]
mod figures;

use std::io;

pub use figures::{
    Child, Mailbox, allowed_processors, fork_and_wait, futex_wait, futex_wake, memory_kib, open_descriptors,
    run_on, shared_mailboxes,
};

/// Bytes that every later fork of this process shares; mapped until its end. Whose turn it is to touch them is said
/// elsewhere: a mailbox or a pair of counters.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    start: *mut u8,
    length: usize,
}

// SAFETY: the mapping stays where it is, and whose turn it is to touch it is the same question for threads.
unsafe impl Send for Shared {}

impl Shared {
    pub fn new(length: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), length })
    }

    #[inline]
    pub fn write_at(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.length);
        // SAFETY: within the mapping, as checked; it is this side's turn, so nobody else touches these bytes.
        unsafe { self.start.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    #[inline]
    pub fn read_at(&self, offset: usize, into: &mut [u8]) {
        assert!(offset + into.len() <= self.length);
        // SAFETY: as in `write_at`.
        unsafe { into.as_mut_ptr().copy_from_nonoverlapping(self.start.add(offset), into.len()) };
    }

    #[inline]
    pub fn write(&self, bytes: &[u8]) {
        self.write_at(0, bytes);
    }

    pub fn read(&self, into: &mut [u8]) {
        self.read_at(0, into);
    }

    pub fn copy_from(&self, other: &Self, length: usize) {
        assert!(length <= self.length && length <= other.length);
        // SAFETY: two mappings, both long enough, and it is this side's turn at both.
        unsafe { self.start.copy_from_nonoverlapping(other.start, length) };
    }

    pub fn write_words(&self, words: &[u64]) {
        assert!(size_of_val(words) <= self.length);
        // SAFETY: as in `write_at`; a mapping begins at a page.
        unsafe { self.start.cast::<u64>().copy_from_nonoverlapping(words.as_ptr(), words.len()) };
    }

    pub fn with_words<T>(&self, look: impl FnOnce(&[u64]) -> T) -> T {
        // SAFETY: as in `with`; a mapping begins at a page, and any bytes are words.
        look(unsafe { std::slice::from_raw_parts(self.start.cast(), self.length / 8) })
    }

    #[inline]
    pub fn with<T>(&self, length: usize, look: impl FnOnce(&[u8]) -> T) -> T {
        assert!(length <= self.length);
        // SAFETY: within the mapping; while it is this side's turn nobody writes.
        look(unsafe { std::slice::from_raw_parts(self.start, length) })
    }
}
