//! A process by descriptor, so that a number that was given to somebody else is never signalled.
//! Not here: whose process it is, or how it ended (`process`).
//! Layer 1: system calls.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::doorbell::{wait_for, wait_readable};
use super::while_doing;
use crate::errors::ExitReason;

/// A process, alive or dead; readable once it has ended.
#[derive(Debug)]
pub(crate) struct PidFd(OwnedFd);

impl PidFd {
    /// Opens a process by number: right only while the number cannot be given to somebody else,
    /// that is for one's own unreaped child, for one's parent, and for oneself.
    ///
    /// # Source
    ///
    /// `pidfd_open(2)`.
    pub(crate) fn open(pid: Pid) -> nix::Result<Self> {
        // SAFETY: plain integers go in, and a new descriptor or -1 comes out.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        let number = i32::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
        // SAFETY: the kernel has just made this close-on-exec descriptor for us alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(number) }))
    }

    /// Sends a signal; a process that has ended already is no error.
    ///
    /// # Source
    ///
    /// `pidfd_send_signal(2)`.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let nothing = std::ptr::null::<libc::siginfo_t>();
        let number = self.0.as_raw_fd();
        // SAFETY: a null `siginfo_t` is allowed and means what `kill(2)` would send.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, number, signal as i32, nothing, 0) };
        match Errno::result(result) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(while_doing("a backend could not be signalled", errno)),
        }
    }

    /// Waits until the process has ended; says whether it has.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> io::Result<bool> {
        wait_readable(self.0.as_fd(), deadline)
    }
}

/// What `PIDFD_GET_INFO` gives, as far as this crate knows it.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    control_group: u64,
    /// Process, group, parent, and eight ids of users and groups.
    ids: [u32; 11],
    exit_code: i32,
}

/// The bit of [`Info::mask`] for the exit code.
const INFO_EXIT: u64 = 1 << 3;

nix::ioctl_readwrite!(get_info, 0xFF, 11, Info);

impl PidFd {
    /// How a process ended, also one that is not our child; `None` where the kernel does not tell, or has
    /// not by the deadline.
    ///
    /// # Source
    ///
    /// `PIDFD_GET_INFO` in `linux/pidfd.h`; the exit code is there from Linux 6.15 on, once the process is reaped.
    pub(crate) fn exit_reason(&self, deadline: Instant) -> Option<ExitReason> {
        loop {
            let mut info = Info { mask: INFO_EXIT, ..Info::default() };
            // SAFETY: the structure is that of the first version, whose length is part of the request.
            unsafe { get_info(self.0.as_raw_fd(), &raw mut info) }.ok()?;
            if info.mask & INFO_EXIT != 0 {
                return Some(reason_of(info.exit_code));
            }
            // Reaped, it hangs up.
            let seen = wait_for(self.0.as_fd(), PollFlags::empty(), Some(deadline)).ok()?;
            if seen.is_empty() {
                return None;
            }
        }
    }
}

/// The reason behind a wait status.
fn reason_of(status: i32) -> ExitReason {
    match (libc::WIFSIGNALED(status), libc::WEXITSTATUS(status)) {
        (true, _) => {
            ExitReason::Signal { signal: libc::WTERMSIG(status), core_dumped: libc::WCOREDUMP(status) }
        }
        (false, 0) => ExitReason::Clean,
        (false, code) => ExitReason::Code(code),
    }
}

/// Makes the number of one descriptor stand for the file of another, in one step.
///
/// Whoever has borrowed the number keeps an open descriptor; only what it leads to changes.
///
/// # Source
///
/// `dup3(2)`.
pub(crate) fn stand_for(number: &OwnedFd, other: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: both are open for the length of the borrows, and they differ: `number` is a duplicate.
    let result = unsafe { libc::dup3(other.as_raw_fd(), number.as_raw_fd(), libc::O_CLOEXEC) };
    Errno::result(result).map(drop)
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for PidFd {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}
