//! Signal dispositions and masks of a process that has just come to be.
//! Not here: signals sent to others (`pidfd`, `child`).
//! Layer 1: system calls.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Gives every signal its default disposition and unblocks all, but ignores SIGPIPE as Rust does.
pub(crate) fn reset() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        let action = if signal == Signal::SIGPIPE { &ignore } else { &default };
        // SAFETY: neither disposition runs any code. SIGKILL and SIGSTOP refuse, and that is fine.
        let _ = unsafe { sigaction(signal, action) };
    }
    for number in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: as above; `Signal` has no names for these.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // Its disposition is as good as the default, which it falls back to.
    super::stack::watch();
    unblock_all();
}

/// Unblocks every signal.
pub(crate) fn unblock_all() {
    let _ = SigSet::empty().thread_set_mask();
}

/// Blocks SIGCHLD and gives a descriptor that is readable when a child ended.
pub(crate) fn child_events() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Has the kernel kill this process when the thread that forked it ends.
///
/// # Source
///
/// `PR_SET_PDEATHSIG` in `prctl(2)`; it follows the parent *thread*, so the parent must have one.
pub(crate) fn die_with_parent() -> nix::Result<()> {
    prctl::set_pdeathsig(Some(Signal::SIGKILL))
}

/// Waits until somebody sends SIGCONT, or until `is_enough` says so, which is asked every so often.
///
/// # Source
///
/// `sigtimedwait(2)`: a signal that is waited for is blocked, and is taken without a handler.
pub(crate) fn wait_for_continue(pace: Duration, mut is_enough: impl FnMut() -> bool) {
    let mut sigcont = SigSet::empty();
    sigcont.add(Signal::SIGCONT);
    let before = sigcont.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let pace = libc::timespec {
        tv_sec: i64::try_from(pace.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(pace.subsec_nanos()),
    };
    while !is_enough() {
        // SAFETY: both arguments live through the call, and nothing is asked back.
        let taken = unsafe { libc::sigtimedwait(sigcont.as_ref(), std::ptr::null_mut(), &raw const pace) };
        if taken == libc::SIGCONT {
            break;
        }
    }
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
}

/// Whether the kernel can be asked for no SIGPIPE; until it has refused, it is.
static CAN_BE_ASKED: AtomicBool = AtomicBool::new(true);

/// Writes to a pipe that may be closed, and comes to no harm where SIGPIPE kills.
///
/// # Source
///
/// `RWF_NOSIGNAL` for `pwritev2(2)`, since Linux 6.18: one system call. Before it there are four.
#[inline]
pub(crate) fn write_without_sigpipe(pipe: BorrowedFd<'_>, bytes: &[u8]) -> nix::Result<usize> {
    // And no waiting, whatever whoever made the pipe has set.
    const RWF_NOWAIT_NOSIGNAL: libc::c_int = libc::RWF_NOWAIT | 0x100;
    // Relaxed: a hint; whoever misses it asks once more in vain.
    if CAN_BE_ASKED.load(Ordering::Relaxed) {
        let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let (descriptor, here) = (pipe.as_raw_fd(), -1_i64);
        // By number, because not every C library has it. SAFETY: `part` and what it names live through the call,
        // which only reads them.
        let written = unsafe {
            libc::syscall(libc::SYS_pwritev2, descriptor, &raw const part, 1, here, here, RWF_NOWAIT_NOSIGNAL)
        };
        match Errno::result(written) {
            Ok(count) => return Ok(usize::try_from(count).unwrap_or(0)),
            Err(error @ (Errno::EPIPE | Errno::EAGAIN | Errno::EINTR)) => return Err(error),
            // An older kernel, or a filter of system calls: nothing was written.
            Err(_) => CAN_BE_ASKED.store(false, Ordering::Relaxed),
        }
    }
    with_sigpipe_kept_off(|| {
        // As above, if not as surely: the other side may fill the pipe between the look and the write.
        let mut polled = [PollFd::new(pipe, PollFlags::POLLOUT)];
        match poll(&mut polled, PollTimeout::ZERO) {
            Ok(0) => Err(Errno::EAGAIN),
            _ => nix::unistd::write(pipe, bytes),
        }
    })
}

/// Keeps the signal off this thread meanwhile, and takes it back if it came.
fn with_sigpipe_kept_off<T>(run: impl FnOnce() -> T) -> T {
    let mut sigpipe = SigSet::empty();
    sigpipe.add(Signal::SIGPIPE);
    let before = sigpipe.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let result = run();
    if let Ok(before) = before
        && !before.contains(Signal::SIGPIPE)
    {
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both arguments live through the call, and nothing is asked back.
        unsafe { libc::sigtimedwait(sigpipe.as_ref(), std::ptr::null_mut(), &raw const at_once) };
        let _ = before.thread_set_mask();
    }
    result
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::poll::PollFlags;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork, pipe, read};

    use super::*;
    use crate::sys::doorbell::wait_for;

    #[test]
    fn a_write_to_a_closed_pipe_ends_nobody_whichever_way_there_is() {
        for can_be_asked in [true, false] {
            let (read_end, write_end) = pipe().unwrap();
            fcntl(&write_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            let write = || {
                CAN_BE_ASKED.store(can_be_asked, Ordering::Relaxed);
                write_without_sigpipe(write_end.as_fd(), &[7])
            };
            let mut byte = [0];
            assert_eq!((write(), read(&read_end, &mut byte), byte), (Ok(1), Ok(1), [7]));
            while write().is_ok() {}
            assert_eq!(write(), Err(Errno::EAGAIN));
            drop(read_end);
            // Other tests fork, and such a fork has the read end too for a moment.
            wait_for(write_end.as_fd(), PollFlags::empty(), None).unwrap();
            // In a process of its own, because the disposition of a signal is everybody's.
            // SAFETY: the child only makes system calls.
            match unsafe { fork() }.unwrap() {
                ForkResult::Child => {
                    // SAFETY: the default runs no code.
                    let _ = unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigDfl) };
                    let is_told = write() == Err(Errno::EPIPE) && write() == Err(Errno::EPIPE);
                    // SAFETY: ends the child at once, without what belongs to the parent.
                    unsafe { libc::_exit(if is_told { 0 } else { 1 }) }
                }
                ForkResult::Parent { child } => {
                    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)), "{can_be_asked}");
                }
            }
        }
    }
}
