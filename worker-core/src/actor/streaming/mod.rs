//! What a method yields item by item, as the program takes it.
//! Not here: how the backend sends it (`sending`, `tasks`), and the channel in between (`channel`).
//! Layer 6: over `channel`.
//!
//! The items go through a channel of their own, which is bounded, and the call's reply is the end of the
//! stream, or why it ended. So requests, replies and items never wait for each other's room.
//!
//! * I1: the sender of the items is in the request and nowhere else. So the channel ends when the method
//!   is over, or its process is, and the reply of the call says which.
//! * I2: the end is asked for when the channel has ended, and told once.

#[cfg(feature = "tokio")]
mod polled;
mod sending;
mod tasks;

use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::contract::Actor;
use super::handle::Handle;
use super::outcome::fault_error;
use super::pending::Pending;
use crate::calls::Fault;
use crate::channel::{Receiver, RecvError, Sender, channel};
use crate::errors::{CallError, EncodeError};
use crate::process::Process;

/// What a method yields, one by one, as it comes: what a frontend gives for `impl Iterator` and `impl Stream`.
///
/// The backend runs ahead, by as much as a channel holds (some 250 short items), and then waits. While it
/// does, and until what yields over there has ended, the actor serves nobody else: take the items soon,
/// and do not call the actor in between. In an actor with `async` methods, or one that returns `impl Stream`, only
/// methods that take `&mut self` have to wait for a stream of one that takes `&self`.
///
/// It ends with the first error, if there is one: [`CallError::Panicked`] if the method or what it returned panicked,
/// [`CallError::Exited`] if the backend died, [`CallError::TimedOut`] if an item took longer than the
/// frontend's timeout. Dropping it ends what yields over there, and the actor serves on: an iterator at its next item
/// at the latest, an `impl Stream` at once, also while it waits for its next item.
///
/// Where a `StreamExt` is in scope too, `next` could be either's: `next_async`, of the feature `tokio`, is the one that is
/// awaited.
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
    /// The channel as a runtime watches it, since it was first polled there.
    #[cfg(feature = "tokio")]
    watched: Option<polled::Watched>,
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
