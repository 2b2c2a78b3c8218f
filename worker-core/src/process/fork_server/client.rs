//! The program's side of a fork server: starts it when needed, and sends it orders.
//! Not here: answers, which come on the supervision socket of each backend.
//! Layer 5: over `sys`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::spares::Spares;
use super::{MARKER, copy, preloaded};
use crate::process::builder::Builder;
use crate::process::protocol::{self, Command, Greeting, Order, Refusal};
use crate::process::start::Entry;
use crate::sys::doorbell::wait_readable;
use crate::sys::held::Held;
use crate::sys::limits::with_descriptors;
use crate::sys::module::CodeAddress;
use crate::sys::{exec, module, retry_on_interrupt, socket, while_doing};

/// Names the executable of every backend whose builder does not.
const EXECUTABLE_VARIABLE: &str = "WORKER_EXECUTABLE";
/// How often an order is tried with a new server, when somebody kills one after the other.
const ATTEMPTS: u32 = 3;
/// Time that a program gets to begin and show that it contains this crate.
const GREETING: Duration = Duration::from_secs(30);

/// A fork server that runs, or may.
#[derive(Debug)]
pub(in crate::process) struct Server {
    pub(super) control: OwnedFd,
    pid: Pid,
    /// Whose server it is: a fork of the program without an exec inherits this value, not the server.
    program: Pid,
    /// Tells of the end of a server that is another one's child; that one reaps it.
    supervision: Option<OwnedFd>,
    pub(super) spares: Spares,
    _held: Held,
}

/// A place for one fork server, which is started when it is needed first, or needed again.
#[derive(Debug)]
pub(in crate::process) struct Slot {
    /// `None` is the program that is running.
    executable: Option<PathBuf>,
    /// What the server loads before it serves.
    pub(super) preload: Option<fn()>,
    current: Mutex<Option<Arc<Server>>>,
    /// Whether it is loaded in this very process, for backends that are threads.
    loaded_here: Mutex<bool>,
}

/// Why an order could not be given.
#[derive(Debug)]
pub(in crate::process) enum NotOrdered {
    /// The program cannot be started again.
    Executable(String),
    Refused(Refusal),
    /// The server was killed from outside while it started; the wait status is this.
    Killed(WaitStatus),
    Io(io::Error),
}

/// The slots without preload, one for each executable.
static DEFAULTS: Mutex<Vec<Arc<Slot>>> = Mutex::new(Vec::new());

/// The slot of the fork server that a builder means.
pub(in crate::process) fn slot_for(builder: &Builder) -> Arc<Slot> {
    match &builder.fork_server {
        Some(server) => server.slot(),
        None => default_slot(builder.executable.clone().or_else(executable_of_environment)),
    }
}

pub(super) fn executable_of_environment() -> Option<PathBuf> {
    std::env::var_os(EXECUTABLE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn default_slot(executable: Option<PathBuf>) -> Arc<Slot> {
    let mut slots = DEFAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(slot) = slots.iter().find(|slot| slot.executable == executable) {
        return Arc::clone(slot);
    }
    let slot = Arc::new(Slot::new(executable, None));
    slots.push(Arc::clone(&slot));
    slot
}

impl Slot {
    pub(super) fn new(executable: Option<PathBuf>, preload: Option<fn()>) -> Self {
        Self { executable, preload, current: Mutex::new(None), loaded_here: Mutex::new(false) }
    }

    /// Sends an order to the fork server, starting one if there is none, or none any more.
    ///
    /// Gives the server that has it.
    pub(in crate::process) fn order(
        &self,
        order: Order,
        descriptors: &[OwnedFd],
    ) -> Result<Arc<Server>, NotOrdered> {
        let fits_a_spare = order.fits_a_spare();
        let mut command = Command::Make { order: Box::new(order), then_spare: false };
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(OwnedFd::as_fd).collect();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let server = match self.server() {
                Err(NotOrdered::Killed(_)) if attempts < ATTEMPTS => continue,
                server => server?,
            };
            let mut send = |asks: bool| {
                if let Command::Make { then_spare, .. } = &mut command {
                    *then_spare = asks;
                }
                server.command(&command, &descriptors)
            };
            let made = if fits_a_spare {
                server.spares.ask_with(server.spares.note_spawn(), send)
            } else {
                send(false)
            };
            match made {
                Ok(()) => return Ok(server),
                // It was killed: its backends are gone with it, and the next one starts afresh.
                Err(Errno::EPIPE | Errno::ECONNRESET) if attempts < ATTEMPTS => self.retire(&server),
                Err(errno) => {
                    return Err(NotOrdered::Io(while_doing("the fork server could not be reached", errno)));
                }
            }
        }
    }

    /// Where the preload function lies, for a fresh image to find.
    pub(in crate::process) fn preload_address(&self) -> Result<Option<CodeAddress>, NotOrdered> {
        let Some(preload) = self.preload else { return Ok(None) };
        CodeAddress::of(preload as usize).map(Some).ok_or_else(|| {
            let reason = "the preload function lies in no module that the loader knows";
            NotOrdered::Executable(reason.to_owned())
        })
    }

    /// The server of this slot, alive when it was last heard of.
    pub(super) fn server(&self) -> Result<Arc<Server>, NotOrdered> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(server) if server.is_of_this_process() => Ok(Arc::clone(server)),
            _ => {
                let server = match self.preload_address()? {
                    None => start(self.executable.as_deref())?,
                    Some(address) => preloaded::start(&default_slot(self.executable.clone()), address)?,
                };
                let server = Arc::new(server);
                *current = Some(Arc::clone(&server));
                Ok(server)
            }
        }
    }

    /// Runs in this process, once, what the server would have run.
    pub(super) fn load_here(&self) -> io::Result<()> {
        let mut loaded = self.loaded_here.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(preload) = self.preload
            && !*loaded
        {
            preload();
            *loaded = true;
        }
        Ok(())
    }

    /// The server that was heard of last, if there is one.
    pub(super) fn running(&self) -> Option<Arc<Server>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|server| server.is_of_this_process()).map(Arc::clone)
    }

    fn retire(&self, server: &Arc<Server>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, server)) {
            *current = None;
            server.reap();
        }
    }
}

