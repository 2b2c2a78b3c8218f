//! What a panic in a backend said.
//! Not here: catching it (`actor::panics`).
//! Layer 0: plain data.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A panic in a backend, as told to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PanicReport {
    /// The panic message, or a stand-in if the payload was not text.
    pub message: String,
    /// `file:line:column` of the panic.
    pub location: String,
    /// Backtrace of the backend's thread; empty if `RUST_BACKTRACE=0` was set for the program.
    pub backtrace: String,
}

impl PanicReport {
    pub(crate) fn new(message: String, location: String, backtrace: String) -> Self {
        Self { message, location, backtrace }
    }
}

impl fmt::Display for PanicReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "panicked at {}: {}", self.location, self.message)
    }
}
