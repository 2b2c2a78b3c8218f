//! What every frontend can do whatever its actor is: show the process and end it.
//! Not here: calls, which need the actor's types (`handle`).
//! Layer 6: over `calls` and `process`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::calls::Client;
use crate::errors::{Exit, StopError};
use crate::process::{OnTimeout, Process};
use crate::wire::kind::Kind;

/// The backend behind a frontend, whatever its actor is.
///
/// Every generated frontend derefs to it, so `frontend.stop()` and `frontend.process()` are its methods, and code that
/// only watches over actors can hold `Remote`s of different ones. Clones mean the same backend, and keep it alive as a
/// frontend does.
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
    pub(super) core: Arc<Core>,
    pub(super) timeout: Option<Duration>,
}

/// What every handle of an actor shares.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) client: Client,
    pub(super) process: Arc<Process>,
    pub(super) on_timeout: OnTimeout,
}

impl Remote {
    /// Ends the backend in order, and by force if it does not end in time.
    ///
    /// What was sent before is done first; then the `#[stopped]` hook runs, the actor is dropped and
    /// the process ends. After [`stop_timeout`](crate::Builder::stop_timeout) it gets SIGTERM, a second later
    /// SIGKILL; the [`Exit`] says what it took. A backend that has ended already gives its `Exit` again.
    ///
    /// # Errors
    ///
    /// If the system refuses to signal the backend.
    pub fn stop(&self) -> Result<Exit, StopError> {
        let core = &*self.core;
        let client = &core.client;
        let mut asked = false;
        let exit = core.process.see_end(|until| {
            if !asked {
                asked = true;
                // Whether it got through shows in whether the backend ends.
                let _ = client.send_one_way(Kind::Stop, &|_| Ok(()), Some(until));
            }
            client.wait_death(Some(until))
        })?;
        Ok(exit)
    }

    /// The process of the backend.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.core.process
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = &self.core.process;
        formatter.debug_struct("Remote").field("name", &process.name()).field("pid", &process.pid()).finish()
    }
}
