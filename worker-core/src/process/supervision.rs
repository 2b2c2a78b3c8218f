//! One backend's process as the program sees it: born, alive, ended.
//! Not here: forking (`fork_server`) and calls (`calls`).
//! Layer 5: over `sys`.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use super::builder::{Builder, Link};
use super::fork_server::{self, BackendStart, NotOrdered};
use super::protocol::{self, Notice, Order, Refusal};
use super::usage::Usage;
use crate::calls::{Client, Death, Ending};
use crate::errors::{Exit, ExitReason};
use crate::link::beside::Beside;
use crate::link::{self, LinkKind, NewLink};
use crate::sys::clock::Moment;
use crate::sys::limits::{self, with_descriptors};
use crate::sys::module::CodeAddress;
use crate::sys::pidfd::PidFd;
use crate::sys::while_doing;

/// Time that a backend which has closed its link gets at least to be gone, before it is killed.
const LINGER: Duration = Duration::from_secs(1);
/// Time that the fork server gets to say how a backend ended.
const REPORT: Duration = Duration::from_secs(10);
/// How much of a name the backend itself is told: more than any title shows.
const TITLE_MAX_BYTES: usize = 1024;
/// Chooses the link of every backend whose builder does not.
const LINK_VARIABLE: &str = "WORKER_LINK";
/// Time between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(1);

/// The process of a backend.
///
/// Readable, as a descriptor ([`AsFd`]), once the backend has ended: an `epoll` can wait for it.
///
/// # Concurrency
///
/// The backend may end at any time, also right after [`Process::is_alive`] said that it lives. Once
/// it has ended it stays so, and no other process is ever signalled or measured in its place.
pub struct Process {
    name: String,
    stop_timeout: Duration,
    /// On it the fork server tells of birth and end.
    beside: Arc<Beside>,
    birth: OnceLock<Result<Birth, Refusal>>,
    /// When this program first saw that the process had ended.
    seen_ended: OnceLock<Moment>,
    end: OnceLock<(Exit, Option<Moment>)>,
}

#[derive(Debug)]
struct Birth {
    pid: u32,
    pidfd: PidFd,
}

/// A backend that was never there.
#[derive(Debug)]
pub(crate) enum Refused {
    ThreadsRunning(Vec<String>),
    Executable(String),
    Io(io::Error),
}

/// Has the fork server make a backend that runs `entry`, and connects to it.
///
/// The backend waits for its first message then. [`Process::wait_born`] tells whether it came to be.
pub(crate) fn spawn(
    builder: &Builder,
    type_name: &str,
    entry: fn(BackendStart) -> i32,
) -> Result<(Client, Arc<Process>), Refused> {
    let entry = CodeAddress::of(entry as usize).ok_or_else(|| {
        Refused::Executable("the actor's code lies in no module that the loader knows".to_owned())
    })?;
    let open_files_soft = limits::open_files_soft_of_user();
    let (beside, servers_end) = with_descriptors(Beside::pair)?;
    let beside = Arc::new(beside);
    let NewLink { kind, ours, theirs } = new_link(builder.link, &beside)?;
    let name = builder.name.clone().unwrap_or_else(|| type_name.to_owned());
    let directory = with_descriptors(working_directory)?;
    let order = Order {
        entry,
        name: cut(&name, TITLE_MAX_BYTES).to_owned(),
        link: kind,
        has_directory: directory.is_some(),
        stop_timeout: builder.stop_timeout,
        open_files_soft,
    };
    let mut descriptors = vec![servers_end.as_fd()];
    descriptors.extend(directory.iter().map(File::as_fd));
    descriptors.extend(theirs.iter().map(OwnedFd::as_fd));
    beside.believe(fork_server::order(&order, &descriptors)?);
    // Our copies of the other ends must go, or the end of the backend would never show on ours.
    drop((servers_end, theirs));
    let process = Arc::new(Process {
        name,
        stop_timeout: builder.stop_timeout,
        beside,
        birth: OnceLock::new(),
        seen_ended: OnceLock::new(),
        end: OnceLock::new(),
    });
    let watched = Arc::clone(&process);
    let client = Client::new(ours, Box::new(move |ending| watched.find_death(ending)));
    Ok((client, process))
}

