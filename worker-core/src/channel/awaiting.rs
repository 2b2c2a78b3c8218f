//! The receiving end of a channel for a task on tokio.
//! Not here: what is received (`receiver`).
//! Layer 5: feature `tokio`.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;
use tokio::task::coop::poll_proceed;

use super::errors::RecvError;
use super::receiver::Receiver;
use crate::sys::runtime::register;

/// The values of a channel as a stream; see [`Receiver::into_stream`].
#[derive(Debug)]
pub struct Values<T> {
    watched: AsyncFd<Arc<OwnedFd>>,
    receiver: Receiver<T>,
}

impl<T: DeserializeOwned + 'static> Receiver<T> {
    /// Registers the receiver with the tokio runtime of the caller, for its tasks to wait at. Feature `tokio`.
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
    /// use worker_core::channel;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = channel()?;
    /// let mut values = receiver.into_stream()?;
    /// std::thread::spawn(move || (1..=3).try_for_each(|number| sender.send(number)));
    /// let mut sum = 0;
    /// while let Some(value) = values.next().await {
    ///     sum += value?;
    /// }
    /// assert_eq!(sum, 6); // it ended with the last sender
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn into_stream(self) -> io::Result<Values<T>> {
        let watched = register(Arc::clone(self.end().socket()))?;
        Ok(Values { watched, receiver: self })
    }
}

impl<T: DeserializeOwned + 'static> Values<T> {
    /// The next value; `None` once every sender is gone and everything is received.
    ///
    /// Dropped before it is ready, it has taken nothing.
    ///
    /// # Errors
    ///
    /// [`RecvError`], but for the end: that is `None`.
    pub async fn next(&mut self) -> Option<Result<T, RecvError>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The receiver again, for threads.
    #[must_use]
    pub fn into_inner(self) -> Receiver<T> {
        self.receiver
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, RecvError>>> {
        // A sender that is faster than we are must not keep other tasks from running.
        let turn = ready!(poll_proceed(context));
        loop {
            let received = self.receiver.try_recv();
            if !matches!(received, Ok(None)) {
                turn.made_progress();
                return Poll::Ready(match received {
                    Err(RecvError::Disconnected) => None,
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

/// The values, for a task on tokio; errors but for the end are items.
impl<T: DeserializeOwned + 'static> futures_core::Stream for Values<T> {
    type Item = Result<T, RecvError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}
