//! What a program and its fork server say to each other.
//! Not here: messages between frontend and backend (`wire`).
//! Layer 5: plain data. Both ends are the same executable, so the form may change with any version.

use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::builder::Output;
use super::limits::Settings;
use crate::errors::ExitReason;
use crate::link::LinkKind;
use crate::sys::clock::Moment;
use crate::sys::module::CodeAddress;

/// From the program to its fork server, on the control socket.
///
/// With `then_spare` it asks for one [`Greeting`] that a spare is there, or that there is none.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Command {
    /// Make a process. Descriptors beside it: the far end of the socket beside the link, then those of the
    /// order.
    Make { order: Box<Order>, then_spare: bool },
    /// The spare with this token has been given its order, and is a backend now.
    Taken { token: u64, stop_timeout: Duration, then_spare: bool },
    /// Somebody waits for the spare that was asked for.
    Hurry,
}

/// What a new process is to be.
///
/// Descriptors beside it: the working directory if there is one, then what the task takes. On its way to a
/// fresh image, the sockets come first: that beside the link, and that of [`Order::can_fail`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) task: Task,
    pub(super) surroundings: Surroundings,
    /// Whether the process executes the program anew instead of going on as a fork of the server.
    pub(super) fresh_image: bool,
    pub(super) stderr: Output,
    /// Time between the close of the last frontend and SIGTERM.
    pub(super) stop_timeout: Duration,
}

impl Order {
    /// Whether a process that was forked ahead could have done it.
    pub(super) fn fits_a_spare(&self) -> bool {
        let has_its_link = matches!(self.task, Task::Backend { link: LinkKind::Shared, .. });
        has_its_link && !self.can_fail() && self.stderr == Output::Inherit
    }

    /// Whether a new process may find that it cannot begin, so that it takes a socket to say why.
    ///
    /// The socket beside the link will not do: there the program believes none but the parent.
    pub(super) fn can_fail(&self) -> bool {
        let Surroundings { preload, settings, .. } = &self.surroundings;
        self.fresh_image || preload.is_some() || !settings.is_empty()
    }
}

/// What a new process is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// A backend; it takes its parts of the link.
    Backend { entry: CodeAddress, link: LinkKind },
    /// A fork server that loads something first; it takes its end of the control socket.
    Server,
}

/// What a new process finds around it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Surroundings {
    pub(super) name: String,
    /// Who the actor is, in this life.
    pub(super) id: u64,
    /// The actor that has it made; zero if that is none.
    pub(super) spawner: u64,
    /// Whether the table of waits is among the descriptors, behind the directory.
    pub(super) has_waits: bool,
    pub(super) has_directory: bool,
    /// Soft limit of open descriptors that the backend shall have.
    pub(super) open_files_soft: u64,
    /// What a fresh image has to load, because it was not forked from a server that has.
    pub(super) preload: Option<CodeAddress>,
    pub(super) settings: Settings,
    pub(super) waits_for_debugger: bool,
}

/// From a fork server to the program that started it, on the control socket.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Greeting {
    /// The code of this crate runs.
    Here,
    /// What was to be loaded is loaded; orders may come.
    Ready,
    /// It will not serve, for this reason.
    Refused(Refusal),
    /// A process waits for an order. Beside it come our end of the socket beside its link, the socket
    /// for its order, our parts of its link, and its pidfd.
    Spare { pid: u32, token: u64 },
    /// There is none, though one was asked for.
    NoSpare,
}

/// From the fork server to the program, on the socket beside the link of one backend.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Notice {
    /// The backend runs. Its pidfd comes beside it.
    Born { pid: u32 },
    /// There is no backend, for this reason.
    Refused(Refusal),
    /// The backend could not begin, for this reason, and has ended.
    Failed(Refusal),
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
    /// Something else, which this says.
    Other(String),
}

impl Refusal {
    /// The system refused, while this was being done.
    pub(super) fn system(doing: impl Into<String>, errno: Errno) -> Self {
        Self::System { doing: doing.into(), errno: errno as i32 }
    }
}

pub(super) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_allocvec(message).expect("plain data always encodes")
}

pub(super) fn decode<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}
