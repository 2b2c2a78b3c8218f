//! What a generated frontend wraps: typed calls to one actor.
//! Not here: bytes in flight (`calls`) and the process (`process`).
//! Layer 6: over both.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::calling::{Asked, Generic, Plain, Queueing, Spawning, Waiting};
use super::contract::Actor;
use super::crossing::Crossing;
use super::generic::GenericRequest;
use super::outcome::{decode, decode_in_place, fault_error, spawn_error};
use super::pending::Pending;
use super::remote::Remote;
use super::room::{self, Room};
use super::serving;
use crate::calls::{Fault, NotNow, Outcome, is_in_runtime};
use crate::errors::{CallError, EncodeError, SpawnError};
use crate::link::Payload;
use crate::process::{
    Builder, Depart, Departed, Encoded, Life, Lives, Origin, Process, Recipe, Run, Starting, Tray, When,
};
use crate::wire::codec::{self, WriteError};
use crate::wire::kind::Kind;
use crate::wire::portable::Portable;
use crate::wire::writer::NO_MEMORY;

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
        let origin = Origin { builder: builder.clone(), type_name: A::NAME, entry: serving::serve::<A> };
        let (starting, recipe) = if builder.in_group || builder.restart.when != When::Never {
            let constructor = encoded(constructor).map_err(SpawnError::Encode)?;
            let recipe = Recipe { origin, constructor };
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
        let run = Run::Closure(Box::new(move |start| serving::serve_made(start, make)));
        let starting = Starting::begin(builder, A::NAME, run, &|_| Ok(()))?;
        Self::finish::<_, std::convert::Infallible>(builder, starting, None)
    }

    fn finish<Form, E: Portable<Form>>(
        builder: &Builder,
        starting: Starting,
        recipe: Option<Recipe>,
    ) -> Result<Self, SpawnError<E>> {
        let (life, made) = starting.finish_first()?;
        let is_circle = matches!(made, Err(Fault::Circle(_)));
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
            Err(Fault::Circle(chain)) => SpawnError::Io(io::Error::new(
                io::ErrorKind::Deadlock,
                format!("its constructor waits for the actor that spawns it: {}", chain.join(" -> ")),
            )),
            Err(Fault::TimedOut | Fault::NotSentInTime) => unreachable!("a spawn has no deadline"),
        };
        // Nothing is left behind: the process, which has no actor, is ending, and gets the time to. One
        // that was never told which constructor to run would wait for that.
        if is_circle {
            life.give_up();
        } else if matches!(error, SpawnError::Encode(_) | SpawnError::Io(_)) {
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

    /// [`Handle::spawn`] by a constructor that can fail: [`Crossing::carry`] does it.
    pub fn spawn_fallible<'call, E>(
        builder: &'call Builder,
        constructor: &'call A::Constructor<'call>,
    ) -> Crossing<Spawning<'call, A, &'call A::Constructor<'call>>, (), E> {
        Crossing::new(Spawning { builder, constructor, actor: PhantomData })
    }

    /// A call of a method: [`Crossing::carry`] sends it and waits for its result, a [`CallError`] if there is none.
    #[inline]
    pub fn call<'call, 'request, T, E>(
        &'call self,
        request: &'call A::Request<'request>,
    ) -> Crossing<Waiting<'call, A, Plain<'call, A::Request<'request>>>, T, E> {
        Crossing::new(Waiting { handle: self, request: Plain(request) })
    }

    /// A call of a method: [`Crossing::carry`] queues it, which takes time only while there is no room for it, and
    /// gives a [`Pending`].
    ///
    /// In a tokio runtime, and once the actor has been awaited on any executor, it never waits: what has no
    /// room now leaves later, in order.
    pub fn call_async<'call, 'request, T, E>(
        &'call self,
        request: &'call A::Request<'request>,
    ) -> Crossing<Queueing<'call, A, Plain<'call, A::Request<'request>>>, T, E> {
        Crossing::new(Queueing { handle: self, request: Plain(request) })
    }

    /// Sends a one-way call; returns once it is queued.
    ///
    /// # Errors
    ///
    /// `NotSent`, `NotSentInTime` and `Encode`.
    #[inline]
    pub fn send(&self, request: &A::Request<'_>) -> Result<(), CallError> {
        self.queue_one_way(&Plain(request))
    }

    /// [`Handle::call`] of a generic method.
    pub fn call_generic<'call, G: GenericRequest<A>, T, E>(
        &'call self,
        request: &'call G,
    ) -> Crossing<Waiting<'call, A, Generic<'call, A, G>>, T, E> {
        Crossing::new(Waiting { handle: self, request: Generic(request, PhantomData) })
    }

    /// [`Handle::call_async`] of a generic method.
    pub fn call_generic_async<'call, G: GenericRequest<A>, T, E>(
        &'call self,
        request: &'call G,
    ) -> Crossing<Queueing<'call, A, Generic<'call, A, G>>, T, E> {
        Crossing::new(Queueing { handle: self, request: Generic(request, PhantomData) })
    }

    /// [`Handle::send`] of a generic method.
    ///
    /// # Errors
    ///
    /// As for [`Handle::send`].
    pub fn send_generic<G: GenericRequest<A>>(&self, request: &G) -> Result<(), CallError> {
        self.queue_one_way(&Generic::<A, G>(request, PhantomData))
    }

    #[inline]
    pub(super) fn wait_for<ValueForm, ErrorForm, R, T, E>(
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
        if let Err(fault) = self.behind_others(deadline) {
            return Err(fault_error::<R, E>(fault, false));
        }
        let mut outcome = Outcome::default();
        let called = self.lives().attempt(deadline, |life| {
            let called = life.client.call(kind, payload, deadline, &mut outcome);
            called.inspect_err(|fault| killed = self.lives().kill_at_timeout(life, fault))
        });
        match called {
            Ok(()) => decode_in_place(&mut outcome),
            Err(fault) => Err(fault_error::<R, E>(fault, killed)),
        }
    }

    pub(super) fn queue<ValueForm, ErrorForm, R, T, E>(
        &self,
        kind: Kind,
        payload: Payload<'_>,
    ) -> Pending<T, E>
    where
        R: ?Sized,
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        let decode = decode::<ValueForm, ErrorForm, T, E>;
        let deadline = self.deadline();
        let lives = self.lives();
        let life = lives.current();
        if !lives.departures.any() && !lives.is_over(&life) {
            match life.client.start_now(kind, payload) {
                Ok(ticket) => return Pending::new(Ok((life, ticket)), decode),
                Err(NotNow::Room | NotNow::Fault(Fault::NotSent(_))) => {}
                Err(NotNow::Fault(fault)) => {
                    return Pending::new(Err(fault_error::<R, E>(fault, false)), decode);
                }
            }
        }
        let room = room::here();
        if room == Room::None {
            let fault = fault_error::<R, E>(Fault::NotSentInTime, false);
            return Pending::new(Err(fault), decode);
        }
        let must_not_wait =
            room == Room::Later || room == Room::Own && (is_in_runtime() || life.client.is_awaited());
        if must_not_wait && (lives.may_be_renewed() || life.client.death().is_none()) {
            return match Encoded::new(payload) {
                Ok(encoded) => {
                    Pending::departing(lives.departures.enter(self.departure(kind, encoded)), decode)
                }
                Err(WriteError::Value(cause)) => {
                    Pending::new(Err(fault_error::<R, E>(Fault::Value(cause), false)), decode)
                }
                Err(WriteError::OutOfRoom) => {
                    let error = io::Error::new(io::ErrorKind::OutOfMemory, NO_MEMORY);
                    Pending::new(Err(fault_error::<R, E>(Fault::Memory(error), false)), decode)
                }
            };
        }
        let own = deadline;
        let deadline = if let Room::Until(until) = room { own.into_iter().chain(until).min() } else { own };
        let mut killed = false;
        let started = self.behind_others(deadline).and_then(|()| {
            lives.attempt(deadline, |life| {
                self.must_live(life)?;
                let ticket = life.client.start(kind, payload, deadline);
                let ticket = ticket.inspect_err(|fault| {
                    // That somebody else would not wait longer is no fault of the backend.
                    let is_late = own.is_some_and(|own| own <= Instant::now());
                    killed = is_late && lives.kill_at_timeout(life, fault);
                })?;
                Ok((Arc::clone(life), ticket))
            })
        });
        Pending::new(started.map_err(|fault| fault_error::<R, E>(fault, killed)), decode)
    }

    /// How a call leaves that could not at once: as one that waits would.
    fn departure(&self, kind: Kind, encoded: Encoded) -> Depart {
        let deadline = self.deadline();
        let process = self.remote.process.clone();
        Box::new(move || {
            let lives = process.lives();
            let mut killed = false;
            let started = lives.attempt(deadline, |life| {
                if lives.is_over(life) {
                    return Err(Fault::NotSent(life.body.wait()));
                }
                let ticket = life.client.start(kind, &|writer| encoded.write(writer), deadline);
                let ticket = ticket.inspect_err(|fault| killed = lives.kill_at_timeout(life, fault))?;
                Ok((Arc::clone(life), ticket))
            });
            match started {
                Ok((life, ticket)) => Departed::InFlight(life, ticket),
                Err(fault) => Departed::Failed { fault, killed },
            }
        })
    }

    /// Waits for calls that came before, and wait to leave.
    #[inline]
    fn behind_others(&self, deadline: Option<Instant>) -> Result<(), Fault> {
        let departures = &self.lives().departures;
        if !departures.any() || departures.wait(deadline) { Ok(()) } else { Err(Fault::NotSentInTime) }
    }

    #[inline]
    fn queue_one_way<R: Asked>(&self, request: &R) -> Result<(), CallError> {
        let prefix = request.prefix()?;
        let kind = if R::IS_GENERIC { Kind::GenericOneWay } else { Kind::OneWay };
        let payload: Payload<'_> = &|writer| request.write(prefix, writer);
        let deadline = self.deadline();
        let mut killed = false;
        if let Err(fault) = self.behind_others(deadline) {
            return Err(fault_error::<R::Named, _>(fault, false));
        }
        let sent = self.lives().attempt(deadline, |life| {
            self.must_live(life)?;
            let sent = life.client.send_one_way(kind, payload, deadline);
            sent.inspect_err(|fault| killed = self.lives().kill_at_timeout(life, fault))
        });
        sent.map_err(|fault| fault_error::<R::Named, _>(fault, killed))
    }

    #[inline]
    fn must_live(&self, life: &Life) -> Result<(), Fault> {
        if self.lives().is_over(life) { Err(Fault::NotSent(life.body.wait())) } else { Ok(()) }
    }

    /// What `with_timeout` or the builder said.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.remote.timeout
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

/// Another process that gets it holds the actor as this one does, over a link of its own: see [`Remote`].
impl<A> Serialize for Handle<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.remote.serialize(serializer)
    }
}

impl<'de, A> Deserialize<'de> for Handle<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { remote: Remote::deserialize(deserializer)?, actor: PhantomData })
    }
}

impl<A> fmt::Debug for Handle<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = self.process();
        formatter.debug_struct("Handle").field("name", &process.name()).field("pid", &process.pid()).finish()
    }
}

/// A constructor with its arguments, for every life that will run it.
fn encoded<C: Serialize>(constructor: &C) -> Result<Encoded, EncodeError> {
    match Encoded::new(&|writer| codec::encode(constructor, writer)) {
        Ok(encoded) if encoded.attached.as_ref().is_some_and(|parcel| parcel.moves()) => {
            Err(EncodeError::new::<C>(
                "an end of a ring of frames moves, and a constructor that runs again at a restart would need \
                 it again: hand it over by a method",
            ))
        }
        Ok(encoded) => Ok(encoded),
        Err(WriteError::Value(cause)) => Err(EncodeError::new::<C>(cause)),
        Err(WriteError::OutOfRoom) => Err(EncodeError::new::<C>(NO_MEMORY)),
    }
}
