//! The writing end of a ring: claims a slot, fills it in place, publishes it.
//! Not here: the steps in shared memory (`writing`), and who reads (`doorkeeper`).
//! Layer 6: over both.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytemuck::Pod;

use super::doorkeeper::Doorkeeper;
use super::errors::WriteError;
use super::layout::Overflow;
use super::memory::Mapped;
use super::writing::Writing;
use crate::ring::Memory;
use crate::sys::clock::Moment;

/// How many frames pass between two looks for dead readers, which do not show otherwise.
const FRAMES_BETWEEN_LOOKS: u32 = 64;
/// From this size on it is worth more to write where the caches are warm than to look around less.
const LARGE_SLOT_BYTES: usize = 16 * 1024;

/// The writing end of a ring of frames with elements `T` and metadata `M`.
///
/// There is one. It can be an argument of a call; from then on the process that got it writes, and
/// this value gives [`WriteError::Sent`]. When it is gone, by whatever way, readers get the frames
/// that are left and then [`RecvError::WriterGone`](super::RecvError::WriterGone).
///
/// # Examples
///
/// ```
/// use worker_core::frames::{self, Layout};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut writer, reader) = frames::ring::<f32>(Layout::new([2, 3]))?;
/// if let Some(mut frame) = writer.claim()? {
///     frame.copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
///     frame.commit();
/// }
/// let frame = reader.recv()?;
/// assert_eq!(frame[4], 5.0);
/// # Ok(())
/// # }
/// ```
pub struct FrameWriter<T: Pod, M: Pod = ()> {
    pub(super) mapped: Mapped<T, M>,
    writing: Writing,
    pub(super) doorkeeper: Doorkeeper,
    /// Which of the writing ends that this ring has had, one after the other, this is.
    pub(super) epoch: u64,
    pub(super) is_sent: Cell<bool>,
    frames_until_look: u32,
}

/// What became of the frames of a ring so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Frames that were published.
    pub published: u64,
    /// Frames that found no slot and were dropped by the writer.
    pub dropped: u64,
    /// Frames that were published and made room for newer ones before every reader had come to them.
    pub overwritten: u64,
}

/// A reader, as its writer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReaderCounts {
    /// Frames that it got.
    pub taken: u64,
    /// Frames that it did not get: dropped, overwritten or passed over before it came to them.
    pub lost: u64,
    /// Frames that were published since the one that it got last.
    pub behind: u64,
}

impl<T: Pod, M: Pod> FrameWriter<T, M> {
    /// The writing end of a ring, where its words say it is.
    pub(super) fn resume(mapped: Mapped<T, M>, doorkeeper: Doorkeeper, epoch: u64) -> Self {
        let takes_oldest_first = mapped.sizes.slot_bytes < LARGE_SLOT_BYTES;
        let control = mapped.sizes.control;
        let writing = Writing::resume(control, mapped.layout.overflow, takes_oldest_first, &mapped.words);
        let frames_until_look = FRAMES_BETWEEN_LOOKS;
        Self { mapped, writing, doorkeeper, epoch, is_sent: Cell::new(false), frames_until_look }
    }

