//! A call whose result is not there yet.
//! Not here: sending it (`handle`) and matching its reply (`calls`).
//! Layer 6: over `calls`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handle::call_error;
use super::remote::Core;
use crate::calls::{Fault, Outcome, Ticket};
use crate::errors::CallError;

/// The result of a call that was sent and not waited for.
///
/// The request has left: the backend works on it, or will. Dropping the value forgets the reply,
/// never the actor. It keeps the actor alive as a frontend does.
///
/// # Examples
///
/// ```
/// use worker_core::process_actor;
///
/// pub struct Squarer;
///
/// #[process_actor]
/// impl Squarer {
///     pub fn new() -> Self { Self }
///     pub fn square(&self, n: u64) -> u64 { n * n }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let squarer = SquarerFrontend::spawn()?;
/// let pending: Vec<_> = (0..10).map(|n| squarer.square_async(n)).collect();
/// let squares = pending.into_iter().map(|pending| pending.wait()).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(squares[9], 81);
/// # Ok(())
/// # }
/// ```
#[must_use = "the reply is thrown away with it"]
pub struct Pending<T, E = std::convert::Infallible> {
    core: Arc<Core>,
    state: State<T, E>,
    decode: fn(Outcome) -> Result<T, CallError<E>>,
}

enum State<T, E> {
    InFlight(Ticket),
    /// It did not leave, or it has come back and been taken out of the table.
    Done(Option<Result<T, CallError<E>>>),
}

impl<T, E> Pending<T, E> {
    pub(super) fn new(
        core: Arc<Core>,
        started: Result<Ticket, CallError<E>>,
        decode: fn(Outcome) -> Result<T, CallError<E>>,
    ) -> Self {
        let state = match started {
            Ok(ticket) => State::InFlight(ticket),
            Err(error) => State::Done(Some(Err(error))),
        };
        Self { core, state, decode }
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// Every variant of [`CallError`]; `TimedOut` only if there was no room to send the request in time, for
    /// there is no deadline here.
    ///
    /// # Panics
    ///
    /// If [`Pending::wait_timeout`] has given the result already: there is no second one.
    pub fn wait(mut self) -> Result<T, CallError<E>> {
        // Without a deadline there is no other reason for `None`.
        self.wait_until(None).expect("`wait_timeout` has given the result of this call already")
    }

    /// Waits for the result, but no longer than `timeout`; `None` if it has not come by then.
    ///
    /// The call goes on: it may be waited for again. Once it has given a result it gives `None`.
    ///
    /// # Errors
    ///
    /// As for [`Pending::wait`]; that the time has passed is `None` here.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<T, CallError<E>>> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// Whether [`Pending::wait_timeout`] would return at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.state {
            State::InFlight(ticket) => self.core.client.is_ready(*ticket),
            State::Done(_) => true,
        }
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Result<T, CallError<E>>> {
        let ticket = match &mut self.state {
            State::InFlight(ticket) => *ticket,
            State::Done(result) => return result.take(),
        };
        let result = match self.core.client.wait(ticket, deadline) {
            Err(Fault::TimedOut) => return None,
            Ok(outcome) => (self.decode)(outcome),
            Err(fault) => Err(call_error::<E>(fault)),
        };
        self.state = State::Done(None);
        Some(result)
    }
}

impl<T, E> Drop for Pending<T, E> {
    fn drop(&mut self) {
        if let State::InFlight(ticket) = self.state {
            self.core.client.forget(ticket);
        }
    }
}

impl<T, E> fmt::Debug for Pending<T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_flight = matches!(self.state, State::InFlight(_));
        formatter.debug_struct("Pending").field("in_flight", &in_flight).finish_non_exhaustive()
    }
}
