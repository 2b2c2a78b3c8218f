//! What a generated frontend wraps: typed calls to one actor.
//! Not here: bytes in flight (`calls`) and the process (`process`).
//! Layer 6: over both.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backend;
use super::contract::Actor;
use super::generic::{self, GenericRequest};
use super::outcome::{decode, fault_error, spawn_error};
use super::pending::Pending;
use super::remote::Remote;
use super::room;
use crate::calls::{Fault, Outcome};
use crate::errors::{CallError, EncodeError, SpawnError};
use crate::link::Payload;
use crate::process::{Builder, Life, Lives, OnTimeout, Origin, Process, Recipe, Run, Starting, Tray, When};
use crate::wire::codec::{self, WriteError};
use crate::wire::descriptors::{Attached, attached_by};
use crate::wire::kind::Kind;
use crate::wire::portable::Portable;
use crate::wire::writer::Writer;

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
        let origin = Origin { builder: builder.clone(), type_name: A::NAME, entry: backend::serve::<A> };
        let (starting, recipe) = if builder.in_group || builder.restart.when != When::Never {
            let (constructor, attached) = encoded(constructor).map_err(SpawnError::Encode)?;
            let recipe = Recipe { origin, constructor, attached };
            (recipe.begin()?, Some(recipe))
        } else {
            (origin.begin(&|writer| codec::encode(constructor, writer))?, None)
        };
        if let (Some(tray), true) = (&builder.tray, starting.is_sent()) {
            return Self::leave(builder, starting, recipe, tray);
        }
        Self::finish(builder, starting, recipe)
    }

    /// Forks this program, makes the actor in the fork, and waits until that is done.
    ///
    /// What `make` has captured is shared copy-on-write, not serialised: see
    /// [`StartMethod::Fork`](crate::StartMethod::Fork), which this always is, but for `WORKER_START=thread`.
    ///
    /// # Errors
    ///
    /// [`SpawnError::ThreadsRunning`] while other threads run in this program; `Panicked`, `Exited` and
    /// `Io`, which it also is where the builder asks for restarts, for a closure runs once. Nothing is left
    /// behind then.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use worker_core::{Builder, Handle, process_actor};
    ///
    /// pub struct Table { rows: Vec<u64> }
    ///
    /// #[process_actor]
    /// impl Table {
    ///     pub fn new() -> Self { Self { rows: Vec::new() } }
    ///     pub fn sum(&self) -> u64 { self.rows.iter().sum() }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let rows = (0..1_000_000).collect();
    ///     let handle = Handle::fork(&Builder::new(), move || Table { rows })?;
    ///     println!("{}", TableFrontend::from(handle).sum()?);
    ///     Ok(())
    /// }
    /// ```
    pub fn fork(builder: &Builder, make: impl FnOnce() -> A + Send + 'static) -> Result<Self, SpawnError> {
        if builder.in_group || builder.restart.when != When::Never {
            let message = "an actor made by a closure cannot be restarted: the closure runs once";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message).into());
        }
        let run = Run::Closure(Box::new(move |start| backend::serve_made(start, make)));
        let starting = Starting::begin(builder, A::NAME, run, &|_| Ok(()))?;
        Self::finish::<_, std::convert::Infallible>(builder, starting, None)
    }

    fn finish<Form, E: Portable<Form>>(
        builder: &Builder,
        starting: Starting,
        recipe: Option<Recipe>,
    ) -> Result<Self, SpawnError<E>> {
        let (life, made) = starting.finish_first()?;
        let error = match made {
            Ok(Outcome { kind: Kind::Returned, .. }) => {
                let lives = Arc::new(Lives::new(life, builder.on_timeout, recipe)?);
                let remote = Remote { process: Process::new(lives), timeout: builder.call_timeout };
                return Ok(Self { remote, actor: PhantomData });
            }
            Ok(outcome) => spawn_error(outcome),
            Err(Fault::NotSent(exit) | Fault::Exited(exit)) => SpawnError::Exited(exit),
            Err(Fault::Value(cause)) => SpawnError::Encode(EncodeError::new::<A::Constructor<'_>>(cause)),
            Err(Fault::Memory(error)) => SpawnError::Io(error),
            Err(Fault::TimedOut | Fault::NotSentInTime) => unreachable!("a spawn has no deadline"),
        };
        // Nothing is left behind: the process, which has no actor, is ending, and gets the time to. One
        // that was never told which constructor to run would wait for that.
        if matches!(error, SpawnError::Encode(_) | SpawnError::Io(_)) {
            life.end_now();
        } else {
            let _ = life.see_end();
        }
        Err(error)
    }

    /// An actor whose constructor may not be done: calls queue up behind it. Whoever gave the tray waits for it.
    fn leave<Form, E: Portable<Form>>(
        builder: &Builder,
        starting: Starting,
        recipe: Option<Recipe>,
        tray: &Tray,
    ) -> Result<Self, SpawnError<E>> {
        starting.life.body.wait_born()?;
        let lives = Arc::new(Lives::new(Arc::clone(&starting.life), builder.on_timeout, recipe)?);
        let remote = Remote { process: Process::new(lives), timeout: builder.call_timeout };
        tray.put(starting);
        Ok(Self { remote, actor: PhantomData })
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

    /// Sends a call; returns once it is queued, which takes time only while there is no room for it.
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
    /// `NotSent`, `NotSentInTime` and `Encode`.
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

    /// Sends a call of a generic method; returns once it is queued.
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
            Err(error) => Pending::new(Err(error), decode::<ValueForm, ErrorForm, T, E>),
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
        let mut killed = false;
        let outcome = self.lives().attempt(deadline, |life| {
            let ticket = life.client.start(kind, payload, deadline);
            let outcome = ticket.and_then(|ticket| {
                life.client.wait(ticket, deadline).inspect_err(|fault| {
                    if let Fault::TimedOut = fault {
                        life.client.forget(ticket);
                    }
                })
            });
            outcome.inspect_err(|fault| killed = self.kill_at_timeout(life, fault))
        });
        match outcome {
            Ok(outcome) => decode(outcome),
            Err(fault) => Err(fault_error::<R, E>(fault, killed)),
        }
    }

    fn start<ValueForm, ErrorForm, R, T, E>(&self, kind: Kind, payload: Payload<'_>) -> Pending<T, E>
    where
        R: ?Sized,
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        let own = self.deadline();
        let deadline = own.into_iter().chain(room::deadline()).min();
        let mut killed = false;
        let started = self.lives().attempt(deadline, |life| {
            self.must_live(life)?;
            let ticket = life.client.start(kind, payload, deadline);
            let ticket = ticket.inspect_err(|fault| {
                // That somebody else would not wait is no fault of the backend.
                killed = own.is_some_and(|own| own <= Instant::now()) && self.kill_at_timeout(life, fault);
            })?;
            Ok((Arc::clone(life), ticket))
        });
        let started = started.map_err(|fault| fault_error::<R, E>(fault, killed));
        Pending::new(started, decode::<ValueForm, ErrorForm, T, E>)
    }

    fn send_payload<R: ?Sized>(&self, kind: Kind, payload: Payload<'_>) -> Result<(), CallError> {
        let deadline = self.deadline();
        let mut killed = false;
        let sent = self.lives().attempt(deadline, |life| {
            self.must_live(life)?;
            let sent = life.client.send_one_way(kind, payload, deadline);
            sent.inspect_err(|fault| killed = self.kill_at_timeout(life, fault))
        });
        sent.map_err(|fault| fault_error::<R, _>(fault, killed))
    }

    #[inline]
    fn must_live(&self, life: &Life) -> Result<(), Fault> {
        if self.lives().is_over(life) { Err(Fault::NotSent(life.body.wait())) } else { Ok(()) }
    }

    /// Ends a backend that did not answer in time, or had no room in time, if that was asked for.
    fn kill_at_timeout(&self, life: &Life, fault: &Fault) -> bool {
        let is_late = matches!(fault, Fault::TimedOut | Fault::NotSentInTime);
        if !is_late || self.lives().on_timeout != OnTimeout::Kill {
            return false;
        }
        let killed = life.body.kill().is_ok();
        if killed {
            life.body.wait();
        }
        killed
    }

    #[inline]
    fn deadline(&self) -> Option<Instant> {
        self.remote.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }
}

