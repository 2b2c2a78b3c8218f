//! The bytes of frames, in place.
//! Not here: who may touch which slot when: that is the protocol (`mod`).
//! Layer 6: over `sys::memory`.
//!
//! # Safety
//!
//! A slot is lent as a plain slice, which is what frames are for. That rests on the protocol:
//!
//! * F1 (see `mod`): a slot is either the writing end's alone, or only read.
//!
//! A process that holds an end of the ring and does not keep to the protocol can therefore change
//! bytes under a reader's eyes. The elements are `Pod`, so whatever it writes is a value; it cannot
//! reach outside of the slots. The page on frames says to whom an end may be given.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use bytemuck::Pod;

use super::layout::Sizes;
use crate::sys::memory::SharedMemory;

/// The slots of a ring, mapped.
#[derive(Debug)]
pub(super) struct Slots<T, M> {
    memory: SharedMemory,
    sizes: Sizes,
    element: PhantomData<fn() -> (T, M)>,
}

impl<T: Pod, M: Pod> Slots<T, M> {
    /// Over memory that begins with the first slot.
    pub(super) fn new(memory: SharedMemory, sizes: Sizes) -> Self {
        Self { memory, sizes, element: PhantomData }
    }

    /// The frame in a slot.
    ///
    /// # Safety
    ///
    /// The caller must have borrowed the slot (F1), and must not have given it back while the slice lives.
    #[inline]
    pub(super) unsafe fn frame<'any>(&self, slot: usize) -> &'any [T] {
        let start = self.start(slot).cast::<T>();
        // SAFETY: `start` asserts that the slot is inside; it begins at a multiple of
        // `SLOT_UNIT_BYTES`, which `Sizes::of` checked against the alignment; every bit pattern is a
        // `T`; and the caller vouches that nobody writes to it.
        unsafe { std::slice::from_raw_parts(start, self.sizes.elements) }
    }

    /// The frame in a slot, to be written.
    ///
    /// # Safety
    ///
    /// The slot must be the caller's alone (F1), and there must be no other slice of it.
    #[inline]
    pub(super) unsafe fn frame_mut<'any>(&self, slot: usize) -> &'any mut [T] {
        let start = self.start(slot).cast::<T>();
        // SAFETY: as in `frame`; and the caller vouches that nobody else touches it.
        unsafe { std::slice::from_raw_parts_mut(start, self.sizes.elements) }
    }

    /// The metadata in a slot, copied.
    #[inline]
    pub(super) fn metadata(&self, slot: usize) -> M {
        let mut metadata = M::zeroed();
        let offset_bytes = self.offset_bytes(slot) + self.sizes.metadata_offset_bytes;
        self.memory.read_into(offset_bytes, bytemuck::bytes_of_mut(&mut metadata));
        metadata
    }

    /// Writes the metadata in a slot.
    #[inline]
    pub(super) fn set_metadata(&self, slot: usize, metadata: &M) {
        let offset_bytes = self.offset_bytes(slot) + self.sizes.metadata_offset_bytes;
        self.memory.write(offset_bytes, bytemuck::bytes_of(metadata));
    }

    #[inline]
    fn start(&self, slot: usize) -> *mut u8 {
        self.memory.range(self.offset_bytes(slot), self.sizes.metadata_offset_bytes)
    }

    #[inline]
    fn offset_bytes(&self, slot: usize) -> usize {
        slot * self.sizes.slot_bytes
    }
}
