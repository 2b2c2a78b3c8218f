//! A frame where it lies, borrowed from a ring.
//! Not here: which frame, and waiting for it (`reader`).
//! Layer 6: over `slots`.
#![allow(unsafe_code)]

use std::fmt;
#[cfg(feature = "tokio")]
use std::mem::ManuallyDrop;
use std::ops::Deref;
#[cfg(feature = "tokio")]
use std::rc::Rc;
use std::time::Duration;

use bytemuck::Pod;

use super::reader::FrameReader;
use super::reading::Borrowed;
use crate::sys::clock::Moment;

/// A frame, borrowed where it lies; a slice of its elements.
///
/// Dropping it gives the slot back.
pub struct Frame<'reader, T: Pod, M: Pod = ()> {
    reader: Holder<'reader, T, M>,
    borrowed: Borrowed,
    /// For as long as the slot is borrowed, so for no longer than `self`.
    elements: &'reader [T],
}

/// What keeps the reading end of a frame alive.
enum Holder<'reader, T: Pod, M: Pod> {
    Lent(&'reader FrameReader<T, M>),
    /// For items of a stream, which may not borrow from it.
    #[cfg(feature = "tokio")]
    Shared(Rc<FrameReader<T, M>>),
}

impl<T: Pod, M: Pod> Deref for Holder<'_, T, M> {
    type Target = FrameReader<T, M>;

    #[inline]
    fn deref(&self) -> &FrameReader<T, M> {
        match self {
            Self::Lent(reader) => reader,
            #[cfg(feature = "tokio")]
            Self::Shared(reader) => reader,
        }
    }
}

impl<'reader, T: Pod, M: Pod> Frame<'reader, T, M> {
    /// The frame in a slot that was borrowed for it just now.
    #[inline]
    pub(super) fn lent(reader: &'reader FrameReader<T, M>, borrowed: Borrowed) -> Self {
        reader.borrowed_count.set(reader.borrowed_count.get() + 1);
        // SAFETY: F1: `take` borrowed the slot, and the frame gives it back when it is dropped.
        let elements = unsafe { reader.mapped.slots.frame(borrowed.slot) };
        Self { reader: Holder::Lent(reader), borrowed, elements }
    }

    /// The same frame, which keeps its reading end alive by itself.
    #[cfg(feature = "tokio")]
    pub(super) fn shared(self, reader: &Rc<FrameReader<T, M>>) -> Frame<'static, T, M> {
        // The new value gives the slot back in its place.
        let borrowed = ManuallyDrop::new(self).borrowed;
        // SAFETY: F1: the slot is still borrowed, and `reader` keeps the memory mapped for the new value.
        let elements = unsafe { reader.mapped.slots.frame(borrowed.slot) };
        Frame { reader: Holder::Shared(Rc::clone(reader)), borrowed, elements }
    }
}

impl<T: Pod, M: Pod> Frame<'_, T, M> {
    /// Number of the frame, from 1 on; frames that were dropped have numbers too.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.borrowed.sequence
    }

    /// When the writer published the frame (or took it: see
    /// [`Claim::set_timestamp_to_now`](super::Claim::set_timestamp_to_now)), as time since the machine's monotonic clock began to run:
    /// every process of a machine can compare it.
    #[must_use]
    pub fn timestamp(&self) -> Duration {
        Duration::from_nanos(self.borrowed.timestamp)
    }

    /// Time since [`Frame::timestamp`].
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_nanos(Moment::now().nanoseconds().saturating_sub(self.borrowed.timestamp))
    }

    /// The metadata that the writer gave it.
    #[must_use]
    pub fn metadata(&self) -> M {
        self.reader.mapped.slots.metadata(self.borrowed.slot)
    }

    /// Shape of the frame, outermost dimension first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.reader.shape()
    }

    /// The frame as an array.
    #[cfg(feature = "ndarray")]
    #[must_use]
    pub fn view(&self) -> ndarray::ArrayViewD<'_, T> {
        ndarray::ArrayViewD::from_shape(self.shape(), self)
            .expect("a frame has as many elements as its shape")
    }
}

impl<T: Pod, M: Pod> Deref for Frame<'_, T, M> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.elements
    }
}

impl<T: Pod, M: Pod> Drop for Frame<'_, T, M> {
    fn drop(&mut self) {
        let FrameReader { mapped, reading, registrar, borrowed_count, .. } = &*self.reader;
        borrowed_count.set(borrowed_count.get() - 1);
        reading.give_back(&mapped.words, self.borrowed.slot);
        if reading.take_waiting_writer(&mapped.words) {
            registrar.wake_writer();
        }
    }
}

impl<T: Pod, M: Pod> fmt::Debug for Frame<'_, T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Frame")
            .field("sequence", &self.sequence())
            .field("timestamp", &self.timestamp())
            .field("shape", &self.shape())
            .finish_non_exhaustive()
    }
}
