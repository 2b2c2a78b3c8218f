//! What a generated frontend wraps: typed calls to one actor.
//! Not here: bytes in flight (`calls`) and the process (`process`).
//! Layer 6: over both.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backend;
use super::contract::Actor;
use super::generic::{self, GenericRequest};
use super::pending::Pending;
use super::remote::{Core, Remote};
use crate::calls::{Fault, Outcome};
use crate::errors::{CallError, DecodeError, EncodeError, SpawnError};
use crate::link::Payload;
use crate::process::{self, Builder, OnTimeout, Refused, Run};
use crate::wire::codec;
use crate::wire::descriptors::with_arrived;
use crate::wire::kind::Kind;
use crate::wire::portable::Portable;

/// An actor, held from outside: clones of it mean the same actor, from any thread.
///
/// A generated frontend wraps one and gives its calls their names. When the last handle (and the last
/// [`Pending`]) of an actor is dropped, the backend finishes what was sent, runs its `#[stopped]` hook
/// and ends; nobody waits for that, and it is ended by force after
/// [`stop_timeout`](Builder::stop_timeout).
pub struct Handle<A> {
    remote: Remote,
    actor: PhantomData<fn(A)>,
}

impl<A: Actor> Handle<A> {
    /// Makes a process and the actor in it, and waits until the constructor is done.
    ///
    /// # Errors
    ///
    /// Every variant of [`SpawnError`]; nothing is left behind then.
    pub fn spawn<Form, E: Portable<Form>>(
        builder: &Builder,
        constructor: &A::Constructor<'_>,
    ) -> Result<Self, SpawnError<E>> {
        Self::make(builder, Run::Function(backend::serve::<A>), &|writer| codec::encode(constructor, writer))
    }

    /// Forks this program, makes the actor in the fork, and waits until that is done.
    ///
    /// What `make` has captured is shared copy-on-write, not serialised: see
    /// [`StartMethod::Fork`](crate::StartMethod::Fork), which this always is, but for `WORKER_START=thread`.
    ///
    /// # Errors
    ///
    /// [`SpawnError::ThreadsRunning`] while other threads run in this program, and `Panicked`, `Exited`
    /// and `Io`; nothing is left behind then.
    pub fn fork(builder: &Builder, make: impl FnOnce() -> A + Send + 'static) -> Result<Self, SpawnError> {
        let run = Run::Closure(Box::new(move |start| backend::serve_made(start, make)));
        Self::make::<_, std::convert::Infallible>(builder, run, &|_| Ok(()))
    }