impl Server {
    pub(super) fn new(control: OwnedFd, pid: Pid, supervision: Option<OwnedFd>) -> Self {
        let held = Held::new([Some(&control), supervision.as_ref()].into_iter().flatten().map(AsFd::as_fd));
        Self { control, pid, program: getpid(), supervision, spares: Spares::default(), _held: held }
    }

    pub(in crate::process) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether this process is the program that it serves, and no fork of that.
    pub(super) fn is_of_this_process(&self) -> bool {
        self.program == getpid()
    }

    pub(super) fn command(&self, command: &Command, descriptors: &[BorrowedFd<'_>]) -> nix::Result<()> {
        socket::send(self.control.as_fd(), &protocol::encode(command), descriptors, true)
    }

    /// Notes that this entry is where the server looks for it.
    pub(in crate::process) fn accepted(&self, entry: Entry) {
        self.spares.accepted(entry);
    }

    /// Waits until the server serves, or says why it will not.
    pub(super) fn wait_ready(&self) -> Result<(), NotReady> {
        // The first word says that the code of this crate runs; how long the user's code takes to
        // load what it loads is its own affair.
        let mut deadline = Some(Instant::now() + GREETING);
        loop {
            if !wait_readable(self.control.as_fd(), deadline).map_err(NotReady::Io)? {
                return Err(NotReady::Silent);
            }
            let message = socket::receive(self.control.as_fd(), true).ok().flatten();
            match message.and_then(|message| protocol::decode(&message.bytes)) {
                Some(Greeting::Here) => deadline = None,
                Some(Greeting::Ready) => return Ok(()),
                Some(Greeting::Refused(refusal)) => return Err(NotReady::Refused(refusal)),
                Some(Greeting::Spare { .. } | Greeting::NoSpare) | None => return Err(NotReady::Gone),
            }
        }
    }

    /// Where the end of a server is told that is another one's child.
    pub(super) fn supervision(&self) -> Option<&OwnedFd> {
        self.supervision.as_ref()
    }

    /// Takes a server that has ended, or ends, from the process table.
    fn reap(&self) -> Option<WaitStatus> {
        // Somebody else may have reaped it (ECHILD).
        if self.supervision.is_none() { retry_on_interrupt(|| waitpid(self.pid, None)).ok() } else { None }
    }
}

/// Why a server that was started does not serve.
#[derive(Debug)]
pub(super) enum NotReady {
    Refused(Refusal),
    /// It has closed its socket.
    Gone,
    /// It does not say anything.
    Silent,
    Io(io::Error),
}

fn start(executable: Option<&Path>) -> Result<Server, NotOrdered> {
    if executable.is_none() && !module::is_in_program(copy::anchor()) {
        return Err(NotOrdered::Executable(format!(
            "worker-core lies in a library that `{}` has loaded, so starting that program again would \
             not reach it: name an executable that is linked to the library, with `Builder::executable` \
             or {EXECUTABLE_VARIABLE}",
            std::env::current_exe().unwrap_or_default().display()
        )));
    }
    let (ours, theirs) = with_descriptors(socket::message_pair).map_err(NotOrdered::Io)?;
    let marker = format!("{}:{}:{}", copy::ROLE_SERVER, theirs.as_raw_fd(), getpid());
    let pid = exec::start_copy(executable, MARKER, &marker, &theirs).map_err(NotOrdered::Io)?;
    // Held by the server alone from here on, so that its end shows.
    drop(theirs);
    let server = Server::new(ours, pid, None);
    server.wait_ready().map_err(|not_ready| {
        if !matches!(not_ready, NotReady::Gone | NotReady::Refused(_)) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let status = server.reap();
        let executable = executable.map_or_else(
            || std::env::current_exe().unwrap_or_default().display().to_string(),
            |path| path.display().to_string(),
        );
        match not_ready {
            NotReady::Refused(refusal) => NotOrdered::Refused(refusal),
            NotReady::Io(error) => NotOrdered::Io(error),
            NotReady::Silent => NotOrdered::Executable(format!(
                "`{executable}` was started as a fork server and did not become one within {} s: it must \
                 contain worker-core",
                GREETING.as_secs()
            )),
            NotReady::Gone => match status {
                Some(status @ WaitStatus::Signaled(..)) => NotOrdered::Killed(status),
                _ => NotOrdered::Executable(format!(
                    "`{executable}` was started as a fork server and ended before it was one: it must \
                     contain worker-core"
                )),
            },
        }
    })?;
    Ok(server)
}
