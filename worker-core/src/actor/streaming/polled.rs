//! What a method yields, for a task of the program on tokio.
//! Not here: threads that wait for it (`super`).
//! Layer 6: feature `tokio`.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, Id};
use tokio::task::coop::poll_proceed;

use super::Stream;
use crate::channel::RecvError;
use crate::errors::CallError;
use crate::sys::runtime::register;

/// The channel of the items, registered with a runtime.
pub(super) struct Watched {
    items: AsyncFd<Arc<OwnedFd>>,
    /// A runtime that nobody drives, or that is gone, tells nothing: the one that polls has to be this.
    runtime: Id,
}

/// The items, for a task on tokio. The timeout of the frontend is for threads: use the runtime's own.
///
/// It may be polled in one runtime after the other.
///
/// # Panics
///
/// Outside of a tokio runtime, and in one without its I/O driver.
impl<T: DeserializeOwned + 'static> futures_core::Stream for Stream<T> {
    type Item = Result<T, CallError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        // A backend that is faster than we are must not keep other tasks from running.
        let turn = ready!(poll_proceed(context));
        let next = this.poll_item(context);
        if next.is_ready() {
            turn.made_progress();
        }
        next
    }
}

impl<T: DeserializeOwned + 'static> Stream<T> {
    /// The next item, for a task; `next` is the iterator's, which blocks.
    ///
    /// # Panics
    ///
    /// As for polling it.
    pub async fn next_async(&mut self) -> Option<Result<T, CallError>> {
        poll_fn(|context| futures_core::Stream::poll_next(Pin::new(&mut *self), context)).await
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        loop {
            let Some(end) = &mut self.end else { return Poll::Ready(None) };
            if self.is_over {
                let result = ready!(Pin::new(end).poll(context));
                self.end = None;
                return Poll::Ready(result.err().map(Err));
            }
            match self.items.try_recv() {
                Ok(None) => {}
                Err(RecvError::Disconnected) => {
                    self.is_over = true;
                    continue;
                }
                received => return Poll::Ready(self.taken(received)),
            }
            let event = match self.watched() {
                Ok(watched) => ready!(watched.items.poll_read_ready(context)),
                Err(error) => Err(error),
            };
            match event {
                // Before the next look, so that what comes after it is a newer event.
                Ok(mut event) => event.clear_ready(),
                // The runtime that polls is about to end: nothing will wake this task any more.
                Err(error) => return Poll::Ready(self.taken(Err(RecvError::Io(error)))),
            }
        }
    }

    /// The channel as the runtime of this task watches it.
    fn watched(&mut self) -> io::Result<&mut Watched> {
        let runtime = Handle::current().id();
        if self.watched.as_ref().is_some_and(|watched| watched.runtime != runtime) {
            self.watched = None;
        }
        match &mut self.watched {
            Some(watched) => Ok(watched),
            watched => {
                let ours = Arc::new(self.items.as_fd().try_clone_to_owned()?);
                Ok(watched.insert(Watched { items: register(ours)?, runtime }))
            }
        }
    }
}