    fn make<Form, E: Portable<Form>>(
        builder: &Builder,
        run: Run,
        payload: Payload<'_>,
    ) -> Result<Self, SpawnError<E>> {
        let (client, process) = process::spawn(builder, A::NAME, run)?;
        let core = Core { client, process, on_timeout: builder.on_timeout };
        let made = core
            .client
            .start(Kind::Construct, payload, None)
            .and_then(|ticket| core.client.wait(ticket, None));
        core.process.wait_born()?;
        let error = match made {
            Ok(Outcome { kind: Kind::Returned, .. }) => {
                let remote = Remote { core: Arc::new(core), timeout: builder.call_timeout };
                return Ok(Self { remote, actor: PhantomData });
            }
            Ok(outcome) => spawn_error(outcome),
            Err(Fault::NotSent(exit) | Fault::Exited(exit)) => SpawnError::Exited(exit),
            Err(Fault::Value(cause)) => SpawnError::Encode(EncodeError::new::<A::Constructor<'_>>(cause)),
            Err(Fault::Memory(error)) => SpawnError::Io(error),
            Err(Fault::TimedOut) => unreachable!("a spawn has no deadline"),
        };
        // Nothing is left behind: the process, which has no actor, ends now. A thread can only be asked.
        if core.process.kill().is_err() {
            let _ = core.client.send_one_way(Kind::Stop, &|_| Ok(()), None);
        }
        core.process.wait();
        Err(error)
    }

    /// Calls a method and waits for its result.
    ///
    /// # Errors
    ///
    /// Every variant of [`CallError`].
    #[inline]
    pub fn call<ValueForm, ErrorForm, T, E>(&self, request: &A::Request<'_>) -> Result<T, CallError<E>>
    where
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        self.call_payload::<_, _, A::Request<'_>, T, E>(Kind::Request, &|writer| {
            codec::encode(request, writer)
        })
    }

    /// Sends a call and returns at once.
    pub fn call_async<ValueForm, ErrorForm, T, E>(&self, request: &A::Request<'_>) -> Pending<T, E>
    where
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        self.start::<_, _, A::Request<'_>, T, E>(Kind::Request, &|writer| codec::encode(request, writer))
    }

    /// Sends a one-way call; returns once it is queued.
    ///
    /// # Errors
    ///
    /// `NotSent`, `TimedOut` while there is no room for it, and `Encode`.
    #[inline]
    pub fn send(&self, request: &A::Request<'_>) -> Result<(), CallError> {
        self.send_payload::<A::Request<'_>>(Kind::OneWay, &|writer| codec::encode(request, writer))
    }

    /// Calls a generic method and waits for its result.
    ///
    /// # Errors
    ///
    /// Every variant of [`CallError`].
    pub fn call_generic<ValueForm, ErrorForm, G, T, E>(&self, request: &G) -> Result<T, CallError<E>>
    where
        G: GenericRequest<A>,
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        let offset = instance::<A, G, E>()?;
        self.call_payload::<_, _, G, T, E>(Kind::GenericRequest, &|writer| {
            generic::write(request, offset, writer)
        })
    }

    /// Sends a call of a generic method and returns at once.
    pub fn call_generic_async<ValueForm, ErrorForm, G, T, E>(&self, request: &G) -> Pending<T, E>
    where
        G: GenericRequest<A>,
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        match instance::<A, G, E>() {
            Ok(offset) => self.start::<_, _, G, T, E>(Kind::GenericRequest, &|writer| {
                generic::write(request, offset, writer)
            }),
            Err(error) => {
                Pending::new(Arc::clone(&self.core), Err(error), decode::<ValueForm, ErrorForm, T, E>)
            }
        }
    }

    /// Sends a one-way call of a generic method; returns once it is queued.
    ///
    /// # Errors
    ///
    /// As for [`Handle::send`].
    pub fn send_generic<G: GenericRequest<A>>(&self, request: &G) -> Result<(), CallError> {
        let offset = instance::<A, G, std::convert::Infallible>()?;
        self.send_payload::<G>(Kind::GenericOneWay, &|writer| generic::write(request, offset, writer))
    }

    #[inline]
    fn call_payload<ValueForm, ErrorForm, R, T, E>(
        &self,
        kind: Kind,
        payload: Payload<'_>,
    ) -> Result<T, CallError<E>>
    where
        R: ?Sized,
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        let deadline = self.deadline();
        let client = &self.core.client;
        let ticket = client.start(kind, payload, deadline).map_err(|fault| self.timed_out::<R, E>(fault))?;
        match client.wait(ticket, deadline) {
            Ok(outcome) => decode(outcome),
            Err(fault) => {
                if let Fault::TimedOut = fault {
                    client.forget(ticket);
                }
                Err(self.timed_out::<R, E>(fault))
            }
        }
    }

    fn start<ValueForm, ErrorForm, R, T, E>(&self, kind: Kind, payload: Payload<'_>) -> Pending<T, E>
    where
        R: ?Sized,
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        let started = self
            .core
            .client
            .start(kind, payload, self.deadline())
            .map_err(|fault| self.timed_out::<R, E>(fault));
        Pending::new(Arc::clone(&self.core), started, decode::<ValueForm, ErrorForm, T, E>)
    }

    #[inline]
    fn send_payload<R: ?Sized>(&self, kind: Kind, payload: Payload<'_>) -> Result<(), CallError> {
        let sent = self.core.client.send_one_way(kind, payload, self.deadline());
        sent.map_err(|fault| self.timed_out::<R, _>(fault))
    }

    #[inline]
    fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }

    /// Turns a fault of a request of type `R` into an error, and does what is to be done at a timeout.
    #[cold]
    fn timed_out<R: ?Sized, E>(&self, fault: Fault) -> CallError<E> {
        match fault {
            Fault::TimedOut if self.core.on_timeout == OnTimeout::Kill => {
                let killed = self.core.process.kill().is_ok();
                if killed {
                    self.core.process.wait();
                }
                CallError::TimedOut { killed }
            }
            Fault::Value(cause) => CallError::Encode(EncodeError::new::<R>(cause)),
            Fault::Memory(error) => CallError::Encode(EncodeError::new::<R>(error)),
            other => call_error(other),
        }
    }
}

