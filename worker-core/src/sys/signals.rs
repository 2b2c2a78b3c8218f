//! Signal dispositions and masks of a process that has just come to be.
//! Not here: signals sent to others (`pidfd`, `child`).
//! Layer 1: system calls.
#![allow(unsafe_code)]

use std::time::Duration;

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

/// Runs something that may write to a closed pipe, and comes to no harm where SIGPIPE kills.
///
/// The signal is kept off this thread meanwhile, and taken back if it came.
pub(crate) fn without_sigpipe(run: impl FnOnce()) {
    let mut sigpipe = SigSet::empty();
    sigpipe.add(Signal::SIGPIPE);
    let before = sigpipe.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    run();
    let Ok(before) = before else { return };
    if before.contains(Signal::SIGPIPE) {
        return;
    }
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both arguments live through the call, and nothing is asked back.
    unsafe { libc::sigtimedwait(sigpipe.as_ref(), std::ptr::null_mut(), &raw const at_once) };
    let _ = before.thread_set_mask();
}
