//! A call whose result is not there yet.
//! Not here: sending it (`handle`) and matching its reply (`calls`).
//! Layer 6: over `calls`.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::outcome::fault_error;
use crate::calls::{Fault, Outcome, Ticket};
use crate::errors::CallError;
use crate::process::{Departed, Departure, Life};

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
    state: State<T, E>,
    decode: fn(Outcome) -> Result<T, CallError<E>>,
}

enum State<T, E> {
    /// It waits to leave, behind others or for room.
    Departing(Arc<Departure>),
    /// In flight to this life of the actor, which it keeps alive.
    InFlight(Arc<Life>, Ticket),
    /// It did not leave, or it has come back and been taken out of the table.
    Done(Option<Result<T, CallError<E>>>),
}

/// Where a call is.
#[derive(Debug)]
pub(crate) enum Whereabouts {
    Departing(Arc<Departure>),
    InFlight(Arc<Life>, Ticket),
    Done,
}

impl<T, E> Pending<T, E> {
    pub(super) fn new(
        started: Result<(Arc<Life>, Ticket), CallError<E>>,
        decode: fn(Outcome) -> Result<T, CallError<E>>,
    ) -> Self {
        let state = match started {
            Ok((life, ticket)) => State::InFlight(life, ticket),
            Err(error) => State::Done(Some(Err(error))),
        };
        Self { state, decode }
    }

    pub(super) fn departing(
        departure: Arc<Departure>,
        decode: fn(Outcome) -> Result<T, CallError<E>>,
    ) -> Self {
        Self { state: State::Departing(departure), decode }
    }

    /// Notes that the call has left, or that it never will.
    fn departed(&mut self, departed: Departed) {
        self.state = match departed {
            Departed::InFlight(life, ticket) => State::InFlight(life, ticket),
            Departed::Failed { fault, killed } => State::Done(Some(Err(fault_error::<E, E>(fault, killed)))),
        };
    }

    /// Where the call is, for whoever waits for it beside other things.
    pub(crate) fn whereabouts(&self) -> Whereabouts {
        match &self.state {
            State::Departing(departure) => Whereabouts::Departing(Arc::clone(departure)),
            State::InFlight(life, ticket) => Whereabouts::InFlight(Arc::clone(life), *ticket),
            State::Done(_) => Whereabouts::Done,
        }
    }

    /// A call that did not leave.
    pub(super) fn failed(error: CallError<E>) -> Self {
        let decode = |_| unreachable!("no reply comes to a call that did not leave");
        Self { state: State::Done(Some(Err(error))), decode }
    }

