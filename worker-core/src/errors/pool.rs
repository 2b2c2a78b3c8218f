//! What a pool can come back with instead of a process or a result.
//! Not here: what a single call comes back with (`call`).
//! Layer 0: plain data.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use super::{CallError, Exit, PanicReport};

/// Why no process of a pool could be had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeError {
    /// All are in use, and none became free in time.
    Busy,
    /// The pool was stopped.
    Stopped,
    /// A new process was needed, and could not be made; the message says why.
    Spawn(String),
    /// The `#[activate]` hook panicked, or its process ended in it. That process is out of the pool.
    Activate(CallError),
}

impl fmt::Display for TakeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => formatter.write_str("every process of the pool is in use"),
            Self::Stopped => formatter.write_str("the pool was stopped"),
            Self::Spawn(why) => {
                write!(formatter, "the pool needs another process, which was not made: {why}")
            }
            Self::Activate(error) => {
                write!(formatter, "a process of the pool could not be activated: {error}")
            }
        }
    }
}

// No `source()`: the text already tells the cause, and a chain printer must not say it twice.
impl std::error::Error for TakeError {}

/// Why a call through a pool has no result.
///
/// `E` is the error type of the backend's method, as in [`CallError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError<E = Infallible> {
    /// The call was made, and failed.
    Call(CallError<E>),
    /// There was no process to make it on.
    Take(TakeError),
}

impl<E: fmt::Display> fmt::Display for PoolError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(formatter),
            Self::Take(error) => error.fmt(formatter),
        }
    }
}

// As above.
impl<E: fmt::Debug + fmt::Display> std::error::Error for PoolError<E> {}

/// Why one input of a [`map`](crate::Pool::map) has no result. The others have theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemError<E = Infallible> {
    /// Place of the input among the inputs, from zero.
    pub index: usize,
    /// How many processes began it, as far as is known.
    pub attempts: u32,
    /// What the last of them came to.
    pub error: PoolError<E>,
}

impl<E> ItemError<E> {
    /// How the process ended that had this input, if that is why there is no result.
    #[must_use]
    pub fn exit(&self) -> Option<&Exit> {
        match &self.error {
            PoolError::Call(CallError::Exited(exit) | CallError::NotSent(exit)) => Some(exit),
            _ => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for ItemError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "input {}: {}", self.index, self.error)?;
        if self.attempts > 1 { write!(formatter, " (at attempt {})", self.attempts) } else { Ok(()) }
    }
}

// As above.
impl<E: fmt::Debug + fmt::Display> std::error::Error for ItemError<E> {}

/// A process that is no longer of its pool, as a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Departure {
    /// Name of the process.
    pub name: String,
    /// Process id it has, or had.
    pub pid: u32,
    /// Why it left.
    pub reason: DepartureReason,
}

/// Why a process left its pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DepartureReason {
    /// It ended.
    Ended(Exit),
    /// Its `#[activate]` or `#[deactivate]` hook panicked, so nobody knows in what state it is.
    Panicked(PanicReport),
    /// It could not be made: a spare that failed, or a replacement. The pool tries again when one is needed.
    NotMade(String),
    /// It was sent so many calls, and the builder's `max_calls` allows no more.
    Calls(u64),
    /// It used so many bytes of its own, more than the builder's `max_memory`.
    Memory(u64),
    /// It lived so long, longer than the builder's `max_age`.
    Age(Duration),
    /// It did not answer within this deadline, and cannot be killed, because it is a thread.
    Stuck(Duration),
    /// Nobody used it for so long, longer than the builder's `idle_timeout`.
    Idle(Duration),
}

impl fmt::Display for Departure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, pid, reason } = self;
        match reason {
            DepartureReason::Ended(exit) => exit.fmt(formatter),
            DepartureReason::NotMade(why) => write!(formatter, "backend `{name}` was not made: {why}"),
            DepartureReason::Panicked(report) => {
                write!(formatter, "backend `{name}` (pid {pid}) left its pool: a hook {report}")
            }
            DepartureReason::Calls(calls) => {
                write!(formatter, "backend `{name}` (pid {pid}) left its pool after {calls} calls")
            }
            DepartureReason::Memory(bytes) => {
                write!(formatter, "backend `{name}` (pid {pid}) left its pool with {bytes} bytes of its own")
            }
            DepartureReason::Age(age) => {
                write!(formatter, "backend `{name}` (pid {pid}) left its pool at an age of {age:?}")
            }
            DepartureReason::Stuck(limit) => {
                write!(formatter, "backend `{name}` left its pool, stuck for more than {limit:?}")
            }
            DepartureReason::Idle(time) => {
                write!(formatter, "backend `{name}` (pid {pid}) left its pool after {time:?} without use")
            }
        }
    }
}
