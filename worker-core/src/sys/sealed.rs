//! Bytes in shared memory that nobody can change any more, to hand to another process whole.
//! Not here: memory that both sides write to (`memory`).
//! Layer 1: system calls.
//!
//! # Safety
//!
//! * L1: an object is mapped only if it is sealed against writing, growing and shrinking. The kernel
//!   lets nobody lift a seal or keep a writable mapping, so its bytes stay as they are, and may be
//!   lent as a slice, whoever made them.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;

use super::{limits, while_doing};

/// What makes an object unchangeable.
const SEALS: SealFlag = SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SHRINK);

/// Bytes of the blocks in which the kernel counts what an object takes.
const BLOCK_BYTES: u64 = 512;

/// Puts bytes into a new object and seals it.
///
/// # Source
///
/// `memfd_create(2)`, `F_ADD_SEALS` in `fcntl(2)`.
pub(crate) fn seal(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let refused = |errno| while_doing("shared memory could not be made", errno);
    if limits::file_size_soft().is_some_and(|limit| limit < bytes.len() as u64) {
        // Tried all the same, it would end the process by SIGXFSZ.
        return Err(refused(Errno::EFBIG));
    }
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(name, flags).map_err(refused)?);
    file.write_all(bytes)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS | SealFlag::F_SEAL_SEAL)).map_err(refused)?;
    Ok(file.into())
}

/// Sealed bytes, mapped.
#[derive(Debug)]
pub(crate) struct SealedBytes {
    base: NonNull<u8>,
    length_bytes: usize,
}

impl SealedBytes {
    /// Maps an object that somebody else made, who need not be trusted.
    ///
    /// # Errors
    ///
    /// If it is no sealed object (L1), if it is empty, or if it claims to be longer than the memory that
    /// was spent on it: whoever reads it would spend what its maker did not.
    pub(crate) fn open(descriptor: &OwnedFd) -> io::Result<Self> {
        let refused = |errno| while_doing("the descriptor is no sealed shared memory", errno);
        let seals = fcntl(descriptor, FcntlArg::F_GET_SEALS).map_err(refused)?;
        if !SealFlag::from_bits_truncate(seals).contains(SEALS) {
            return Err(refused(Errno::EPERM));
        }
        let status = fstat(descriptor).map_err(refused)?;
        let (Ok(length_bytes), Ok(blocks)) = (u64::try_from(status.st_size), u64::try_from(status.st_blocks))
        else {
            return Err(refused(Errno::EINVAL));
        };
        if blocks.saturating_mul(BLOCK_BYTES) < length_bytes {
            return Err(refused(Errno::EINVAL));
        }
        let length = usize::try_from(length_bytes).ok().and_then(NonZeroUsize::new);
        let length = length.ok_or_else(|| refused(Errno::EINVAL))?;
        // Private, because older kernels map a write-sealed object in no other way; read ahead, because
        // all of it is about to be read.
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let base = unsafe { mmap(None, length, ProtFlags::PROT_READ, flags, descriptor, 0) };
        let base = base.map_err(|errno| while_doing("shared memory could not be mapped", errno))?;
        Ok(Self { base: base.cast(), length_bytes: length.get() })
    }
}

impl Deref for SealedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped readable for the life of `self`, and unchanging (L1).
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.length_bytes) }
    }
}

impl Drop for SealedBytes {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and whole, and no borrow of `self` is left.
        unsafe { munmap(self.base.cast(), self.length_bytes) }.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::ftruncate;
    use std::os::unix::fs::FileExt;

    fn object() -> File {
        memfd_create("test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap().into()
    }

    #[test]
    fn bytes_arrive_and_stay() {
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let descriptor = seal("test", &bytes).unwrap();
        assert_eq!(*SealedBytes::open(&descriptor).unwrap(), bytes[..]);
        let file = File::from(descriptor);
        assert!(file.write_at(b"x", 0).is_err());
        assert!(ftruncate(&file, 1).is_err());
    }

    #[test]
    fn what_may_still_change_or_is_not_there_is_refused() {
        let refused = |file: File| SealedBytes::open(&file.into()).unwrap_err().to_string();
        let mut open = object();
        open.write_all(b"still open").unwrap();
        assert!(refused(open).contains("no sealed shared memory"));
        let fixed_length = object();
        fcntl(&fixed_length, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK)).unwrap();
        assert!(refused(fixed_length).contains("no sealed shared memory"));
        let hollow = object();
        ftruncate(&hollow, 1 << 40).unwrap();
        fcntl(&hollow, FcntlArg::F_ADD_SEALS(SEALS)).unwrap();
        assert!(refused(hollow).contains("no sealed shared memory"), "a terabyte that cost nothing");
        let empty = object();
        fcntl(&empty, FcntlArg::F_ADD_SEALS(SEALS)).unwrap();
        assert!(refused(empty).contains("no sealed shared memory"));
        assert!(refused(File::open("/dev/null").unwrap()).contains("no sealed shared memory"));
    }
}
