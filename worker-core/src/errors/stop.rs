//! Why stopping did not come to an end.
//! Not here: an unclean end, which is no error of `stop` but an `Exit`.
//! Layer 0: plain data.

use std::{fmt, io};

/// Why [`stop`](crate::Remote::stop) could not see the backend end.
///
/// A backend that has to be ended by force is no error: the [`Exit`](crate::Exit) says so.
#[derive(Debug)]
#[non_exhaustive]
pub enum StopError {
    /// The system refused to signal the backend or to wait for it.
    Io(io::Error),
}

impl fmt::Display for StopError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(formatter, "the backend could not be stopped: {error}"),
        }
    }
}

impl std::error::Error for StopError {}

impl From<io::Error> for StopError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
