//! The memory of a ring: made, handed on by descriptor, mapped.
//! Not here: what it holds (`header`, `control`, `slots`).
//! Layer 6: over `sys`.

use std::any::type_name;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::{fmt, io};

use bytemuck::Pod;
use nix::errno::Errno;

use super::header;
use super::layout::{HEADER_BYTES, Layout, Sizes, TypeSize};
use super::slots::Slots;
use super::writer::Counts;
use crate::ring::Memory;
use crate::sys::errno_of;
use crate::sys::held::Held;
use crate::sys::limits;
use crate::sys::memory::{Access, Object, SharedMemory};

/// A ring in the memory of this process.
#[derive(Debug)]
pub(super) struct Mapped<T, M> {
    pub(super) object: OwnedFd,
    pub(super) layout: Layout,
    pub(super) sizes: Sizes,
    pub(super) words: SharedMemory,
    pub(super) slots: Slots<T, M>,
    _held: Held,
}

/// What is done with the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Write,
    Read,
}

impl<T: Pod, M: Pod> Mapped<T, M> {
    /// Makes the memory of a ring, all of it present: a lack of memory shows here and nowhere later.
    pub(super) fn create(layout: Layout) -> io::Result<Self> {
        let sizes = Sizes::of(&layout, TypeSize::of::<T>(), TypeSize::of::<M>())?;
        let too_little = |kind: io::ErrorKind, why: &dyn fmt::Display| {
            let Layout { slots, shape, .. } = &layout;
            let (element, bytes) = (type_name::<T>(), sizes.total_bytes);
            let text = format!(
                "{slots} frames of shape {shape:?} of `{element}` take {bytes} bytes of memory, {why}"
            );
            io::Error::new(kind, text)
        };
        let available_bytes = limits::available_memory_bytes();
        if let Some(available) = available_bytes.filter(|&available| available < sizes.total_bytes as u64) {
            let why = format!("and only {available} are to be had");
            return Err(too_little(io::ErrorKind::OutOfMemory, &why));
        }
        let object = Self::allocate(&layout, &sizes).map_err(|error| match errno_of(&error) {
            Some(Errno::ENOMEM | Errno::ENOSPC) => too_little(io::ErrorKind::OutOfMemory, &error),
            Some(Errno::EFBIG) => {
                let why = "which is beyond the limit of this process for the size of a file (`ulimit -f`)";
                too_little(io::ErrorKind::FileTooLarge, &why)
            }
            _ => error,
        })?;
        let whole = SharedMemory::map_part(&object, 0, sizes.slots_offset_bytes, Access::ReadWrite)?;
        header::write::<T, M>(&whole, &layout, &sizes);
        drop(whole);
        Self::map(object, layout, sizes, Purpose::Write)
    }

    /// The object with all of its pages, and proof that this process has the addresses for it.
    fn allocate(layout: &Layout, sizes: &Sizes) -> io::Result<OwnedFd> {
        let object = Object::create("worker-core frames", sizes.total_bytes, layout.huge_pages)?;
        let whole = SharedMemory::map_part(&object, 0, sizes.total_bytes, Access::ReadWrite)?;
        if layout.huge_pages {
            // It is the mapping that asks for them, so they have to come by it.
            whole.prefer_huge_pages();
            whole.populate(0, sizes.total_bytes)?;
        }
        Object::allocate(&object, sizes.total_bytes)?;
        Ok(object)
    }

    /// Maps the memory of a ring that came from somebody else, if it is what this end is for.
    pub(super) fn attach(object: OwnedFd, purpose: Purpose) -> io::Result<Self> {
        let length_bytes = Object::check_sealed(&object)?;
        if length_bytes < HEADER_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the memory holds no ring of frames"));
        }
        let header = SharedMemory::map_part(&object, 0, length_bytes, Access::Read)?;
        let (layout, sizes) = header::check::<T, M>(&header, length_bytes)?;
        drop(header);
        Self::map(object, layout, sizes, purpose)
    }

    /// Maps once more what this value has mapped.
    pub(super) fn again(&self, purpose: Purpose) -> io::Result<Self> {
        Self::map(self.object.try_clone()?, self.layout.clone(), self.sizes, purpose)
    }

    /// Whether the memory is there: a fork of the program has none of it, and no part in the ring.
    #[inline]
    pub(super) fn is_ours(&self) -> bool {
        self.words.is_here()
    }

    /// What became of the frames so far.
    pub(super) fn counts(&self) -> Counts {
        if !self.is_ours() {
            return Counts::default();
        }
        let control = &self.sizes.control;
        // Relaxed: counts, looked at from afar.
        let load = |offset_bytes| Memory::load(&self.words, offset_bytes, Ordering::Relaxed);
        Counts {
            published: load(control.newest()),
            dropped: load(control.dropped()),
            overwritten: load(control.overwritten()),
        }
    }

    fn map(object: OwnedFd, layout: Layout, sizes: Sizes, purpose: Purpose) -> io::Result<Self> {
        let words = SharedMemory::map_part(&object, 0, sizes.slots_offset_bytes, Access::ReadWrite)?;
        let slots_bytes = sizes.total_bytes - sizes.slots_offset_bytes;
        let access = if purpose == Purpose::Write { Access::ReadWrite } else { Access::Read };
        let slots = SharedMemory::map_part(&object, sizes.slots_offset_bytes, slots_bytes, access)?;
        // The pages are there; this only spares the first round through the ring its faults.
        slots.prefault(access);
        // Mapped in a fork of this process, the memory would outlive every end, and an end that came along
        // would act for the one that is here.
        let (words, slots) = (words.kept_from_forks()?, slots.kept_from_forks()?);
        let held = Held::new([object.as_fd()]);
        Ok(Self { object, layout, sizes, words, slots: Slots::new(slots, sizes), _held: held })
    }
}
