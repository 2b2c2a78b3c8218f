//! What a program and its fork server say to each other.
//! Not here: messages between frontend and backend (`wire`).
//! Layer 5: plain data. Both ends are the same executable, so the form may change with any version.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::builder::Output;
use crate::errors::ExitReason;
use crate::link::LinkKind;
use crate::sys::clock::Moment;
use crate::sys::module::CodeAddress;

/// From the program to its fork server, on the control socket: fork a backend.
///
/// Descriptors beside it: the far end of the socket beside the link, the working directory if
/// there is one, the backend's parts of the link.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) entry: CodeAddress,
    pub(super) name: String,
    pub(super) link: LinkKind,
    pub(super) has_directory: bool,
    pub(super) stderr: Output,
    /// Time between the close of the last frontend and SIGTERM.
    pub(super) stop_timeout: Duration,
    /// Soft limit of open descriptors that the backend shall have.
    pub(super) open_files_soft: u64,
}

/// From the fork server to the program, on the socket beside the link of one backend.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Notice {
    /// The backend runs. Its pidfd comes beside it.
    Born { pid: u32 },
    /// There is no backend, for this reason.
    Refused(Refusal),
    /// The backend has ended and is reaped; it was gone at that moment, and before it was reaped.
    Ended { reason: ExitReason, stack_overflow: bool, stderr_tail: String, gone_at: Moment },
}

/// Why the fork server made no backend.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Refusal {
    /// The fork server has threads that it did not start.
    ThreadsRunning(Vec<String>),
    /// The code of the actor is not where the program says.
    Code(String),
    /// The system refused, with this error number.
    System { doing: String, errno: i32 },
}

pub(super) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_allocvec(message).expect("plain data always encodes")
}

pub(super) fn decode<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}