    /// Claims a slot to write the next frame in place; `None` if the frame is to be dropped, which the
    /// overflow policy decides and which is counted.
    ///
    /// Under [`Overflow::Block`] it waits for a slot and never gives `None`. The slot still holds
    /// some older frame.
    ///
    /// # Errors
    ///
    /// [`WriteError::NoReaders`], [`WriteError::Sent`], [`WriteError::Io`].
    pub fn claim(&mut self) -> Result<Option<Claim<'_, T, M>>, WriteError> {
        self.claim_until(None)
    }

    /// Like [`FrameWriter::claim`], but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Also [`WriteError::TimedOut`]; nothing is counted as dropped then.
    pub fn claim_timeout(&mut self, timeout: Duration) -> Result<Option<Claim<'_, T, M>>, WriteError> {
        self.claim_until(Instant::now().checked_add(timeout))
    }

    /// Copies a frame into the ring, with metadata of zero bytes; gives its sequence number, or `None`
    /// if the overflow policy dropped it.
    ///
    /// # Errors
    ///
    /// As [`FrameWriter::claim`], and [`WriteError::Length`].
    pub fn write(&mut self, frame: &[T]) -> Result<Option<u64>, WriteError> {
        self.write_with(frame, M::zeroed())
    }

    /// Copies a frame into the ring; gives its sequence number, or `None` if the policy dropped it.
    ///
    /// # Errors
    ///
    /// As [`FrameWriter::claim`], and [`WriteError::Length`].
    pub fn write_with(&mut self, frame: &[T], metadata: M) -> Result<Option<u64>, WriteError> {
        let expected = self.mapped.sizes.elements;
        if frame.len() != expected {
            return Err(WriteError::Length { expected, found: frame.len() });
        }
        Ok(self.claim()?.map(|mut claim| {
            claim.copy_from_slice(frame);
            *claim.metadata_mut() = metadata;
            claim.commit()
        }))
    }

    /// Shape of a frame, outermost dimension first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.mapped.layout.shape
    }

    /// Number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.mapped.layout.slots
    }

    /// What happens when no slot is free.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        self.mapped.layout.overflow
    }

    /// What became of the frames so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.mapped.counts()
    }

    /// The readers that there are now, in any process.
    ///
    /// # Concurrency
    ///
    /// They read on meanwhile. One that has just died may still be among them.
    #[must_use]
    pub fn readers(&self) -> Vec<ReaderCounts> {
        if !self.mapped.is_ours() {
            return Vec::new();
        }
        let (control, words) = (&self.mapped.sizes.control, &self.mapped.words);
        // Relaxed, all: counts, looked at from afar.
        let attached = words.load(control.attached(), Ordering::Relaxed);
        let newest = words.load(control.newest(), Ordering::Relaxed);
        let seats = (0..control.readers_max()).filter(|seat| attached & 1 << seat != 0);
        let counts = |seat: usize| {
            let at = control.reader(seat);
            let behind = newest.saturating_add(1).saturating_sub(words.load(at.next, Ordering::Relaxed));
            let taken = words.load(at.taken, Ordering::Relaxed);
            ReaderCounts { taken, lost: words.load(at.lost, Ordering::Relaxed), behind }
        };
        seats.map(counts).collect()
    }

    /// Frames that readers lost, all readers together, those that are gone included.
    #[must_use]
    pub fn lost(&self) -> u64 {
        if !self.mapped.is_ours() {
            return 0;
        }
        let control = &self.mapped.sizes.control;
        // Relaxed: a count, looked at from afar.
        let departed = self.mapped.words.load(control.departed_lost(), Ordering::Relaxed);
        self.readers().iter().fold(departed, |sum, reader| sum.saturating_add(reader.lost))
    }

    fn claim_until(&mut self, deadline: Option<Instant>) -> Result<Option<Claim<'_, T, M>>, WriteError> {
        let Some(slot) = self.find_slot(deadline)? else { return Ok(None) };
        Ok(Some(Claim { writer: self, slot, timestamp: None, metadata: M::zeroed() }))
    }

    fn find_slot(&mut self, deadline: Option<Instant>) -> Result<Option<usize>, WriteError> {
        if self.is_sent.get() || !self.mapped.is_ours() {
            return Err(WriteError::Sent);
        }
        self.look_around_now_and_then()?;
        if let Ok(slot) = self.writing.find_slot(&self.mapped.words) {
            return Ok(Some(slot));
        }
        if self.overflow() != Overflow::Block {
            // The dead may hold what is missing.
            self.attend(Some(Instant::now()))?;
            if let Ok(slot) = self.writing.find_slot(&self.mapped.words) {
                return Ok(Some(slot));
            }
            self.writing.count_dropped(&self.mapped.words);
            return Ok(None);
        }
        loop {
            self.writing.announce_waiting(&self.mapped.words);
            // Without this second look a slot given back between the first look and the announcement
            // would wake nobody (D1).
            let found = self.writing.find_slot(&self.mapped.words);
            let in_time = if found.is_ok() { Ok(true) } else { self.attend(deadline) };
            self.writing.end_waiting(&self.mapped.words);
            if let Ok(slot) = found.or_else(|_| self.writing.find_slot(&self.mapped.words)) {
                return Ok(Some(slot));
            }
            if !in_time? {
                return Err(WriteError::TimedOut);
            }
        }
    }

    /// Looks for readers that died without being missed, and whether any are left.
    fn look_around_now_and_then(&mut self) -> Result<(), WriteError> {
        let control = &self.mapped.sizes.control;
        // Relaxed: a hint for when to look.
        let nobody = self.mapped.words.load(control.attached(), Ordering::Relaxed) == 0;
        self.frames_until_look -= 1;
        if nobody || self.frames_until_look == 0 {
            self.frames_until_look = FRAMES_BETWEEN_LOOKS;
            self.attend(Some(Instant::now()))?;
        }
        Ok(())
    }

    fn attend(&mut self, deadline: Option<Instant>) -> Result<bool, WriteError> {
        let attended = self.doorkeeper.attend(&self.mapped.sizes.control, &self.mapped.words, deadline)?;
        if self.doorkeeper.is_deserted() { Err(WriteError::NoReaders) } else { Ok(attended) }
    }
}

