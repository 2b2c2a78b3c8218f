//! What a method yields item by item: sent by the backend, taken by the program.
//! Not here: the channel in between (`channel`), and the call around it (`handle`).
//! Layer 6: over `channel`.
//!
//! The items go through a channel of their own, which is bounded, and the call's reply is the end of the
//! stream, or why it ended. So requests, replies and items never wait for each other's room.
//!
//! * I1: the sender of the items is in the request and nowhere else. So the channel ends when the method
//!   is over, or its process is, and the reply of the call says which.
//! * I2: the end is asked for when the channel has ended, and told once.

use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::contract::Actor;
use super::crossing::Crossing;
use super::handle::Handle;
use super::outcome::fault_error;
use super::pending::Pending;
use super::reply::{Answer, Call};
use crate::calls::Fault;
use crate::channel::{Receiver, RecvError, SendError, Sender, channel};
use crate::errors::{CallError, EncodeError};
use crate::process::Process;

/// What a method yields, one by one, as it comes: what a frontend gives for `impl Iterator`.
///
/// The backend runs ahead, by as much as a channel holds (some 250 short items), and then waits. While it
/// does, and until the iterator over there has ended, the actor serves nobody else: take the items soon,
/// and do not call the actor in between.
///
/// It ends with the first error, if there is one: [`CallError::Panicked`] if the iterator panicked,
/// [`CallError::Exited`] if the backend died, [`CallError::TimedOut`] if an item took longer than the
/// frontend's timeout. Dropping it ends the iterator over there, at its next item at the latest, and the actor
/// serves on.
///
/// # Examples
///
/// ```
/// use worker_core::process_actor;
///
/// pub struct Table { rows: Vec<u64> }
///
/// #[process_actor]
/// impl Table {
///     pub fn new(rows: u64) -> Self { Self { rows: (0..rows).collect() } }
///     pub fn rows(&self, from: usize) -> impl Iterator<Item = u64> + '_ {
///         self.rows[from..].iter().copied()
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let table = TableFrontend::spawn(1_000_000)?;
/// let sum = table.rows(10)?.take(3).sum::<Result<u64, _>>()?; // the other rows are never sent
/// assert_eq!(sum, 10 + 11 + 12);
/// # Ok(())
/// # }
/// ```
#[must_use = "the method is told to end when it is dropped"]
pub struct Stream<T> {
    items: Receiver<T>,
    /// What ends it; `None` once it has ended.
    end: Option<Pending<()>>,
    process: Process,
    /// For each item, where a thread waits for it.
    timeout: Option<Duration>,
    /// The channel has ended, and only the reply is to come.
    #[cfg(feature = "tokio")]
    is_over: bool,
    /// The channel as the runtime watches it, since it was first polled.
    #[cfg(feature = "tokio")]
    watched: Option<tokio::io::unix::AsyncFd<std::sync::Arc<std::os::fd::OwnedFd>>>,
}

impl<T: DeserializeOwned + 'static> Stream<T> {
    /// The next item or the reason of the end, from what the channel gave.
    fn taken(&mut self, received: Result<Option<T>, RecvError>) -> Option<Result<T, CallError>> {
        let error = match received {
            Ok(Some(item)) => return Some(Ok(item)),
            Ok(None) => self.late(),
            // The reply is on its way, or the death is (I2); but for a backend that keeps to no protocol.
            Err(RecvError::Disconnected) => {
                let by = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                match self.end.take()?.wait_until(by) {
                    Some(result) => return result.err().map(Err),
                    None => self.late(),
                }
            }
            Err(RecvError::Decode(error)) => CallError::Decode(error),
            Err(error) => CallError::Encode(EncodeError::new::<T>(error)),
        };
        self.end = None;
        Some(Err(error))
    }

    /// The error of an item, or an end, that did not come in time.
    fn late(&self) -> CallError {
        let lives = self.process.lives();
        let killed = lives.with_current(|life| lives.kill_at_timeout(life, &Fault::TimedOut));
        fault_error::<T, Infallible>(Fault::TimedOut, killed)
    }
}