impl<A> Handle<A> {
    /// The same actor, with another deadline for blocking calls.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let remote = Remote { timeout: Some(timeout), ..self.remote.clone() };
        Self { remote, actor: PhantomData }
    }

    #[inline]
    fn lives(&self) -> &Lives {
        self.remote.process.lives()
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
        let process = self.process();
        formatter.debug_struct("Handle").field("name", &process.name()).field("pid", &process.pid()).finish()
    }
}

fn instance<A: Actor, G: GenericRequest<A>, E>() -> Result<u64, CallError<E>> {
    generic::offset_of::<A, G>().map_err(|cause| CallError::Encode(EncodeError::new::<G>(cause)))
}

/// A constructor with its arguments, for every life that will run it.
fn encoded<C: serde::Serialize>(constructor: &C) -> Result<(Vec<u8>, Attached), EncodeError> {
    let mut bytes = Vec::new();
    let (written, attached) = attached_by(|| codec::encode(constructor, &mut Writer::to_heap(&mut bytes)));
    match written {
        Ok(()) if attached.as_ref().is_some_and(|parcel| parcel.moves()) => Err(EncodeError::new::<C>(
            "an end of a ring of frames moves, and a constructor that runs again at a restart would need it \
             again: hand it over by a method",
        )),
        Ok(()) => Ok((bytes, attached)),
        Err(WriteError::Value(cause)) => Err(EncodeError::new::<C>(cause)),
        Err(WriteError::OutOfRoom) => Err(EncodeError::new::<C>("the heap has no end")),
    }
}
