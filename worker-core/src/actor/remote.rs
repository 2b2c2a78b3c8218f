//! What every frontend can do whatever its actor is: show the process and end it.
//! Not here: calls, which need the actor's types (`handle`).
//! Layer 6: over `calls` and `process`.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::outcome::{decode, fault_error};
use super::pending::Pending;
use crate::errors::{Exit, StopError};
use crate::process::{Lives, Process, end_together, travel};
use crate::wire::kind::Kind;

/// The backend behind a frontend, whatever its actor is.
///
/// Every generated frontend derefs to it, so `frontend.stop()` and `frontend.process()` are its methods, and code that
/// only watches over actors can hold `Remote`s of different ones. Clones mean the same backend, and keep it alive as a
/// frontend does.
///
/// A `Remote`, and every frontend, may be an argument or a result of a call, also inside of other values. Whoever
/// receives it holds the actor over a link of its own, in whatever process: see `docs/actors_together.md`. Outside of a
/// message it has no encoding.
///
/// # Examples
///
/// ```
/// use worker_core::{Remote, process_actor};
///
/// pub struct Sleeper;
///
/// #[process_actor]
/// impl Sleeper {
///     pub fn new() -> Self { Self }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sleeper = SleeperFrontend::spawn()?;
/// let all: Vec<Remote> = vec![Remote::clone(&sleeper)];
/// for remote in &all {
///     assert!(remote.process().is_alive());
///     remote.stop()?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Remote {
    pub(super) process: Process,
    pub(super) timeout: Option<Duration>,
}

impl Remote {
    /// Ends the backend in order, and by force if it does not end in time.
    ///
    /// What was sent before is done first; then the `#[stopped]` hook runs, the actor is dropped and
    /// the process ends. After [`stop_timeout`](crate::Builder::stop_timeout) it gets SIGTERM, a second later
    /// SIGKILL; the [`Exit`] says what it took. A backend that has ended already gives its `Exit` again.
    ///
    /// It is for good: whatever the [`Restart`](crate::Restart) policy says, there is no other life.
    ///
    /// # Errors
    ///
    /// If the system refuses to signal the backend.
    pub fn stop(&self) -> Result<Exit, StopError> {
        Ok(self.process.lives().stop()?)
    }

    /// Asks the backend to end in order, and does not wait for it. Calls that come later fail.
    ///
    /// [`stop`](Remote::stop) then waits, and forces: the time that it gives runs from this question. Where there is
    /// no room for the question now, it will ask again.
    pub fn ask_to_stop(&self) {
        self.process.lives().ask_to_stop();
    }

    /// Sends a hook's turn, which is a request like any other; with `deadline`, only if there is room until then.
    pub(crate) fn hook(&self, kind: Kind, deadline: Option<Instant>) -> Pending<()> {
        let started = self.process.lives().attempt(deadline, |life| {
            let ticket = life.client.start(kind, &|_| Ok(()), deadline)?;
            Ok((Arc::clone(life), ticket))
        });
        let started = started.map_err(|fault| fault_error::<(), Infallible>(fault, false));
        Pending::new(started, decode::<_, _, (), Infallible>)
    }

    /// The process of the backend.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// Ends many backends at once: all are asked to end before any is waited for.
///
/// So it takes about as long as the slowest of them, also where several have to be ended by force. A [`Group`](crate::Group) stops its members one after
/// the other instead, because later ones may depend on earlier ones.
///
/// # Errors
///
/// For each, in order, as [`Remote::stop`].
///
/// # Examples
///
/// ```
/// use worker_core::{process_actor, stop_all};
///
/// pub struct Sleeper;
///
/// #[process_actor]
/// impl Sleeper {
///     pub fn new() -> Self { Self }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (first, second) = (SleeperFrontend::spawn()?, SleeperFrontend::spawn()?);
/// for exit in stop_all([&*first, &*second]) {
///     assert!(exit?.is_clean());
/// }
/// # Ok(())
/// # }
/// ```
pub fn stop_all<'remotes>(
    remotes: impl IntoIterator<Item = &'remotes Remote>,
) -> Vec<Result<Exit, StopError>> {
    let remotes: Vec<_> = remotes.into_iter().collect();
    // No other life begins behind the end of this one.
    remotes.iter().for_each(|remote| remote.process.lives().close());
    let lives: Vec<_> = remotes.iter().map(|remote| &**remote.process.lives()).collect();
    end_together(&lives);
    remotes.iter().map(|remote| remote.stop()).collect()
}

impl Serialize for Remote {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (Given(self.process.lives()), self.timeout).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Remote {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (Received(lives), timeout) = Deserialize::deserialize(deserializer)?;
        Ok(Self { process: Process::new(Arc::new(lives)), timeout })
    }
}

/// An actor on its way out of this process, and one that has come into it.
struct Given<'lives>(&'lives Lives);
struct Received(Lives);

impl Serialize for Given<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        travel::deserialize(deserializer).map(Self)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = &self.process;
        formatter.debug_struct("Remote").field("name", &process.name()).field("pid", &process.pid()).finish()
    }
}
