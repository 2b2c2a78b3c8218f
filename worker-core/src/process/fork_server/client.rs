//! The program's side of the fork server: starts it when needed, and sends it orders.
//! Not here: answers, which come on the supervision socket of each backend.
//! Layer 5: over `sys`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid};

use super::{MARKER, copy};
use crate::process::protocol::{self, Order};
use crate::sys::limits::with_descriptors;
use crate::sys::{exec, module, retry_on_interrupt, socket, while_doing};

/// The fork server of this process.
static CURRENT: Mutex<Option<Arc<Server>>> = Mutex::new(None);

#[derive(Debug)]
struct Server {
    control: OwnedFd,
    pid: Pid,
    /// Whose server it is: a fork of the program without an exec inherits this value, not the server.
    program: Pid,
}

/// Why an order could not be given.
#[derive(Debug)]
pub(in crate::process) enum NotOrdered {
    /// The program cannot be started again.
    Executable(String),
    Io(io::Error),
}

/// Sends an order to the fork server, starting one if there is none, or none any more.
///
/// Gives the process that will obey it.
pub(in crate::process) fn order(order: &Order, descriptors: &[BorrowedFd<'_>]) -> Result<Pid, NotOrdered> {
    let message = protocol::encode(order);
    let mut attempts = 0;
    loop {
        let server = current()?;
        attempts += 1;
        match socket::send(server.control.as_fd(), &message, descriptors, true) {
            Ok(()) => return Ok(server.pid),
            // It was killed: its backends are gone with it, and the next one starts afresh.
            Err(Errno::EPIPE | Errno::ECONNRESET) if attempts < 3 => retire(&server),
            Err(errno) => {
                return Err(NotOrdered::Io(while_doing("the fork server could not be reached", errno)));
            }
        }
    }
}

fn current() -> Result<Arc<Server>, NotOrdered> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    match &*current {
        Some(server) if server.program == getpid() => Ok(Arc::clone(server)),
        _ => {
            let server = Arc::new(start()?);
            *current = Some(Arc::clone(&server));
            Ok(server)
        }
    }
}

fn start() -> Result<Server, NotOrdered> {
    if !module::is_in_program(copy::anchor()) {
        return Err(NotOrdered::Executable(format!(
            "worker-core lies in a library that `{}` has loaded, so starting that program again would \
             not reach it: link worker-core into the executable itself",
            std::env::current_exe().unwrap_or_default().display()
        )));
    }
    let (ours, theirs) = with_descriptors(socket::message_pair).map_err(NotOrdered::Io)?;
    let program = getpid();
    let marker = format!("{}:{program}", theirs.as_raw_fd());
    let pid = exec::start_copy(MARKER, &marker, &theirs).map_err(NotOrdered::Io)?;
    Ok(Server { control: ours, pid, program })
}

fn retire(server: &Arc<Server>) {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, server)) {
        *current = None;
        // It has closed its socket, so it is ending; somebody else may have reaped it (ECHILD).
        let _ = retry_on_interrupt(|| waitpid(server.pid, None));
    }
}
