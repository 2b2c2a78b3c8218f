//! Shared memory without a name: a sealed `memfd`, mapped whole.
//! Not here: what the bytes mean (`ring`).
//! Layer 1: system calls.
//!
//! # Safety
//!
//! Another process may write to the memory at any time. So nothing here hands out a reference into
//! it, but for [`SharedMemory::trusted_slice`], which says whom the caller has to trust.
//!
//! * M1: `base .. base + length` is mapped readable and writable for as long as the value lives, but in
//!   forks, which have not what was kept from them, and where nobody may ask for a byte of it.
//! * M2: the memfd is sealed against shrinking before anybody else sees it, so that no access
//!   within M1 can raise SIGBUS for a missing page behind the end.
//! * M3: words are only touched through atomics, at offsets that are multiples of eight.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use nix::sys::stat::fstat;
use nix::sys::uio::pwrite;
use nix::unistd::ftruncate;

use super::held::Here;
use super::{limits, retry_on_interrupt, while_doing};

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    ReadWrite,
}

/// Longest run of bytes that is copied one by one: the longest number that an encoder writes.
const BY_BYTE_MAX_BYTES: usize = 10;

/// Shared memory objects, not mapped.
#[derive(Debug)]
pub(crate) struct Object;

impl Object {
    /// Makes a sealed object of `length_bytes` zero bytes (M2).
    ///
    /// With `huge_pages` it is made of them if enough are set aside, which few systems do.
    ///
    /// # Source
    ///
    /// `memfd_create(2)`, `F_ADD_SEALS` in `fcntl(2)`.
    pub(crate) fn create(name: &str, length_bytes: usize, huge_pages: bool) -> io::Result<OwnedFd> {
        let refused = |errno| while_doing("shared memory could not be made", errno);
        let length = i64::try_from(length_bytes).map_err(|_| refused(Errno::EFBIG))?;
        if limits::file_size_soft().is_some_and(|limit| limit < length_bytes as u64) {
            // Tried all the same, it would end the process by SIGXFSZ.
            return Err(refused(Errno::EFBIG));
        }
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let huge = MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB;
        let sealed = |flags| {
            let descriptor = memfd_create(name, flags)?;
            ftruncate(&descriptor, length)?;
            let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
            fcntl(&descriptor, FcntlArg::F_ADD_SEALS(seals))?;
            Ok(descriptor)
        };
        if huge_pages {
            // Only a mapping sets pages aside, and only then it shows whether there are enough.
            let made = sealed(flags | huge).map_err(refused).and_then(|descriptor| {
                SharedMemory::map_reserving(&descriptor, length_bytes).map(|_| descriptor)
            });
            if let Ok(descriptor) = made {
                return Ok(descriptor);
            }
        }
        sealed(flags).map_err(refused)
    }

    /// Gives an object all of its pages, or an error.
    ///
    /// What is promised: from then on no access to the object can fail for a lack of memory, in whatever process it is
    /// mapped. No signal comes of it, and no mapping is needed.
    ///
    /// # Source
    ///
    /// `fallocate(2)`.
    pub(crate) fn allocate(descriptor: &OwnedFd, length_bytes: usize) -> io::Result<()> {
        // A signal that comes meanwhile has the kernel begin again; so it gets no further back than this.
        const PART_BYTES: usize = 16 << 20;
        for start in (0..length_bytes).step_by(PART_BYTES) {
            let offset = i64::try_from(start).unwrap_or(i64::MAX);
            let length = i64::try_from(PART_BYTES.min(length_bytes - start)).unwrap_or(i64::MAX);
            retry_on_interrupt(|| fallocate(descriptor, FallocateFlags::empty(), offset, length))
                .map_err(|errno| while_doing("there is not enough memory", errno))?;
        }
        Ok(())
    }

