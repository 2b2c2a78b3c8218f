//! What a call can come back with instead of its result.
//! Not here: spawning and stopping, which have errors of their own.
//! Layer 0: plain data.

use std::convert::Infallible;
use std::fmt;

use super::{DecodeError, EncodeError, Exit, PanicReport};

/// Why a call has no result.
///
/// `E` is the error type of the backend's method; it is [`Infallible`] for a method that returns no
/// `Result`.
///
/// # Examples
///
/// ```
/// use worker_core::{CallError, process_actor};
///
/// pub struct Divider;
///
/// #[process_actor]
/// impl Divider {
///     pub fn new() -> Self { Self }
///     pub fn divide(&self, a: i64, b: i64) -> i64 { a / b }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let divider = DividerFrontend::spawn()?;
/// match divider.divide(1, 0) {
///     Err(CallError::Panicked(report)) => assert!(report.message.contains("divide by zero")),
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(divider.divide(6, 3)?, 2); // the actor lives on
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// The method returned this error.
    Actor(E),
    /// The method panicked; the actor lives on unless the program is built with `panic = "abort"`.
    Panicked(PanicReport),
    /// The backend was gone before the request left: nothing was run, and it is safe to retry.
    NotSent(Exit),
    /// The backend died with the request in flight: whether the method ran is unknown.
    Exited(Exit),
    /// The deadline passed with the request in flight: whether the method ran is unknown, and a reply
    /// that still comes is thrown away.
    TimedOut {
        /// Whether the backend was ended because of it.
        killed: bool,
    },
    /// The deadline passed while the request waited for room, or for the actor to be restarted: it
    /// never left and never will, so nothing was run, and it is safe to retry.
    NotSentInTime {
        /// Whether the backend was ended because of it.
        killed: bool,
    },
    /// The call would wait for itself: the actor that made it is waited for, through these others, by the
    /// one that it called. A call was not sent; of a [`Pending`](crate::Pending) only the wait is given up,
    /// and its method still runs. See `docs/actors_together.md` for ways out.
    WouldDeadlock {
        /// Names of the actors, each waiting for the next, and the last for the first, which is the caller.
        chain: Vec<String>,
    },
    /// An argument or the result could not be encoded; the actor lives on.
    Encode(EncodeError),
    /// An argument or the result could not be decoded; the actor lives on.
    Decode(DecodeError),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actor(error) => error.fmt(formatter),
            Self::Panicked(report) => write!(formatter, "the backend's method {report}"),
            Self::NotSent(exit) => write!(formatter, "the request was not sent: {exit}"),
            Self::Exited(exit) => {
                write!(formatter, "whether the method ran is unknown: {exit} with the request in flight")
            }
            Self::TimedOut { killed: false } => formatter.write_str("no reply before the deadline"),
            Self::TimedOut { killed: true } => {
                formatter.write_str("no reply before the deadline; the backend was killed")
            }
            Self::NotSentInTime { killed: false } => {
                formatter.write_str("the request was not sent: the deadline passed while it waited")
            }
            Self::NotSentInTime { killed: true } => formatter.write_str(
                "the request was not sent: the deadline passed while it waited; the backend was killed",
            ),
            Self::WouldDeadlock { chain } => {
                formatter.write_str("the call would wait for itself: ")?;
                chain.iter().try_for_each(|name| write!(formatter, "`{name}` -> "))?;
                write!(formatter, "`{}`", chain.first().map_or("", String::as_str))
            }
            Self::Encode(error) => error.fmt(formatter),
            Self::Decode(error) => error.fmt(formatter),
        }
    }
}

impl<E> CallError<E> {
    /// Whether the method was certainly not run by this call, so that a second one cannot run it twice.
    ///
    /// It says nothing about whether a second one would fare better.
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        matches!(self, Self::NotSent(_) | Self::NotSentInTime { .. })
    }
}

// No `source()`: the text already tells the cause, and a chain printer must not say it twice.
impl<E: fmt::Debug + fmt::Display> std::error::Error for CallError<E> {}