    /// The call, unless it is known already that it never left.
    pub(super) fn into_sent(mut self) -> Result<Self, CallError<E>> {
        match &mut self.state {
            State::Done(result @ Some(Err(_))) => match result.take() {
                Some(Err(error)) => Err(error),
                _ => unreachable!("it was an error a moment ago"),
            },
            _ => Ok(self),
        }
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// Every variant of [`CallError`] but `TimedOut`: what had no room in time is `NotSentInTime`, and after that
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
            State::Departing(departure) => departure.is_ready(),
            State::InFlight(life, ticket) => life.client.is_ready(*ticket),
            State::Done(_) => true,
        }
    }

    /// Gives the call up; `Some` if its result had come already.
    ///
    /// The request has left, so the backend may run the method all the same, and throws nothing away
    /// that it has begun: what comes back is. Work that must truly stop takes
    /// [`OnTimeout::Kill`](crate::OnTimeout::Kill), or [`Process::kill`](crate::Process::kill).
    ///
    /// # Errors
    ///
    /// The error of a call that had failed already.
    ///
    /// # Examples
    ///
    /// ```
    /// use worker_core::process_actor;
    ///
    /// pub struct Echo;
    ///
    /// #[process_actor]
    /// impl Echo {
    ///     pub fn new() -> Self { Self }
    ///     pub fn echo(&self, n: u64) -> u64 { n }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let echo = EchoFrontend::spawn()?;
    /// echo.echo_async(1).cancel();
    /// assert_eq!(echo.echo(2)?, 2); // no reply of another call ever comes here
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(mut self) -> Option<Result<T, CallError<E>>> {
        self.wait_until(Some(Instant::now()))
    }

    /// The life and the call, while it is in flight: for whoever waits for several.
    pub(crate) fn in_flight(&self) -> Option<(&Arc<Life>, Ticket)> {
        match &self.state {
            State::InFlight(life, ticket) => Some((life, *ticket)),
            State::Departing(_) | State::Done(_) => None,
        }
    }

    /// The result, if it has been taken in; one that its backend had not begun at its end is `NotSent`.
    pub(crate) fn take_settled(&mut self) -> Option<Result<T, CallError<E>>> {
        let (life, ticket) = match &mut self.state {
            State::InFlight(life, ticket) => (&*life, *ticket),
            State::Done(result) => return result.take(),
            State::Departing(_) => return None,
        };
        let result = match life.client.take_settled(ticket)? {
            Ok(outcome) => (self.decode)(outcome),
            Err(fault) => Err(fault_error::<E, E>(fault, false)),
        };
        self.state = State::Done(None);
        Some(result)
    }

    /// As [`Pending::wait`], but what its backend had not begun at its end is `NotSent`, whenever it was sent.
    pub(crate) fn wait_exactly(mut self) -> Result<T, CallError<E>> {
        if let State::Departing(departure) = &self.state
            && let Some(departed) = departure.wait(None)
        {
            self.departed(departed);
        }
        let flight = self.in_flight().map(|(life, ticket)| (Arc::clone(life), ticket));
        exactly(self.wait(), flight)
    }

    /// As [`Pending::wait_exactly`], for a task.
    pub(crate) async fn exactly(mut self) -> Result<T, CallError<E>> {
        poll_fn(|context| self.poll_left(context)).await;
        let flight = self.in_flight().map(|(life, ticket)| (Arc::clone(life), ticket));
        exactly(self.await, flight)
    }

    /// Waits until the call has left, or never will, for a task.
    pub(crate) fn poll_left(&mut self, context: &Context<'_>) -> Poll<()> {
        if let State::Departing(departure) = &self.state {
            let Poll::Ready(departed) = departure.poll(context) else { return Poll::Pending };
            self.departed(departed);
        }
        Poll::Ready(())
    }

    pub(crate) fn wait_until(&mut self, deadline: Option<Instant>) -> Option<Result<T, CallError<E>>> {
        if let State::Departing(departure) = &self.state {
            let departed = departure.wait(deadline)?;
            self.departed(departed);
        }
        let (life, ticket) = match &mut self.state {
            State::InFlight(life, ticket) => (&*life, *ticket),
            State::Done(result) => return result.take(),
            State::Departing(_) => unreachable!("it has left above"),
        };
        let result = match life.client.wait(ticket, deadline) {
            Err(Fault::TimedOut) => return None,
            Ok(outcome) => (self.decode)(outcome),
            Err(fault) => {
                life.body.announce();
                Err(fault_error::<E, E>(fault, false))
            }
        };
        self.state = State::Done(None);
        Some(result)
    }
}

/// A result, told apart by whether the call was begun.
fn exactly<T, E>(
    result: Result<T, CallError<E>>,
    flight: Option<(Arc<Life>, Ticket)>,
) -> Result<T, CallError<E>> {
    match (result, flight) {
        (Err(CallError::Exited(exit)), Some((life, ticket))) if !life.client.was_begun(ticket) => {
            Err(CallError::NotSent(exit))
        }
        (result, _) => result,
    }
}

impl<T, E> Unpin for Pending<T, E> {}

/// The result, for a task. Dropped before it has come, it forgets the reply and nothing else.
///
/// On tokio (feature `tokio`) the actor's doorbell is registered with the runtime that polls this, which
/// must have its I/O driver on, as for a socket. On any other executor one thread, `worker-reactor`,
/// watches for all; it begins with the first actor that is awaited so, and ends with the last. How a
/// backend ended is found out on the runtime's pool for blocking work, or on a thread of that moment.
///
/// # Errors
///
/// As for [`Pending::wait`]; `Encode` also if the system refuses to watch the actor's descriptor.
///
/// # Panics
///
/// If it is polled after it was ready, or after [`Pending::wait_timeout`] has given the result.
impl<T, E> Future for Pending<T, E> {
    type Output = Result<T, CallError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.poll_left(context).is_pending() {
            return Poll::Pending;
        }
        let (life, ticket) = match &mut this.state {
            State::InFlight(life, ticket) => (&*life, *ticket),
            State::Done(result) => {
                return Poll::Ready(result.take().expect("the result of this call was given already"));
            }
            State::Departing(_) => unreachable!("it has left above"),
        };
        let Poll::Ready(result) = life.client.poll(ticket, context) else { return Poll::Pending };
        let result = match result {
            Ok(outcome) => (this.decode)(outcome),
            Err(fault) => {
                life.body.announce();
                Err(fault_error::<E, E>(fault, false))
            }
        };
        this.state = State::Done(None);
        Poll::Ready(result)
    }
}

impl<T, E> Drop for Pending<T, E> {
    fn drop(&mut self) {
        match &self.state {
            State::InFlight(life, ticket) => life.client.forget(*ticket),
            State::Departing(departure) => departure.cancel(),
            State::Done(_) => {}
        }
    }
}

impl<T, E> fmt::Debug for Pending<T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_flight = matches!(self.state, State::InFlight(..));
        formatter.debug_struct("Pending").field("in_flight", &in_flight).finish_non_exhaustive()
    }
}