    /// Length of an object that somebody else made, if it can be relied on (M2).
    ///
    /// # Errors
    ///
    /// If it is no shared memory object, or its length may still change.
    pub(crate) fn check_sealed(descriptor: &impl AsFd) -> io::Result<usize> {
        let refused = |errno| while_doing("the descriptor is no sealed shared memory", errno);
        let seals = fcntl(descriptor, FcntlArg::F_GET_SEALS).map_err(refused)?;
        let wanted = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
        if !SealFlag::from_bits_truncate(seals).contains(wanted) {
            return Err(refused(Errno::EPERM));
        }
        let length = fstat(descriptor).map_err(refused)?.st_size;
        usize::try_from(length).map_err(|_| refused(Errno::EFBIG))
    }
}

/// Writes the first bytes of an object that is not mapped.
pub(crate) fn write_at_start(object: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let refused = |errno| while_doing("shared memory could not be written", errno);
    match pwrite(object, bytes, 0).map_err(refused)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(refused(Errno::ENOSPC)),
    }
}

/// A mapped shared memory object of fixed length.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    base: NonNull<u8>,
    length_bytes: usize,
    /// The only process that has the mapping, if forks of it have not.
    kept_in: Option<Here>,
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
        let descriptor = Object::create(name, length_bytes, false)?;
        let memory = Self::map(&descriptor, length_bytes)?;
        Ok((descriptor, memory))
    }

    /// Maps an object that [`SharedMemory::create`] made.
    pub(crate) fn map(descriptor: &impl AsFd, length_bytes: usize) -> io::Result<Self> {
        Self::map_part(descriptor, 0, length_bytes, Access::ReadWrite)
    }

    /// Maps a part of an object; the offset is a multiple of its page size.
    ///
    /// With [`Access::Read`], M1 holds for reading alone, and the caller writes nothing.
    pub(crate) fn map_part(
        descriptor: &impl AsFd,
        offset_bytes: usize,
        length_bytes: usize,
        access: Access,
    ) -> io::Result<Self> {
        let refused = |errno| while_doing("shared memory could not be mapped", errno);
        let length = NonZeroUsize::new(length_bytes).ok_or_else(|| refused(Errno::EINVAL))?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        let mut protection = ProtFlags::PROT_READ;
        protection.set(ProtFlags::PROT_WRITE, access == Access::ReadWrite);
        let offset = i64::try_from(offset_bytes).map_err(|_| refused(Errno::EOVERFLOW))?;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let base = unsafe { mmap(None, length, protection, flags, descriptor, offset) }.map_err(refused)?;
        let memory = Self { base: base.cast(), length_bytes, kept_in: None };
        // A core file of the program is about the program, not about messages in flight.
        memory.advise(0, length_bytes, MmapAdvise::MADV_DONTDUMP).ok();
        Ok(memory)
    }

    /// Maps an object so that the system sets pages aside for all of it, or says that it cannot.
    fn map_reserving(descriptor: &impl AsFd, length_bytes: usize) -> io::Result<Self> {
        let refused = |errno| while_doing("huge pages could not be had", errno);
        let length = NonZeroUsize::new(length_bytes).ok_or_else(|| refused(Errno::EINVAL))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let base = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, descriptor, 0) };
        Ok(Self { base: base.map_err(refused)?.cast(), length_bytes, kept_in: None })
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
        if bytes.len() > BY_BYTE_MAX_BYTES {
            // SAFETY: M1, and the assertion above; `bytes` is private memory, so they cannot overlap.
            unsafe { target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
            return;
        }
        // What was written a moment ago byte by byte, as a number is by its encoder, is read back byte by byte at once, and
        // in one piece only once it has left the processor's queue of stores. Volatile, or it becomes one piece.
        for (index, byte) in bytes.iter().enumerate() {
            // SAFETY: the assertion above keeps the offset inside M1.
            let target = unsafe { target.add(index) };
            // SAFETY: M1, and the assertion above.
            unsafe { target.write_volatile(*byte) }
        }
    }

    /// Copies the bytes at `offset_bytes` to private memory.
    ///
    /// # Panics
    ///
    /// If they do not lie inside.
    #[inline]
    pub(crate) fn read_into(&self, offset_bytes: usize, target: &mut [u8]) {
        let source = self.range(offset_bytes, target.len());
        // SAFETY: M1, and `range` asserts; `target` is private memory, so they cannot overlap.
        unsafe { target.as_mut_ptr().copy_from_nonoverlapping(source, target.len()) }
    }

    /// Where `length_bytes` bytes at `offset_bytes` lie.
    ///
    /// # Panics
    ///
    /// If they do not lie inside.
    #[inline]
    pub(crate) fn range(&self, offset_bytes: usize, length_bytes: usize) -> *mut u8 {
        self.assert_inside(offset_bytes, length_bytes);
        // SAFETY: the assertion above keeps the offset inside M1.
        unsafe { self.base.as_ptr().add(offset_bytes) }
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
    pub(crate) fn kept_from_forks(mut self) -> io::Result<Self> {
        // Known first: in a fork, the value must not unmap what may lie at these addresses by then.
        self.kept_in = Some(Here::now());
        self.advise(0, self.length_bytes, MmapAdvise::MADV_DONTFORK)?;
        Ok(self)
    }

    /// Whether this process has the mapping: forks have not that which was kept from them.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        self.kept_in.is_none_or(Here::is_it)
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
            Err(errno) => Err(while_doing("there is not enough memory", errno)),
        }
    }

    /// Asks for huge pages where the system gives them to those who ask.
    ///
    /// # Source
    ///
    /// `MADV_HUGEPAGE` in `madvise(2)`, `shmem_enabled` in the kernel's page on huge pages.
    pub(crate) fn prefer_huge_pages(&self) {
        // Refused, pages are of the ordinary size.
        let _ = self.advise(0, self.length_bytes, MmapAdvise::MADV_HUGEPAGE);
    }

    /// Maps pages that exist already ahead of their first use.
    ///
    /// # Source
    ///
    /// `MADV_POPULATE_READ` in `madvise(2)`; where it is refused the pages are mapped one by one.
    pub(crate) fn prefault(&self, access: Access) {
        let advice = match access {
            Access::Read => libc::MADV_POPULATE_READ,
            Access::ReadWrite => libc::MADV_POPULATE_WRITE,
        };
        // SAFETY: populating changes no byte of the range, which M1 keeps mapped.
        unsafe { libc::madvise(self.base.as_ptr().cast(), self.length_bytes, advice) };
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
        if !self.is_here() {
            return;
        }
        // SAFETY: M1: the mapping is ours and whole, and no borrow of `self` is left.
        unsafe { munmap(self.base.cast(), self.length_bytes) }.ok();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use nix::sched::{CloneFlags, unshare};
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    use super::*;

    const CANNOT_MOUNT: i32 = 77;

    /// What an object of more pages than a file system has left says to being given them all.
    fn allocate_on_a_small_file_system() -> i32 {
        let new_user = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
        if unshare(new_user).and_then(|()| unshare(CloneFlags::CLONE_NEWNS)).is_err() {
            return CANNOT_MOUNT;
        }
        let options = c"size=64k".as_ptr().cast();
        // SAFETY: literals that end with zero. It is seen by this process alone.
        if unsafe { libc::mount(c"tmpfs".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, options) } != 0 {
            return CANNOT_MOUNT;
        }
        let Ok(file) = File::create_new("/tmp/object").and_then(|file| file.set_len(1 << 20).map(|()| file))
        else {
            return CANNOT_MOUNT;
        };
        let file = OwnedFd::from(file);
        let refused = Object::allocate(&file, 1 << 20).unwrap_err();
        let is_told = super::super::errno_of(&refused) == Some(Errno::ENOSPC);
        i32::from(!is_told || Object::allocate(&file, 4096).is_err())
    }

    #[test]
    fn memory_that_runs_out_is_an_error_of_the_allocation() {
        // SAFETY: the child makes system calls, allocates, which the C library allows, and ends at once.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let code = allocate_on_a_small_file_system();
                // SAFETY: ends the child without what belongs to the parent.
                unsafe { libc::_exit(code) }
            }
            ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
                WaitStatus::Exited(_, CANNOT_MOUNT) => {
                    println!("SKIPPED: no file system can be mounted here")
                }
                status => assert_eq!(status, WaitStatus::Exited(child, 0)),
            },
        }
    }
}
