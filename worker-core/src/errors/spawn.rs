//! Why an actor did not come to be.
//! Not here: what goes wrong once it lives (`call`).
//! Layer 0: plain data.

use std::convert::Infallible;
use std::{fmt, io};

use super::{DecodeError, EncodeError, Exit, PanicReport};

/// Why an actor could not be spawned; nothing of it is left behind.
///
/// `E` is the error type of the constructor; it is [`Infallible`] for one that returns `Self`.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError<E = Infallible> {
    /// The constructor returned this error.
    Constructor(E),
    /// The constructor, or the `#[started]` hook, panicked.
    Panicked(PanicReport),
    /// A single-threaded process was needed, and these threads were running in it.
    ThreadsRunning {
        /// Names of the threads, as in `/proc/self/task/*/comm`.
        threads: Vec<String>,
    },
    /// The backend ended before its constructor was done.
    Exited(Exit),
    /// The program cannot be started a second time as a fork server.
    Executable(String),
    /// An argument of the constructor, or its error, could not be encoded.
    Encode(EncodeError),
    /// An argument of the constructor, or its error, could not be decoded.
    Decode(DecodeError),
    /// The system refused something; the message says what was being done.
    Io(io::Error),
}

impl<E: fmt::Display> fmt::Display for SpawnError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constructor(error) => error.fmt(formatter),
            Self::Panicked(report) => write!(formatter, "the constructor {report}"),
            Self::ThreadsRunning { threads } => write!(
                formatter,
                "a process that forks backends must have one thread, but these run too: {}; \
                 start them later, or in the backend",
                threads.join(", ")
            ),
            Self::Exited(exit) => write!(formatter, "{exit} before its constructor was done"),
            Self::Executable(reason) => formatter.write_str(reason),
            Self::Encode(error) => error.fmt(formatter),
            Self::Decode(error) => error.fmt(formatter),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

// No `source()`: the text already tells the cause, and a chain printer must not say it twice.
impl<E: fmt::Debug + fmt::Display> std::error::Error for SpawnError<E> {}

impl<E> From<io::Error> for SpawnError<E> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