/// The working directory; one that cannot be opened leaves the backend in that of the fork server.
fn working_directory() -> io::Result<Option<File>> {
    let flags = (OFlag::O_PATH | OFlag::O_DIRECTORY).bits();
    match File::options().read(true).custom_flags(flags).open(".") {
        // No reason to run the backend somewhere else.
        Err(error) if error.raw_os_error() == Some(Errno::EMFILE as i32) => Err(error),
        other => Ok(other.ok()),
    }
}

fn new_link(wanted: Option<Link>, beside: &Arc<Beside>) -> io::Result<NewLink> {
    let create = |kind| with_descriptors(|| link::create(kind, Arc::clone(beside)));
    match wanted.map_or_else(link_of_environment, |link| Ok(Some(link)))? {
        Some(Link::SharedMemory) => create(LinkKind::Shared),
        Some(Link::Socket) => create(LinkKind::Socket),
        None => match create(LinkKind::Shared) {
            // No such call, or a filter forbids it: the places that the socket link is for.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                create(LinkKind::Socket)
            }
            other => other,
        },
    }
}

/// The link that the environment asks for, so that a whole program can be run over another one.
fn link_of_environment() -> io::Result<Option<Link>> {
    match std::env::var_os(LINK_VARIABLE) {
        None => Ok(None),
        Some(value) if value == "shared-memory" => Ok(Some(Link::SharedMemory)),
        Some(value) if value == "socket" => Ok(Some(Link::Socket)),
        Some(value) => Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{LINK_VARIABLE} is {value:?}, but only `shared-memory` and `socket` are links; unset it"
            ),
        )),
    }
}