impl<T: Pod, M: Pod> fmt::Debug for FrameWriter<T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FrameWriter")
            .field("shape", &self.shape())
            .field("overflow", &self.overflow())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// A slot that is being filled; a slice of its elements.
///
/// [`Claim::commit`] publishes it. Dropped, it is as if it had never been claimed.
#[must_use = "a claim that is not committed is no frame"]
pub struct Claim<'writer, T: Pod, M: Pod = ()> {
    writer: &'writer mut FrameWriter<T, M>,
    slot: usize,
    /// When the frame was taken, if that is not when it is published.
    timestamp: Option<Moment>,
    metadata: M,
}

impl<T: Pod, M: Pod> Claim<'_, T, M> {
    /// The metadata that the frame will have; zero bytes at first.
    pub fn metadata_mut(&mut self) -> &mut M {
        &mut self.metadata
    }

    /// Sets the moment that the frame is of to now, for frames that take a while to fill. Otherwise it
    /// is the moment at which the frame is published.
    pub fn set_timestamp_to_now(&mut self) {
        self.timestamp = Some(Moment::now());
    }

    /// Shape of the frame, outermost dimension first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.writer.shape()
    }

    /// The frame as an array.
    #[cfg(feature = "ndarray")]
    pub fn view_mut(&mut self) -> ndarray::ArrayViewMutD<'_, T> {
        let shape = self.writer.shape().to_vec();
        ndarray::ArrayViewMutD::from_shape(shape, self).expect("a frame has as many elements as its shape")
    }

    /// Publishes the frame and wakes who waits for it; gives its sequence number.
    #[allow(clippy::must_use_candidate)] // Few want to know the number.
    pub fn commit(self) -> u64 {
        let mut claim = std::mem::ManuallyDrop::new(self);
        let (slot, timestamp, metadata) = (claim.slot, claim.timestamp, claim.metadata);
        let FrameWriter { mapped, writing, doorkeeper, .. } = &mut *claim.writer;
        mapped.slots.set_metadata(slot, &metadata);
        let sequence =
            writing.publish(&mapped.words, slot, timestamp.unwrap_or_else(Moment::now).nanoseconds());
        let sleepers = writing.take_sleepers(&mapped.words);
        if sleepers != 0 {
            doorkeeper.wake(&mapped.sizes.control, &mapped.words, sleepers);
        }
        sequence
    }
}

impl<T: Pod, M: Pod> Deref for Claim<'_, T, M> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: F1: `find_slot` gave the slot to this claim, which is the only way to its bytes.
        unsafe { self.writer.mapped.slots.frame(self.slot) }
    }
}

impl<T: Pod, M: Pod> DerefMut for Claim<'_, T, M> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: F1: `find_slot` gave the slot to this claim, which is borrowed mutably.
        unsafe { self.writer.mapped.slots.frame_mut(self.slot) }
    }
}

impl<T: Pod, M: Pod> Drop for Claim<'_, T, M> {
    fn drop(&mut self) {
        self.writer.writing.give_back(self.slot);
    }
}

impl<T: Pod, M: Pod> fmt::Debug for Claim<'_, T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Claim").field("shape", &self.shape()).finish_non_exhaustive()
    }
}
