//! A reading end of a ring: waits for frames and borrows them in place.
//! Not here: the steps in shared memory (`reading`).
//! Layer 6: over `reading` and `registry`.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
#[cfg(feature = "tokio")]
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{fmt, io};

use bytemuck::Pod;

use super::doorkeeper::Registrar;
use super::errors::RecvError;
use super::frame::Frame;
use super::layout::Overflow;
use super::memory::Mapped;
use super::reading::Reading;
use super::registry::{self, Start};
use super::writer::Counts;
use crate::ring::Memory;
use crate::sys::doorbell::{Sleeper, Wake};
use crate::sys::held::Held;

/// A reading end of a ring of frames with elements `T` and metadata `M`.
///
/// Each reading end gets every frame, as far as the [`Overflow`] policy lets it. Another one is made
/// with [`FrameReader::try_clone`]. It can be an argument or a result of a call; from then on the
/// process that got it reads, where this value left off, and this value gives [`RecvError::Sent`].
///
/// Readable, as a descriptor ([`AsFd`]), when there may be a frame, or the writer is gone: call
/// [`FrameReader::try_recv`] until it gives `None`, then wait for the descriptor, and so on.
///
/// # Examples
///
/// ```
/// use worker_core::{frames, frames::{FrameReader, Layout}, process_actor};
///
/// pub struct Summer { frames: FrameReader<u32> }
///
/// #[process_actor]
/// impl Summer {
///     pub fn new(frames: FrameReader<u32>) -> Self { Self { frames } }
///     pub fn sum(&mut self) -> u32 {
///         let frame = self.frames.recv().expect("the writer is there");
///         frame.iter().sum() // read where it lies
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut writer, reader) = frames::ring::<u32>(Layout::new([1000]))?;
/// let summer = SummerFrontend::spawn(reader)?;
/// writer.write(&[3; 1000])?;
/// assert_eq!(summer.sum()?, 3000);
/// # Ok(())
/// # }
/// ```
pub struct FrameReader<T: Pod, M: Pod = ()> {
    pub(super) mapped: Arc<Mapped<T, M>>,
    pub(super) reading: Reading,
    pub(super) token: u64,
    pub(super) sleeper: Sleeper,
    pub(super) registrar: Registrar,
    pub(super) is_sent: Cell<bool>,
    /// Frames that are borrowed just now.
    pub(super) borrowed_count: Cell<usize>,
    _held: Held,
}