impl<A> Handle<A> {
    /// The same actor, with another deadline for blocking calls.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let remote = Remote { timeout: Some(timeout), ..self.remote.clone() };
        Self { remote, actor: PhantomData }
    }
}

impl<A> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self { remote: self.remote.clone(), actor: PhantomData }
    }
}

impl<A> Deref for Handle<A> {
    type Target = Remote;

    fn deref(&self) -> &Remote {
        &self.remote
    }
}

impl<A> fmt::Debug for Handle<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = &self.core.process;
        formatter.debug_struct("Handle").field("name", &process.name()).field("pid", &process.pid()).finish()
    }
}

impl<E> From<Refused> for SpawnError<E> {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::ThreadsRunning(threads) => Self::ThreadsRunning { threads },
            Refused::Executable(reason) => Self::Executable(reason),
            Refused::Io(error) => Self::Io(error),
        }
    }
}

fn instance<A: Actor, G: GenericRequest<A>, E>() -> Result<u64, CallError<E>> {
    generic::offset_of::<A, G>().map_err(|cause| CallError::Encode(EncodeError::new::<G>(cause)))
}

#[inline]
fn decode<ValueForm, ErrorForm, T, E>(mut outcome: Outcome) -> Result<T, CallError<E>>
where
    T: Portable<ValueForm>,
    E: Portable<ErrorForm>,
{
    let attached = outcome.attached.take();
    let result = with_arrived(attached, || match outcome.kind {
        Kind::Returned => T::read(&mut outcome.payload).map_err(CallError::Decode),
        Kind::Failed => match E::read(&mut outcome.payload) {
            Ok(error) => Err(CallError::Actor(error)),
            Err(error) => Err(CallError::Decode(error)),
        },
        kind => Err(reported(kind, &outcome.payload)),
    });
    outcome.recycle();
    result
}

#[cold]
fn reported<E>(kind: Kind, payload: &[u8]) -> CallError<E> {
    let report = match kind {
        Kind::Panicked => codec::decode(payload).map(CallError::Panicked),
        Kind::NotEncoded => codec::decode(payload).map(CallError::Encode),
        Kind::NotDecoded => codec::decode(payload).map(CallError::Decode),
        _ => Err(DecodeError::new::<E>("the reply is of a kind that no reply has")),
    };
    report.unwrap_or_else(CallError::Decode)
}

pub(super) fn call_error<E>(fault: Fault) -> CallError<E> {
    match fault {
        Fault::NotSent(exit) => CallError::NotSent(exit),
        Fault::Exited(exit) => CallError::Exited(exit),
        Fault::TimedOut => CallError::TimedOut { killed: false },
        Fault::Value(cause) => CallError::Encode(EncodeError::new::<E>(cause)),
        Fault::Memory(error) => CallError::Encode(EncodeError::new::<E>(error)),
    }
}

fn spawn_error<Form, E: Portable<Form>>(mut outcome: Outcome) -> SpawnError<E> {
    let error = match outcome.kind {
        Kind::Failed => E::read(&mut outcome.payload).map(SpawnError::Constructor),
        kind => Ok(match reported::<E>(kind, &outcome.payload) {
            CallError::Panicked(report) => SpawnError::Panicked(report),
            CallError::Encode(error) => SpawnError::Encode(error),
            CallError::Decode(error) => SpawnError::Decode(error),
            _ => unreachable!("`reported` makes no other error"),
        }),
    };
    error.unwrap_or_else(SpawnError::Decode)
}
