//! Why there is no backend, on the program's side.
//! Not here: what a user is told (`errors::SpawnError`).
//! Layer 5: plain data.

use std::{fmt, io};

use nix::errno::Errno;

use crate::process::fork_server::NotOrdered;
use crate::process::protocol::Refusal;
use crate::sys::while_doing;

/// A backend that was never there.
#[derive(Debug)]
pub(crate) enum Refused {
    ThreadsRunning(Vec<String>),
    Executable(String),
    Io(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThreadsRunning(threads) => {
                write!(formatter, "threads run in the process that was to be forked: {}", threads.join(", "))
            }
            Self::Executable(reason) => formatter.write_str(reason),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<NotOrdered> for Refused {
    fn from(error: NotOrdered) -> Self {
        match error {
            NotOrdered::Executable(reason) => Self::Executable(reason),
            NotOrdered::Refused(refusal) => refusal.into(),
            NotOrdered::Killed(status) => Self::Io(io::Error::other(format!(
                "the fork server was killed again and again while it started ({status:?})"
            ))),
            NotOrdered::Io(error) => Self::Io(error),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ThreadsRunning(threads) => Self::ThreadsRunning(threads),
            Refusal::Code(reason) => Self::Executable(reason),
            Refusal::System { doing, errno } => Self::Io(while_doing(&doing, Errno::from_raw(errno))),
            Refusal::Other(reason) => Self::Io(io::Error::other(reason)),
        }
    }
}
