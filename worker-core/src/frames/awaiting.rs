//! A reading end for a task on tokio: frame by frame, or as a stream.
//! Not here: what is read (`reader`).
//! Layer 6: feature `tokio`.

use std::fmt;
use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytemuck::Pod;
use tokio::io::unix::AsyncFd;
use tokio::task::coop::poll_proceed;

use super::errors::RecvError;
use super::frame::Frame;
use super::reader::FrameReader;
use crate::sys::runtime::register;

/// The frames of a ring as a stream; see [`FrameReader::into_stream`].
pub struct Frames<T: Pod, M: Pod = ()> {
    watched: AsyncFd<Arc<OwnedFd>>,
    reader: Rc<FrameReader<T, M>>,
}

impl<T: Pod, M: Pod> FrameReader<T, M> {
    /// Waits for the next frame as part of a task, on tokio (feature `tokio`), and borrows it.
    ///
    /// Dropping the future loses no frame. A reading end is for one thread, so the task is too:
    /// `block_on`, or `spawn_local`.
    ///
    /// # Errors
    ///
    /// As [`FrameReader::recv`]. [`RecvError::Io`] too if the runtime cannot wait for a descriptor.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with its I/O driver enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use worker_core::frames::{self, Layout};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (mut writer, reader) = frames::ring::<u8>(Layout::new([4]))?;
    /// writer.write(b"abcd")?;
    /// drop(writer);
    /// let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    /// runtime.block_on(async {
    ///     let mut count = 0;
    ///     while let Ok(frame) = reader.next().await {
    ///         assert_eq!(frame[..], *b"abcd");
    ///         count += 1;
    ///     }
    ///     assert_eq!(count, 1);
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&self) -> Result<Frame<'_, T, M>, RecvError> {
        if let Some(frame) = self.try_recv()? {
            return Ok(frame);
        }
        // A duplicate, because two of these may wait for one reader.
        let bell = register(Arc::new(self.as_fd().try_clone_to_owned()?))?;
        loop {
            // Cleared before the look: a frame that comes after it makes the descriptor ready anew.
            bell.readable().await?.clear_ready();
            if let Some(frame) = self.try_recv()? {
                return Ok(frame);
            }
        }
    }

    /// Registers the reader with the tokio runtime of the caller, as a stream of frames. Feature `tokio`.
    ///
    /// Each item keeps its slot until it is dropped, and may outlive the stream. The stream ends when the
    /// writer is gone and every frame is read. It is for one thread, as the reader is.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, and in one without its I/O driver.
    ///
    /// # Examples
    ///
    /// ```
    /// use worker_core::frames::{self, Layout};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (mut writer, reader) = frames::ring::<u8>(Layout::new([4]))?;
    /// writer.write(b"abcd")?;
    /// writer.write(b"efgh")?;
    /// drop(writer);
    /// let mut frames = reader.into_stream()?;
    /// let (first, second) = (frames.next().await, frames.next().await);
    /// assert_eq!((&first.unwrap()?[..], &second.unwrap()?[..]), (&b"abcd"[..], &b"efgh"[..]));
    /// assert!(frames.next().await.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn into_stream(self) -> std::io::Result<Frames<T, M>> {
        Ok(Frames { watched: register(self.sleeper.share())?, reader: Rc::new(self) })
    }
}

impl<T: Pod, M: Pod> Frames<T, M> {
    /// The next frame; `None` once the writer is gone and every frame is read.
    ///
    /// Dropped before it is ready, it has taken nothing.
    ///
    /// # Errors
    ///
    /// As [`FrameReader::recv`], but for the end: that is `None`.
    pub async fn next(&mut self) -> Option<Result<Frame<'static, T, M>, RecvError>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The reader, for what it counts.
    #[must_use]
    pub fn reader(&self) -> &FrameReader<T, M> {
        &self.reader
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<'static, T, M>, RecvError>>> {
        // A writer that is faster than we are must not keep other tasks from running.
        let turn = ready!(poll_proceed(context));
        loop {
            let received = self.reader.try_recv_shared();
            if !matches!(received, Ok(None)) {
                turn.made_progress();
                return Poll::Ready(match received {
                    Err(RecvError::WriterGone) => None,
                    received => received.transpose(),
                });
            }
            match ready!(self.watched.poll_read_ready(context)) {
                // What comes after this is a newer event, which the clearing leaves alone; what came before
                // is found by the next look.
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is about to end.
                Err(error) => return Poll::Ready(Some(Err(RecvError::Io(error)))),
            }
        }
    }
}

/// The frames, for a task on tokio; errors but for the end are items.
impl<T: Pod, M: Pod> futures_core::Stream for Frames<T, M> {
    type Item = Result<Frame<'static, T, M>, RecvError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl<T: Pod, M: Pod> fmt::Debug for Frames<T, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Frames").field(&self.reader).finish()
    }
}
