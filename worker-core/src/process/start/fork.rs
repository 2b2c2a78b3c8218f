//! Start method `Fork`: a fork of the program as it is.
//! Not here: what the watcher does, which is what a fork server does (`fork_server::server`).
//! Layer 5: over `sys`.
//!
//! The program does not fork the backend itself but a *watcher*, which forks the backend, watches over
//! it like a fork server with nothing else to do, and ends after it. So the backend has a parent of one
//! thread that nothing but the end of the program ends, and everything after its birth is as for a
//! fork server. The watcher is a fork of the program too; it never runs any code of the user.

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, getpid, setpgid};

use super::{Keeper, NewBackend, Refused, begin};
use crate::process::fork_server::server;
use crate::sys::pidfd::PidFd;
use crate::sys::{child, held, proc_files, while_doing};

/// The parent of one backend: a child of this program, and this program's to reap.
#[derive(Debug)]
pub(crate) struct Watcher {
    pid: Pid,
    is_reaped: AtomicBool,
}

/// Watchers whose frontends are all gone, and that had not ended then.
static LEFT: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Forks the program twice: a watcher, and from it the backend.
pub(super) fn start(backend: NewBackend<'_>) -> Result<Keeper, Refused> {
    let threads = proc_files::other_thread_names()?;
    if !threads.is_empty() {
        return Err(Refused::ThreadsRunning(threads));
    }
    let refused = |errno| while_doing("the program could not be forked", errno);
    // Opened here, where the number is certainly ours.
    let program = PidFd::open(getpid()).map_err(refused)?;
    // What is buffered would be written twice, by the program and at the end of the backend.
    let _ = io::stdout().flush();
    child::flush_standard_streams();
    match child::fork_single_threaded().map_err(refused)? {
        ForkResult::Child => {
            // No panic may unwind into the program's own code, of which this is a second copy.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| -> () { watch(backend, program) }));
            child::exit_now(1)
        }
        ForkResult::Parent { child } => {
            // Both sides do this, because either may be the first to need it.
            let _ = setpgid(child, child);
            backend.beside.believe(child);
            Ok(Keeper::Watcher(Watcher { pid: child, is_reaped: AtomicBool::new(false) }))
        }
    }
}

/// The watcher's whole life.
fn watch(backend: NewBackend<'_>, program: PidFd) -> ! {
    let NewBackend { builder, run, surroundings, link, far_end, descriptors, .. } = backend;
    let title = format!("watcher of {}", surroundings.name);
    server::watch_one(program, &title, far_end, builder.stderr, builder.stop_timeout, |sockets| {
        held::give_up_in_fork();
        // The directory of the program is that of its fork.
        begin::backend(surroundings, link, descriptors, sockets, run)
    })
}

impl Watcher {
    /// Reaps the watcher, whose backend has ended, so that it ends too.
    pub(in crate::process) fn reap(&self) {
        // Relaxed: nothing but this flag depends on it, and a second wait finds no such child.
        if !self.is_reaped.swap(true, Ordering::Relaxed) {
            let _ = waitpid(self.pid, None);
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Relaxed: see `reap`.
        if !self.is_reaped.load(Ordering::Relaxed) {
            LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(self.pid);
        }
        reap_left();
    }
}

/// Reaps the watchers that have ended since their last frontend was dropped.
///
/// There is no thread and no signal handler that could do it at once; every spawn does.
pub(super) fn reap_left() {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|&pid| {
        waitpid(pid, Some(WaitPidFlag::WNOHANG))
            .is_ok_and(|status| status == nix::sys::wait::WaitStatus::StillAlive)
    });
}