impl<T: DeserializeOwned + 'static> Iterator for Stream<T> {
    type Item = Result<T, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.end.as_ref()?;
        let received = match self.timeout {
            None => self.items.recv().map(Some),
            Some(timeout) => self.items.recv_timeout(timeout),
        };
        self.taken(received)
    }
}

impl<T: DeserializeOwned + 'static> std::iter::FusedIterator for Stream<T> {}

#[cfg(feature = "tokio")]
mod polled {
    use std::future::poll_fn;
    use std::os::fd::AsFd;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, ready};

    use super::{CallError, DeserializeOwned, EncodeError, RecvError, Stream};
    use crate::sys::runtime::register;

    /// The items, for a task on tokio. The timeout of the frontend is for threads: use the runtime's own.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and in one without its I/O driver.
    impl<T: DeserializeOwned + 'static> futures_core::Stream for Stream<T> {
        type Item = Result<T, CallError>;

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let this = self.get_mut();
            loop {
                let Some(end) = &mut this.end else { return Poll::Ready(None) };
                if this.is_over {
                    let result = ready!(Pin::new(end).poll(context));
                    this.end = None;
                    return Poll::Ready(result.err().map(Err));
                }
                match this.items.try_recv() {
                    Ok(None) => {}
                    Err(RecvError::Disconnected) => {
                        this.is_over = true;
                        continue;
                    }
                    received => return Poll::Ready(this.taken(received)),
                }
                let watched = match &mut this.watched {
                    Some(watched) => watched,
                    watched => {
                        let ours = this.items.as_fd().try_clone_to_owned().map(Arc::new);
                        match ours.and_then(register) {
                            Ok(registered) => watched.insert(registered),
                            Err(error) => {
                                this.end = None;
                                return Poll::Ready(Some(Err(CallError::Encode(EncodeError::new::<T>(
                                    error,
                                )))));
                            }
                        }
                    }
                };
                // Cleared before the next look, so that what comes after it is a newer event.
                if let Ok(mut event) = ready!(watched.poll_read_ready(context)) {
                    event.clear_ready();
                }
            }
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
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stream").field("ended", &self.end.is_none()).finish_non_exhaustive()
    }
}

impl<A: Actor> Handle<A> {
    /// A call of a method that yields items; `request` takes the sender that they go to.
    ///
    /// # Errors
    ///
    /// `NotSent`, `NotSentInTime` and `Encode`.
    pub fn stream<'request, T>(
        &self,
        request: impl FnOnce(Sender<T>) -> A::Request<'request>,
    ) -> Result<Stream<T>, CallError> {
        let (sender, items) = channel().map_err(|error| CallError::Encode(EncodeError::new::<T>(error)))?;
        let request = request(sender);
        let end = self.call_async::<(), Infallible>(&request).carry();
        // Its sender would keep the channel from ending (I1).
        drop(request);
        let (process, timeout) = (self.process().clone(), self.timeout());
        Ok(Stream {
            items,
            end: Some(end.into_sent()?),
            process,
            timeout,
            #[cfg(feature = "tokio")]
            is_over: false,
            #[cfg(feature = "tokio")]
            watched: None,
        })
    }
}

impl<'call, A: Actor> Call<'call, A> {
    /// Sends what a method yields, and answers when that has ended, or nobody wants more.
    pub fn stream<T: Serialize + 'static>(
        &self,
        items: Sender<T>,
        yielded: impl Iterator<Item = T>,
    ) -> Crossing<Answer<'call, (), Infallible>, (), Infallible> {
        for item in yielded {
            match items.send(item) {
                Ok(()) => {}
                Err(SendError::Encode(_, error)) => {
                    self.not_encoded(&error);
                    break;
                }
                Err(SendError::Io(_, error)) => {
                    self.not_encoded(&EncodeError::new::<T>(error));
                    break;
                }
                // Nobody wants more.
                Err(_) => break,
            }
        }
        self.reply(())
    }
}
