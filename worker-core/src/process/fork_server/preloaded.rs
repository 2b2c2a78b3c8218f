//! A fork server of the program's own, which loads something that all its backends share.
//! Not here: the server itself (`server`).
//! Layer 5: over `sys`.
//!
//! It is a child of the default fork server, which executes the program anew for it, as for a backend
//! with [`StartMethod::Exec`](crate::StartMethod::Exec). So somebody reaps it, whenever it ends, and
//! nothing in the program has to wait for it.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::client::{NotOrdered, NotReady, Server, Slot, executable_of_environment};
use crate::errors::{ExitReason, SpawnError};
use crate::process::builder::Output;
use crate::process::protocol::{self, Notice, Order, Refusal, Surroundings, Task};
use crate::process::start::Refused;
use crate::sys::doorbell::wait_readable;
use crate::sys::limits::{self, with_descriptors};
use crate::sys::module::CodeAddress;
use crate::sys::socket;

/// A server ends by itself once nobody wants it and its last backend is gone, and no sooner.
const STOP_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Time that the default fork server gets to say how this one ended.
const REPORT: Duration = Duration::from_secs(10);

/// A process that has loaded something once, from which backends are forked that share it.
///
/// What the function given to [`ForkServer::with_preload`] leaves in statics is there in every backend,
/// without being copied: memory that a backend does not write to exists once. Large blocks are put on
/// huge pages where the system has them, so that a fork does not take longer for them.
///
/// Clones mean the same server. It lives as long as a clone, or a frontend of one of its backends;
/// dropping the last clone does not end them. Should it be killed, its backends end with it, and the next
/// spawn starts it, and loads, again.
///
/// # Examples
///
/// ```
/// use std::sync::OnceLock;
/// use worker_core::{Builder, ForkServer, process_actor};
///
/// static WORDS: OnceLock<Vec<String>> = OnceLock::new();
///
/// fn load() {
///     WORDS.get_or_init(|| ["one", "two", "three"].map(String::from).to_vec());
/// }
///
/// pub struct Dictionary;
///
/// #[process_actor]
/// impl Dictionary {
///     pub fn new() -> Self { Self }
///     pub fn contains(&self, word: &str) -> bool {
///         WORDS.get().is_some_and(|words| words.iter().any(|known| known == word))
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = ForkServer::with_preload(load)?;
/// let builder = Builder::new().fork_server(&server);
/// let first = DictionaryFrontend::spawn_with(&builder)?;
/// let second = DictionaryFrontend::spawn_with(&builder)?;
/// assert!(first.contains("two")? && !second.contains("four")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ForkServer {
    slot: Arc<Slot>,
}

impl ForkServer {
    /// Starts a server that runs `preload`, and waits until it is done.
    ///
    /// The function runs in the server, not in this program. It may load libraries and data, but must
    /// leave no thread behind, or backends forked from it could not be whole.
    ///
    /// Under `WORKER_START=thread` it runs in this program, with the first spawn from this server.
    ///
    /// # Errors
    ///
    /// If the function panics, ends its process, or leaves threads behind, which the error names; and if
    /// the system refuses the process.
    pub fn with_preload(preload: fn()) -> io::Result<Self> {
        let slot = Slot::new(executable_of_environment(), Some(preload));
        if std::env::var_os("WORKER_START").is_none_or(|method| method != "thread") {
            slot.server().map_err(error)?;
        }
        Ok(Self { slot: Arc::new(slot) })
    }

    /// Process id of the server, which is started again if it has been killed and found so.
    ///
    /// # Errors
    ///
    /// As for [`ForkServer::with_preload`].
    pub fn pid(&self) -> io::Result<u32> {
        Ok(self.slot.server().map_err(error)?.pid().as_raw().unsigned_abs())
    }

    pub(in crate::process) fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.slot)
    }

    /// Loads in this process, once, what the server would have loaded.
    pub(in crate::process) fn load_here(&self) -> io::Result<()> {
        self.slot.load_here()
    }
}

impl fmt::Debug for ForkServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ForkServer").finish_non_exhaustive()
    }
}

/// Has the default fork server start one that loads something first, and waits until it has.
pub(super) fn start(parent: &Slot, preload: CodeAddress) -> Result<Server, NotOrdered> {
    let (ours, control) = with_descriptors(socket::message_pair).map_err(NotOrdered::Io)?;
    let (supervision, told_on) = with_descriptors(socket::message_pair).map_err(NotOrdered::Io)?;
    let executable = std::env::current_exe().unwrap_or_default();
    let executable = executable.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let order = Order {
        task: Task::Server,
        surroundings: Surroundings {
            name: format!("fork-server of {executable}, preloaded"),
            has_directory: false,
            open_files_soft: limits::open_files_soft_of_user(),
            preload: Some(preload),
            settings: Default::default(),
            waits_for_debugger: false,
        },
        fresh_image: true,
        stderr: Output::Inherit,
        stop_timeout: STOP_TIMEOUT,
    };
    let descriptors: [OwnedFd; 2] = [told_on, control];
    parent.order(order, &descriptors)?;
    drop(descriptors);
    let pid = match next_notice(&supervision) {
        Some(Notice::Born { pid, .. }) => Pid::from_raw(pid.cast_signed()),
        Some(Notice::Refused(refusal) | Notice::Failed(refusal)) => {
            return Err(NotOrdered::Refused(refusal));
        }
        _ => return Err(lost("its own fork server ended first")),
    };
    let server = Server::new(ours, pid, Some(supervision));
    match server.wait_ready() {
        Ok(()) => Ok(server),
        Err(NotReady::Refused(refusal)) => Err(NotOrdered::Refused(refusal)),
        Err(NotReady::Io(error)) => Err(NotOrdered::Io(error)),
        Err(NotReady::Gone | NotReady::Silent) => Err(why_gone(&server)),
    }
}

/// Why a server ended that was to load something.
fn why_gone(server: &Server) -> NotOrdered {
    let notice = server.supervision().and_then(|supervision| {
        wait_readable(supervision.as_fd(), Some(Instant::now() + REPORT)).ok()?;
        next_notice(supervision)
    });
    match notice {
        Some(Notice::Failed(refusal)) => NotOrdered::Refused(refusal),
        Some(Notice::Ended { reason: ExitReason::Clean, .. }) => {
            lost("the preload function ended its process with exit status 0")
        }
        Some(Notice::Ended { reason, .. }) => lost(&format!("while it loaded, it {reason}")),
        _ => lost("its own fork server ended first"),
    }
}

fn lost(why: &str) -> NotOrdered {
    NotOrdered::Refused(Refusal::Other(format!("the fork server with a preload did not start: {why}")))
}

fn next_notice(supervision: &OwnedFd) -> Option<Notice> {
    let message = socket::receive(supervision.as_fd(), true).ok().flatten()?;
    protocol::decode(&message.bytes)
}

/// The error of a spawn, for somebody who has not asked for an actor yet.
fn error(error: NotOrdered) -> io::Error {
    match SpawnError::<std::convert::Infallible>::from(Refused::from(error)) {
        SpawnError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}
