//! How a backend process ended.
//! Not here: finding that out (`process`), or naming signals for the kernel (`sys`).
//! Layer 0: plain data.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PanicReport;

/// How the process of a backend ended.
///
/// It travels with every error that a dead backend causes, so that "which process died, and of
/// what" is never a question.
///
/// # Examples
///
/// ```
/// use worker_core::{ExitReason, process_actor};
///
/// pub struct Greeter;
///
/// #[process_actor]
/// impl Greeter {
///     pub fn new() -> Self { Self }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let greeter = GreeterFrontend::spawn()?;
/// let exit = greeter.stop()?;
/// assert_eq!(exit.reason, ExitReason::Clean);
/// assert_eq!(exit.to_string(), format!("backend `Greeter` (pid {}) ended cleanly", exit.pid));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Exit {
    /// Process id the backend had; it may belong to another process by now.
    pub pid: u32,
    /// Name given by [`Builder::name`](crate::Builder::name), or the name of the actor's type.
    pub name: String,
    /// What ended it.
    pub reason: ExitReason,
    /// Whether the signal that ended it came of a stack that was used up, where that can be told:
    /// on the main thread of the backend, which runs the actor.
    pub stack_overflow: bool,
    /// The end of what it wrote to its standard error; empty unless the builder said
    /// [`Output::Tail`](crate::Output::Tail).
    pub stderr_tail: String,
    /// The panic that ended it, as it was told by the backend itself: whichever call or hook it was in, and whoever
    /// asks. `None` if it ended of something else, and where [`ExitReason::Untold`] can be the reason: only the program
    /// that spawned a backend is told.
    ///
    /// Most panics end no backend, and go to their caller as [`CallError::Panicked`](crate::CallError::Panicked). Those
    /// that do: one in a constructor, in the `#[stopped]` hook or the drop of the actor, one that cannot unwind, and
    /// with `panic = "abort"` any. Message and backtrace are cut at 16 and 32 KiB.
    pub panic: Option<Box<PanicReport>>,
    /// Set when there will be no next life, although a [`Restart`](crate::Restart) policy or a
    /// [`Group`](crate::Group) would have begun one.
    pub given_up: Option<Box<GivenUp>>,
}

/// Why a crashed actor is not restarted any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GivenUp {
    /// Number of restarts that were allowed.
    pub max: u32,
    /// The window in which that many were allowed.
    pub within: Duration,
    /// What the last restart failed of, if it was a restart that failed.
    pub failure: Option<String>,
}

impl Exit {
    pub(crate) fn new(pid: u32, name: &str, reason: ExitReason) -> Self {
        Self {
            pid,
            name: name.to_owned(),
            reason,
            stack_overflow: false,
            stderr_tail: String::new(),
            panic: None,
            given_up: None,
        }
    }

    /// Whether the backend ended in order, by all that its exit status tells: then its hooks ran and its value
    /// was dropped, unless a method itself ended the process with status 0.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.reason == ExitReason::Clean
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "backend `{}` (pid {}) {}", self.name, self.pid, self.reason)?;
        if self.stack_overflow {
            formatter.write_str(": its stack was used up")?;
        }
        if let Some(panic) = &self.panic {
            write!(formatter, "; it {panic}")?;
        }
        self.given_up.as_ref().map_or(Ok(()), |given_up| write!(formatter, "; {given_up}"))
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max, within, failure } = self;
        if let Some(failure) = failure {
            write!(formatter, "the last attempt to restart it failed: {failure}; ")?;
        }
        write!(formatter, "it is not restarted again, as the limit is {max} restarts within {within:?}")
    }
}

/// What ended a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExitReason {
    /// It was asked to stop, or lost its last frontend, and ended in order with status 0.
    ///
    /// A method that itself ends the process with status 0 looks the same.
    Clean,
    /// It ended by itself with this exit status; 101 is a panic that had no caller to go to.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Number of the signal, as in `signal(7)`.
        signal: i32,
        /// Whether the kernel wrote a core file.
        core_dumped: bool,
    },
    /// It is gone, but its fork server went first, so nobody could say how.
    Unknown,
    /// It is gone, and how is known to the program that spawned it, but not to this one, which was given it:
    /// the kernel tells that from Linux 6.15 on, and of threads never.
    Untold,
    /// Its link to this process is gone although it lives: it could open no descriptors for one, or what this
    /// process was given came from somebody who ended in the middle of it. Others may reach it still.
    LinkLost,
}

impl fmt::Display for ExitReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => formatter.write_str("ended cleanly"),
            Self::Code(code) => write!(formatter, "ended with exit status {code}"),
            Self::Signal { signal, core_dumped } => {
                match nix::sys::signal::Signal::try_from(*signal) {
                    Ok(name) => write!(formatter, "was ended by {name}")?,
                    Err(_) => write!(formatter, "was ended by signal {signal}")?,
                }
                if *core_dumped { formatter.write_str(" (core dumped)") } else { Ok(()) }
            }
            Self::Untold => formatter.write_str("is gone; how is known to the program that spawned it"),
            Self::LinkLost => formatter.write_str("lives, but its link to this process is gone"),
            Self::Unknown => formatter.write_str("is gone; its fork server was ended before it"),
        }
    }
}
