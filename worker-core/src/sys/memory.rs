//! Shared memory without a name: a sealed `memfd`, mapped whole.
//! Not here: what the bytes mean (`ring`).
//! Layer 1: system calls.
//!
//! # Safety
//!
//! Another process may write to the memory at any time. So nothing here hands out a reference into
//! it, but for [`SharedMemory::trusted_slice`], which says whom the caller has to trust.
//!
//! * M1: `base .. base + length` is mapped readable and writable for as long as the value lives.
//! * M2: the memfd is sealed against shrinking before anybody else sees it, so that no access
//!   within M1 can raise SIGBUS for a missing page behind the end.
//! * M3: words are only touched through atomics, at offsets that are multiples of eight.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use nix::unistd::ftruncate;

use super::while_doing;

/// A mapped shared memory object of fixed length.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    base: NonNull<u8>,
    length_bytes: usize,
}

// SAFETY: M1 holds for every thread, and all access goes through raw pointers and atomics.
unsafe impl Send for SharedMemory {}
// SAFETY: as for `Send`; concurrent byte copies into one region are kept apart by `ring`.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Makes a sealed object of `length_bytes` zero bytes and maps it.
    ///
    /// Pages come to be when they are first touched, so a long object costs nothing by itself.
    ///
    /// # Source
    ///
    /// `memfd_create(2)`, `F_ADD_SEALS` in `fcntl(2)`.
    pub(crate) fn create(name: &str, length_bytes: usize) -> io::Result<(OwnedFd, Self)> {
        let refused = |errno| while_doing("shared memory could not be made", errno);
        let descriptor =
            memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).map_err(refused)?;
        let length = i64::try_from(length_bytes).map_err(|_| refused(Errno::EFBIG))?;
        ftruncate(&descriptor, length).map_err(refused)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&descriptor, FcntlArg::F_ADD_SEALS(seals)).map_err(refused)?;
        let memory = Self::map(&descriptor, length_bytes)?;
        Ok((descriptor, memory))
    }

    /// Maps an object that [`SharedMemory::create`] made.
    pub(crate) fn map(descriptor: &impl AsFd, length_bytes: usize) -> io::Result<Self> {
        let refused = |errno| while_doing("shared memory could not be mapped", errno);
        let length = NonZeroUsize::new(length_bytes).ok_or_else(|| refused(Errno::EINVAL))?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let base = unsafe { mmap(None, length, protection, flags, descriptor, 0) }.map_err(refused)?;
        let memory = Self { base: base.cast(), length_bytes };
        // A core file of the program is about the program, not about messages in flight.
        memory.advise(0, length_bytes, MmapAdvise::MADV_DONTDUMP).ok();
        Ok(memory)
    }

    /// The word at `offset_bytes`.
    ///
    /// # Panics
    ///
    /// If the offset is not a multiple of eight or the word does not lie inside.
    #[inline]
    pub(crate) fn word(&self, offset_bytes: usize) -> &AtomicU64 {
        assert!(offset_bytes.is_multiple_of(8) && offset_bytes < self.length_bytes & !7, "word outside");
        // SAFETY: the assertion above keeps the offset inside M1.
        let word = unsafe { self.base.as_ptr().add(offset_bytes) };
        // SAFETY: M1 keeps it mapped for the borrow of `self`, M3 aligned, and atomics may be shared.
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }

    /// Copies `bytes` to `offset_bytes`.
    ///
    /// # Panics
    ///
    /// If they do not fit inside.
    #[inline]
    pub(crate) fn write(&self, offset_bytes: usize, bytes: &[u8]) {
        self.assert_inside(offset_bytes, bytes.len());
        // SAFETY: the assertion above keeps the offset inside M1.
        let target = unsafe { self.base.as_ptr().add(offset_bytes) };
        // SAFETY: M1, and the assertion above; `bytes` is private memory, so they cannot overlap.
        unsafe { target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// Appends the `length_bytes` bytes at `offset_bytes` to `target`.
    ///
    /// What is copied may be torn if the other side writes meanwhile; it is private afterwards.
    ///
    /// # Panics
    ///
    /// If they do not lie inside.
    #[inline]
    pub(crate) fn append_to(&self, target: &mut Vec<u8>, offset_bytes: usize, length_bytes: usize) {
        self.assert_inside(offset_bytes, length_bytes);
        target.reserve(length_bytes);
        let start = target.len();
        // SAFETY: the assertion above keeps the offset inside M1.
        let source = unsafe { self.base.as_ptr().add(offset_bytes) };
        let spare = target.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: M1 for the source; `reserve` made room behind the end of `target`.
        unsafe { spare.copy_from_nonoverlapping(source, length_bytes) }
        // SAFETY: the line above initialised exactly these bytes.
        unsafe { target.set_len(start + length_bytes) }
    }

    /// The bytes at `offset_bytes`, in place.
    ///
    /// # Safety
    ///
    /// Whoever else has this memory mapped must not write to these bytes while the slice lives. A
    /// backend may believe that of its frontend; a frontend must never believe it of its backend.
    #[inline]
    pub(crate) unsafe fn trusted_slice(&self, offset_bytes: usize, length_bytes: usize) -> &[u8] {
        self.assert_inside(offset_bytes, length_bytes);
        // SAFETY: the assertion above keeps the offset inside M1.
        let start = unsafe { self.base.as_ptr().add(offset_bytes) };
        // SAFETY: M1 keeps the bytes mapped; the caller vouches that nobody writes to them.
        unsafe { std::slice::from_raw_parts(start, length_bytes) }
    }

    /// Leaves the mapping out of every later fork of this process.
    ///
    /// # Source
    ///
    /// `MADV_DONTFORK` in `madvise(2)`.
    pub(crate) fn keep_from_forks(&self) -> io::Result<()> {
        self.advise(0, self.length_bytes, MmapAdvise::MADV_DONTFORK)
    }

    /// Gives the pages of a range back to the system; they read as zero afterwards.
    ///
    /// # Source
    ///
    /// `MADV_REMOVE` in `madvise(2)`.
    pub(crate) fn release_pages(&self, offset_bytes: usize, length_bytes: usize) -> io::Result<()> {
        self.advise(offset_bytes, length_bytes, MmapAdvise::MADV_REMOVE)
    }

    /// Makes sure that a range has pages, so that a lack of memory is an error here, not a SIGBUS later.
    ///
    /// # Source
    ///
    /// `MADV_POPULATE_WRITE` in `madvise(2)`; kernels before 5.14 do not know it and are believed.
    pub(crate) fn populate(&self, offset_bytes: usize, length_bytes: usize) -> io::Result<()> {
        self.assert_inside(offset_bytes, length_bytes);
        // SAFETY: the assertion above keeps the offset inside M1.
        let start = unsafe { self.base.as_ptr().add(offset_bytes) }.cast::<c_void>();
        // SAFETY: populating changes no byte of the range, which M1 keeps mapped.
        let result = unsafe { libc::madvise(start, length_bytes, libc::MADV_POPULATE_WRITE) };
        match Errno::result(result) {
            Ok(_) | Err(Errno::EINVAL) => Ok(()),
            Err(errno) => Err(while_doing("no memory for a large message", errno)),
        }
    }

    fn advise(&self, offset_bytes: usize, length_bytes: usize, advice: MmapAdvise) -> io::Result<()> {
        self.assert_inside(offset_bytes, length_bytes);
        // SAFETY: the assertion above keeps the offset inside M1.
        let start = unsafe { self.base.add(offset_bytes) }.cast::<c_void>();
        // SAFETY: nobody holds a reference into the range (header), so its content may change.
        Ok(unsafe { madvise(start, length_bytes, advice) }?)
    }

    #[inline]
    fn assert_inside(&self, offset_bytes: usize, length_bytes: usize) {
        let inside = offset_bytes <= self.length_bytes && length_bytes <= self.length_bytes - offset_bytes;
        assert!(inside, "range outside of the shared memory");
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: M1: the mapping is ours and whole, and no borrow of `self` is left.
        unsafe { munmap(self.base.cast(), self.length_bytes) }.ok();
    }
}

impl crate::ring::Memory for SharedMemory {
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
        std::sync::atomic::fence(Ordering::SeqCst);
    }
}