/// The beginning of a text, at most so many bytes, cut between characters.
fn cut(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

impl Process {
    /// Process id.
    ///
    /// Zero only while it is not known, which no frontend ever shows.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.born().map_or(0, |birth| birth.pid)
    }

    /// Name given by [`Builder::name`], or the name of the actor's type.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.end.get().is_none() && self.ended_by(Some(Instant::now())).is_ok_and(|ended| !ended)
    }

    /// What the process uses at this moment; all zero once it has ended.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let usage = Usage::of(self.pid());
        // The number may have been given to another process by now; then it was not ours we looked at.
        if self.is_alive() { usage } else { Usage::default() }
    }

    /// Ends the process at once, by SIGKILL. That it has ended already is no error.
    ///
    /// Calls in flight come back with [`CallError::Exited`](crate::CallError::Exited).
    ///
    /// # Errors
    ///
    /// If the system refuses the signal.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::SIGKILL)
    }

    /// Waits until the process has ended, and says how. It does not ask it to end.
    pub fn wait(&self) -> Exit {
        self.wait_until(None).unwrap_or(None).unwrap_or_else(|| self.unknown_end()).0
    }

    /// Waits until the process has ended; `None` when the deadline passed.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> io::Result<Option<(Exit, Option<Moment>)>> {
        if let Some(end) = self.end.get() {
            return Ok(Some(end.clone()));
        }
        if !self.ended_by(deadline)? {
            return Ok(None);
        }
        Ok(Some(self.end.get_or_init(|| self.receive_end()).clone()))
    }

    /// Asks, then forces: SIGTERM at the end of the stop timeout, SIGKILL after one second more.
    ///
    /// The caller has asked already; `wait_briefly` waits for the end, as it likes, up to a moment.
    pub(crate) fn see_end(&self, mut wait_briefly: impl FnMut(Instant) -> Option<Exit>) -> io::Result<Exit> {
        if let Some(exit) = wait_briefly(Instant::now() + self.stop_timeout) {
            return Ok(exit);
        }
        self.signal(Signal::SIGTERM)?;
        if let Some(exit) = wait_briefly(Instant::now() + TERM_GRACE) {
            return Ok(exit);
        }
        self.kill()?;
        Ok(self.wait())
    }

    /// Waits until the fork server has said whether there is a process.
    pub(crate) fn wait_born(&self) -> Result<(), Refused> {
        match self.birth() {
            Ok(_) => Ok(()),
            Err(refusal) => Err(refusal.clone().into()),
        }
    }

    fn birth(&self) -> &Result<Birth, Refusal> {
        self.birth.get_or_init(|| self.receive_birth())
    }

    fn born(&self) -> Option<&Birth> {
        self.birth().as_ref().ok()
    }

    fn ended_by(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let ended = self.born().map_or(Ok(true), |birth| birth.pidfd.wait_ended(deadline))?;
        if ended {
            self.seen_ended.get_or_init(Moment::now);
        }
        Ok(ended)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        self.born().map_or(Ok(()), |birth| birth.pidfd.signal(signal))
    }

    fn receive_birth(&self) -> Result<Birth, Refusal> {
        let lost = || Refusal::System {
            doing: "the fork server ended before it made the backend".to_owned(),
            errno: Errno::ECHILD as i32,
        };
        let cut_off = || Refusal::System {
            doing: "the descriptor of a new process could not be taken".to_owned(),
            errno: Errno::EMFILE as i32,
        };
        let message = self.beside.next_notice(None).ok_or_else(lost)?;
        match protocol::decode(&message.bytes).ok_or_else(lost)? {
            Notice::Born { pid } => {
                let pidfd = message.descriptors.into_iter().next().ok_or_else(cut_off)?;
                Ok(Birth { pid, pidfd: PidFd::from(pidfd) })
            }
            Notice::Refused(refusal) => Err(refusal),
            Notice::Ended { .. } => Err(lost()),
        }
    }

    /// Takes the fork server's word for how the process ended. It has; that is known.
    fn receive_end(&self) -> (Exit, Option<Moment>) {
        let deadline = Some(Instant::now() + REPORT);
        if self.born().is_some() {
            let message = self.beside.next_notice(deadline);
            if let Some(Notice::Ended { reason, gone_at }) =
                message.and_then(|message| protocol::decode(&message.bytes))
            {
                let gone_at = self.seen_ended.get().map_or(gone_at, |&seen| seen.min(gone_at));
                return (Exit::new(self.pid(), &self.name, reason), Some(gone_at));
            }
        }
        self.unknown_end()
    }

    fn unknown_end(&self) -> (Exit, Option<Moment>) {
        (Exit::new(self.pid(), &self.name, ExitReason::Unknown), self.seen_ended.get().copied())
    }

    /// Finds out how the backend ended, once its link has.
    fn find_death(&self, ending: Ending) -> Death {
        // Its exit handlers run behind the end of its link, and belong to its time to stop.
        let gone_by = Instant::now().checked_add(self.stop_timeout.max(LINGER));
        let lingers = ending == Ending::Broken || !self.ended_by(gone_by).unwrap_or(false);
        if lingers {
            // Alive without a link, or with one that cannot be trusted, it is of no use to anybody.
            let _ = self.kill();
        }
        let (exit, gone_at) = self.wait_until(None).ok().flatten().unwrap_or_else(|| self.unknown_end());
        Death { exit, gone_at }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.birth() {
            Ok(birth) => birth.pidfd.as_fd(),
            Err(_) => unreachable!("a frontend exists only for a process that was born"),
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut output = formatter.debug_struct("Process");
        output.field("name", &self.name);
        if let Some(Ok(birth)) = self.birth.get() {
            output.field("pid", &birth.pid);
        }
        output.field("end", &self.end.get().map(|(exit, _)| &exit.reason)).finish()
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
        }
    }
}
