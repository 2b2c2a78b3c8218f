//! Forking and reaping, for the fork server alone.
//! Not here: what the child does (`process::fork_server`).
//! Layer 1: system calls.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::clock::Moment;
use super::{retry_on_interrupt, stack};
use crate::errors::ExitReason;

/// Forks a process that is known to have one thread.
///
/// # Source
///
/// `fork(2)`: in a process with one thread the child may go on as if nothing had happened.
pub(crate) fn fork_single_threaded() -> nix::Result<ForkResult> {
    debug_assert_eq!(super::proc_files::thread_names().map_or(1, |names| names.len()), 1);
    // SAFETY: the caller has counted the threads of this process, which starts none meanwhile, so no
    // lock can be held by a thread that does not exist in the child.
    unsafe { fork() }
}

/// A child that has ended and is no more in the process table.
#[derive(Debug)]
pub(crate) struct Reaped {
    pub(crate) pid: Pid,
    pub(crate) reason: ExitReason,
    pub(crate) stack_overflow: bool,
    /// A moment between its end and its being reaped.
    pub(crate) gone_at: Moment,
}

/// Reaps one ended child, if there is one, and kills what is left of the group that it led.
///
/// The moment lies between its end and its being reaped: whoever misses it in the process table
/// looked later.
pub(crate) fn reap_one() -> Option<Reaped> {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let status = retry_on_interrupt(|| waitid(Id::All, look)).ok()?;
    let pid = status.pid()?;
    // Still a zombie, so the number of the group cannot be anybody else's by now.
    kill_group(pid);
    let gone_at = Moment::now();
    let wrong_access = matches!(status, WaitStatus::Signaled(_, Signal::SIGSEGV | Signal::SIGBUS, _));
    let stack_overflow = wrong_access && stack::was_used_up(pid);
    let reason = match retry_on_interrupt(|| waitpid(pid, None)).ok()? {
        WaitStatus::Exited(_, 0) => ExitReason::Clean,
        WaitStatus::Exited(_, code) => ExitReason::Code(code),
        WaitStatus::Signaled(_, signal, core_dumped) => {
            ExitReason::Signal { signal: signal as i32, core_dumped }
        }
        _ => return None,
    };
    Some(Reaped { pid, reason, stack_overflow, gone_at })
}

/// Kills what is left of the process group that a backend led.
pub(crate) fn kill_group(leader: Pid) {
    let _ = nix::sys::signal::killpg(leader, Signal::SIGKILL);
}

/// Descriptors that no fork of this process may keep.
static KEPT_FROM_FORKS: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Prepares [`close_in_forks`] in this process and its forks. Once is enough for all of them.
///
/// # Source
///
/// `pthread_atfork(3)`.
pub(crate) fn watch_forks() {
    // SAFETY: the handler only locks a mutex that is never held across a fork, and closes.
    unsafe { libc::pthread_atfork(None, None, Some(close_kept)) };
}

/// Has every later `fork` of this process close these descriptors in the child.
///
/// Close-on-exec is not enough: code that forks without an exec would hold a backend's end of its
/// link open, and its death would not be seen.
pub(crate) fn close_in_forks(descriptors: &[BorrowedFd<'_>]) {
    let mut kept = KEPT_FROM_FORKS.lock().unwrap_or_else(PoisonError::into_inner);
    kept.extend(descriptors.iter().map(AsRawFd::as_raw_fd));
}

/// Descriptors that every fork of this process closes, for as long as the value lives.
#[derive(Debug)]
pub(crate) struct ClosedInForks(Vec<RawFd>);

impl ClosedInForks {
    /// The value must go before the descriptors do, or with them: their numbers may be given away then.
    pub(crate) fn new(descriptors: &[BorrowedFd<'_>]) -> Self {
        close_in_forks(descriptors);
        Self(descriptors.iter().map(AsRawFd::as_raw_fd).collect())
    }

    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }
}

impl Drop for ClosedInForks {
    fn drop(&mut self) {
        let mut kept = KEPT_FROM_FORKS.lock().unwrap_or_else(PoisonError::into_inner);
        for number in &self.0 {
            if let Some(index) = kept.iter().position(|other| other == number) {
                kept.swap_remove(index);
            }
        }
    }
}

extern "C" fn close_kept() {
    // Held by another thread just now, it stays locked in the child; then there is nothing to be done.
    let Ok(mut kept) = KEPT_FROM_FORKS.try_lock() else { return };
    // Emptied: the numbers may be given to other files in the child, which may fork in its turn.
    for descriptor in kept.drain(..) {
        // SAFETY: the numbers are those of the link, which the child of the fork does not use.
        unsafe { libc::close(descriptor) };
    }
}

/// Makes these numbers lead nowhere, without giving them free.
pub(crate) fn replace_by_nothing(descriptors: &[RawFd]) {
    let Ok(nothing) = File::options().read(true).write(true).open("/dev/null") else {
        // Without it they are closed at least; a value that closes its number again gets an error.
        close_by_number(descriptors);
        return;
    };
    for &number in descriptors {
        // SAFETY: the numbers belong to values of the program, of which this process is a copy that
        // uses none of them, and each stays open.
        unsafe { libc::dup3(nothing.as_raw_fd(), number, libc::O_CLOEXEC) };
    }
}

/// Closes descriptors whose owners this process never comes back to.
pub(crate) fn close_by_number(descriptors: &[RawFd]) {
    for &number in descriptors {
        // SAFETY: whatever owns the number is a copy of the parent's, in a process that never uses it.
        unsafe { libc::close(number) };
    }
}

/// Writes out what C code has buffered.
pub(crate) fn flush_standard_streams() {
    // SAFETY: a null pointer stands for every stream that is open for writing.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// Ends this process at once: no destructors, no exit handlers, no flushing.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` only ends the process.
    unsafe { libc::_exit(status) }
}