impl<T: Pod, M: Pod> FrameReader<T, M> {
    /// Enters a new reading end, of which the writing end knows already.
    pub(super) fn enter(
        mapped: Arc<Mapped<T, M>>,
        token: u64,
        sleeper: Sleeper,
        registrar: Registrar,
        start: Start,
    ) -> io::Result<Self> {
        let control = mapped.sizes.control;
        let Some(seat) = registry::enter(&control, &mapped.words, token, start) else {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("a ring of frames has at most {} readers at one time", control.readers_max()),
            ));
        };
        Ok(Self::resume(mapped, seat, token, sleeper, registrar))
    }

    /// The reading end that has a seat already.
    pub(super) fn resume(
        mapped: Arc<Mapped<T, M>>,
        seat: usize,
        token: u64,
        sleeper: Sleeper,
        registrar: Registrar,
    ) -> Self {
        let reading = Reading::resume(mapped.sizes.control, mapped.layout.overflow, seat, &mapped.words);
        let (is_sent, borrowed_count) = (Cell::new(false), Cell::new(0));
        let held = Held::new([sleeper.as_fd(), registrar.as_fd()]);
        Self { mapped, reading, token, sleeper, registrar, is_sent, borrowed_count, _held: held }
    }

    /// Makes another reading end, which gets every frame from the next one of this end on.
    ///
    /// # Errors
    ///
    /// If the ring has 32 readers, if this end was sent away, or if the system refuses a descriptor.
    pub fn try_clone(&self) -> io::Result<Self> {
        if self.is_elsewhere() {
            return Err(io::Error::other(RecvError::Sent.to_string()));
        }
        let token = registry::new_token(self.reading.control(), &self.mapped.words);
        let registrar = self.registrar.try_clone()?;
        let sleeper = registrar.announce(token)?;
        Self::enter(Arc::clone(&self.mapped), token, sleeper, registrar, self.reading.start())
    }

    /// Waits for the next frame and borrows it.
    ///
    /// While it is borrowed the writer leaves its slot alone. More than one frame may be borrowed at
    /// one time; each keeps a slot from the writer.
    ///
    /// # Errors
    ///
    /// [`RecvError::WriterGone`] once every frame that the writer left is read; [`RecvError::Sent`];
    /// [`RecvError::Io`].
    pub fn recv(&self) -> Result<Frame<'_, T, M>, RecvError> {
        loop {
            if let Some(frame) = self.recv_until(None, false)? {
                return Ok(frame);
            }
        }
    }

    /// Waits for the next frame, but no longer than `timeout`; `None` if it has not come by then.
    ///
    /// # Errors
    ///
    /// As [`FrameReader::recv`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Frame<'_, T, M>>, RecvError> {
        self.recv_until(Instant::now().checked_add(timeout), false)
    }

    /// Borrows the next frame if there is one; if not, the descriptor of this end will be readable
    /// once there may be.
    ///
    /// # Errors
    ///
    /// As [`FrameReader::recv`].
    pub fn try_recv(&self) -> Result<Option<Frame<'_, T, M>>, RecvError> {
        self.recv_until(Some(Instant::now()), true)
    }

    /// Every frame from now on; it ends when the writer is gone and every frame is read.
    pub fn iter(&self) -> impl Iterator<Item = Frame<'_, T, M>> {
        std::iter::from_fn(|| self.recv().ok())
    }

    /// Frames that this end did not get: dropped by the writer, overwritten, or passed over.
    ///
    /// Each is counted when this end comes to the next frame behind it.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.load(self.reading.control().reader(self.reading.seat()).lost)
    }

    /// Frames that this end got.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.load(self.reading.control().reader(self.reading.seat()).taken)
    }

    /// What became of the frames of the ring so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.mapped.counts()
    }

    /// Shape of a frame, outermost dimension first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.mapped.layout.shape
    }

    /// Makes sure that frames have a shape, for code that relies on it.
    ///
    /// # Errors
    ///
    /// If they have another one; the text names both.
    ///
    /// # Examples
    ///
    /// ```
    /// # use worker_core::frames::{self, Layout};
    /// let (_writer, reader) = frames::ring::<u8>(Layout::new([480, 640])).unwrap();
    /// assert!(reader.expect_shape(&[480, 640]).is_ok());
    /// let error = reader.expect_shape(&[640, 480]).unwrap_err();
    /// assert_eq!(error.to_string(), "the ring has frames of shape [480, 640], not [640, 480]");
    /// ```
    pub fn expect_shape(&self, shape: &[usize]) -> io::Result<()> {
        if self.shape() == shape {
            return Ok(());
        }
        let text = format!("the ring has frames of shape {:?}, not {shape:?}", self.shape());
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
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

    /// Whether another process has this end: it was sent there, or this is a fork of that process.
    #[inline]
    pub(super) fn is_elsewhere(&self) -> bool {
        self.is_sent.get() || !self.mapped.is_ours()
    }

    fn recv_until(
        &self,
        deadline: Option<Instant>,
        stays_announced: bool,
    ) -> Result<Option<Frame<'_, T, M>>, RecvError> {
        if self.is_elsewhere() {
            return Err(RecvError::Sent);
        }
        let words = &self.mapped.words;
        let mut is_gone = false;
        let mut was_rung = false;
        let mut is_late = false;
        if let Some(borrowed) = self.reading.take(words) {
            return Ok(Some(Frame::lent(self, borrowed)));
        }
        loop {
            self.reading.announce_waiting(words);
            // Without this second look a frame published between the first look and the announcement
            // would wake nobody (D1).
            if let Some(borrowed) = self.reading.take(words) {
                let frame = Frame::lent(self, borrowed);
                if !stays_announced {
                    self.reading.end_waiting(words);
                } else if was_rung && self.reading.may_take(words) {
                    // We have taken a ring out, this frame was published then, and so was another one, which found
                    // no announcement any more and did not ring. Who takes one frame a turn would never be told.
                    self.sleeper.ring_again()?;
                }
                return Ok(Some(frame));
            }
            // Only now, with everything taken that it had published before.
            if is_gone {
                return Err(RecvError::WriterGone);
            }
            let wake = if is_late { Wake::TimedOut } else { self.sleeper.sleep(deadline)? };
            match wake {
                Wake::Rung => {
                    was_rung = true;
                    // What we were rung for is looked at first. Whoever rang has taken the announcement; one that is
                    // left over from a ring that came late ends a later sleep early.
                    if !stays_announced && let Some(borrowed) = self.reading.take(words) {
                        return Ok(Some(Frame::lent(self, borrowed)));
                    }
                    // A writer that never stops ringing keeps nobody from the clock.
                    is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
                    is_gone = is_late && self.sleeper.has_hung_up();
                }
                Wake::Gone => is_gone = true,
                Wake::TimedOut => {
                    if !stays_announced {
                        self.reading.end_waiting(words);
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Announces that somebody is about to sleep at the descriptor; `true` if there is no need to.
    pub(crate) fn prepare_sleep(&self) -> bool {
        let words = &self.mapped.words;
        if self.is_sent.get() || self.reading.may_take(words) {
            return true;
        }
        self.reading.announce_waiting(words);
        // The second look, as in `recv_until` (D1).
        self.reading.may_take(words)
    }

    /// Takes in the rings at the descriptor; `true` if there may be a frame, or will be none.
    pub(crate) fn settle_rings(&self) -> bool {
        let woken = self.sleeper.sleep(Some(Instant::now()));
        self.is_sent.get()
            || self.reading.may_take(&self.mapped.words)
            || !matches!(woken, Ok(Wake::Rung | Wake::TimedOut))
    }

    /// As [`FrameReader::try_recv`], for a frame that keeps this end alive.
    #[cfg(feature = "tokio")]
    pub(super) fn try_recv_shared(self: &Rc<Self>) -> Result<Option<Frame<'static, T, M>>, RecvError> {
        Ok(self.try_recv()?.map(|frame| frame.shared(self)))
    }

    fn load(&self, offset_bytes: usize) -> u64 {
        if !self.mapped.is_ours() {
            return 0;
        }
        // Relaxed: a count that this end alone writes.
        Memory::load(&self.mapped.words, offset_bytes, Ordering::Relaxed)
    }
}

impl<T: Pod, M: Pod> Drop for FrameReader<T, M> {
    fn drop(&mut self) {
        if !self.is_elsewhere() {
            let words = &self.mapped.words;
            registry::leave(self.reading.control(), words, self.reading.seat(), self.token);
            if self.reading.take_waiting_writer(words) {
                self.registrar.wake_writer();
            }
        }
    }
}

impl<T: Pod, M: Pod> AsFd for FrameReader<T, M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sleeper.as_fd()
    }
}

/// For event loops that take numbers; the value keeps it open.
impl<T: Pod, M: Pod> AsRawFd for FrameReader<T, M> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: Pod, M: Pod> fmt::Debug for FrameReader<T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FrameReader")
            .field("shape", &self.shape())
            .field("overflow", &self.overflow())
            .field("taken", &self.taken())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}
