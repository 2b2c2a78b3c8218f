//! The doorbell: a pipe whose reader sleeps until somebody rings or everybody who could is gone.
//! Not here: when to ring and when to sleep (`link`).
//! Layer 1: system calls.
//!
//! A pipe, because one blocking `read` waits for data and for the death of the other side at once,
//! its write tells the kernel that the writer is about to sleep, and an `epoll` can wait on it.
//!
//! * B1: only who wants to sleep for as long as it takes reads in a way that waits. That something is readable
//!   is no promise: whoever has the bell may read from the pipe too, and be faster.
//!
//! # Safety
//!
//! * B2: the kernel writes to a buffer no more bytes than it is told that there are.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::{pipe2, read, write};

use super::{retry_on_interrupt, signals, while_doing};

/// The end that wakes.
#[derive(Debug)]
pub(crate) struct Bell {
    descriptor: OwnedFd,
    /// It is the write end and no more, so a poll of it shows when the sleeper is gone.
    shows_death: bool,
}

/// The end that sleeps. Who watches it with others' descriptors shares it, so that it stays open for them.
#[derive(Debug)]
pub(crate) struct Sleeper(Arc<OwnedFd>);

/// What rings had piled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rings {
    /// None are left; there may have been some.
    Taken,
    /// There may be more.
    More,
    /// Every bell is closed: the other side is gone.
    Gone,
}

/// What ended a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Somebody rang, or may have: look again.
    Rung,
    /// The deadline passed.
    TimedOut,
    /// Every bell is closed: the other side is gone.
    Gone,
}

/// Makes a doorbell, both ends close-on-exec.
pub(crate) fn doorbell() -> io::Result<(Bell, Sleeper)> {
    let refused = |errno| while_doing("a doorbell could not be made", errno);
    let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC).map_err(refused)?;
    Ok((Bell::from(without_sigpipe(write_end).map_err(refused)?), Sleeper::from(read_end)))
}

/// Makes a doorbell whose bell shows the death of its sleeper: it polls as an error then.
///
/// To ring it costs four system calls instead of one where the kernel is older than 6.18.
pub(crate) fn doorbell_that_shows_death() -> io::Result<(Bell, Sleeper)> {
    let refused = |errno| while_doing("a doorbell could not be made", errno);
    let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC).map_err(refused)?;
    // A hostile reader that never reads must not block the one who rings.
    fcntl(&write_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(refused)?;
    Ok((Bell::that_shows_death(write_end), Sleeper::from(read_end)))
}

/// Opens the write end once more, for reading too and without waiting.
///
/// With a reader left, if only itself, no write meets SIGPIPE, which kills programs that have it at its
/// default when the backend they ring has died. To the sleeper it is a writer like any other. And
/// a hostile reader that never reads cannot block the one who rings.
fn without_sigpipe(write_end: OwnedFd) -> nix::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", write_end.as_raw_fd());
    match open(path.as_str(), OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK, Mode::empty()) {
        // Without /proc there is at least the promise not to block.
        Err(Errno::ENOENT) => {
            fcntl(&write_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            Ok(write_end)
        }
        other => other,
    }
}

impl Bell {
    /// The bell of a doorbell that [`doorbell_that_shows_death`] made.
    pub(crate) fn that_shows_death(descriptor: OwnedFd) -> Self {
        Self { descriptor, shows_death: true }
    }

    /// Wakes the sleeper. A full pipe has woken it already, and a closed one is told by death.
    #[inline]
    pub(crate) fn ring(&self) {
        let _ = retry_on_interrupt(|| {
            if self.shows_death {
                signals::write_without_sigpipe(self.descriptor.as_fd(), &[1])
            } else {
                write(&self.descriptor, &[1])
            }
        });
    }
}

impl Sleeper {
    /// Sleeps until rung, until `deadline`, or until every bell is closed.
    // Inlined, as what follows a wake-up is elsewhere too: each page of code that was left alone for a frame's
    // time costs most of a microsecond to come back to.
    #[inline]
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> io::Result<Wake> {
        if deadline.is_some() {
            return if wait_readable(self.as_fd(), deadline)? { self.wake() } else { Ok(Wake::TimedOut) };
        }
        loop {
            // Several rings may have piled up; one wake is enough for all of them.
            let mut rings = [0_u8; 64];
            match retry_on_interrupt(|| read(&*self.0, &mut rings)) {
                Ok(0) => return Ok(Wake::Gone),
                Ok(_) => return Ok(Wake::Rung),
                // Where `read_now` had to make it so.
                Err(Errno::EAGAIN) => drop(wait_readable(self.as_fd(), None)?),
                Err(errno) => return Err(while_doing("waiting at the doorbell failed", errno)),
            }
        }
    }

    /// Wakes, once the descriptor was seen to be readable; it never sleeps, even if it is so no longer (B1).
    pub(crate) fn wake(&self) -> io::Result<Wake> {
        match self.read_now(&mut [0; 64]) {
            Ok(0) => Ok(Wake::Gone),
            Ok(_) | Err(Errno::EAGAIN) => Ok(Wake::Rung),
            Err(errno) => Err(while_doing("waiting at the doorbell failed", errno)),
        }
    }

    /// Takes in what rings there are, without sleeping.
    pub(crate) fn take_rings(&self) -> io::Result<Rings> {
        let mut rings = [0_u8; 512];
        match self.read_now(&mut rings) {
            Ok(0) => Ok(Rings::Gone),
            Ok(count) if count == rings.len() => Ok(Rings::More),
            Ok(_) | Err(Errno::EAGAIN) => Ok(Rings::Taken),
            Err(errno) => Err(while_doing("looking at the doorbell failed", errno)),
        }
    }

    /// Reads without waiting (B1).
    ///
    /// Not by a descriptor that never waits: who sleeps for as long as it takes would need two system calls.
    fn read_now(&self, rings: &mut [u8]) -> nix::Result<usize> {
        // Relaxed: a hint; whoever misses it asks once more in vain.
        if CAN_READ_NOW.load(Ordering::Relaxed) {
            match retry_on_interrupt(|| read_once_now(self.as_fd(), rings)) {
                Err(Errno::EAGAIN) => return Err(Errno::EAGAIN),
                // A kernel before 6.4, or a filter of system calls: nothing was read.
                Err(_) => CAN_READ_NOW.store(false, Ordering::Relaxed),
                read => return read,
            }
        }
        fcntl(&*self.0, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        retry_on_interrupt(|| read(&*self.0, rings))
    }

    /// Rings for itself, so that the descriptor is readable again. It costs three system calls.
    pub(crate) fn ring_again(&self) -> io::Result<()> {
        let refused = |errno| while_doing("a doorbell could not be rung again", errno);
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        // For this moment only: as long as it is open, nobody could see that every other bell is closed.
        let bell = open(path.as_str(), flags, Mode::empty()).map_err(refused)?;
        match retry_on_interrupt(|| write(&bell, &[1])) {
            // Full of rings: then it is readable.
            Ok(_) | Err(Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// The descriptor, for who watches it with others: it is readable when there are rings.
    pub(crate) fn share(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.0)
    }

    /// Whether every bell is closed, without taking in any ring.
    pub(crate) fn has_hung_up(&self) -> bool {
        wait_for(self.as_fd(), PollFlags::empty(), Some(Instant::now())).is_ok_and(|seen| !seen.is_empty())
    }
}

/// Whether the kernel reads a pipe without waiting when asked to; until it has refused, it does.
static CAN_READ_NOW: AtomicBool = AtomicBool::new(true);

/// # Source
///
/// `RWF_NOWAIT` in `preadv2(2)`; without a position, as `read(2)`.
fn read_once_now(descriptor: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<usize> {
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: B2, and the buffer is ours alone until the call returns.
    let count = unsafe { libc::preadv2(descriptor.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) };
    Errno::result(count).map(isize::unsigned_abs)
}

impl From<OwnedFd> for Bell {
    fn from(descriptor: OwnedFd) -> Self {
        Self { descriptor, shows_death: false }
    }
}

impl From<OwnedFd> for Sleeper {
    fn from(descriptor: OwnedFd) -> Self {
        Self(Arc::new(descriptor))
    }
}

impl From<Bell> for OwnedFd {
    fn from(bell: Bell) -> Self {
        bell.descriptor
    }
}

impl From<Sleeper> for OwnedFd {
    fn from(sleeper: Sleeper) -> Self {
        Arc::into_inner(sleeper.0).expect("a doorbell that goes to another process is watched by nobody here")
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsFd for Sleeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until a descriptor is readable or hung up; says whether it is.
pub(crate) fn wait_readable(descriptor: BorrowedFd<'_>, deadline: Option<Instant>) -> io::Result<bool> {
    Ok(!wait_for(descriptor, PollFlags::POLLIN, deadline)?.is_empty())
}

/// Waits until any of `events`, an error or a hang-up; none when the deadline passed.
pub(crate) fn wait_for(
    descriptor: BorrowedFd<'_>,
    events: PollFlags,
    deadline: Option<Instant>,
) -> io::Result<PollFlags> {
    loop {
        let mut polled = [PollFd::new(descriptor, events)];
        match poll(&mut polled, poll_timeout(deadline)) {
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                return Ok(PollFlags::empty());
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(polled[0].revents().unwrap_or(PollFlags::POLLERR)),
            Err(errno) => return Err(while_doing("waiting for a descriptor failed", errno)),
        }
    }
}

/// Milliseconds until `deadline`, rounded up so that a wait never ends early and spins.
pub(crate) fn poll_timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now());
    let milliseconds = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what rings there are by the bell, as whoever has it can.
    fn steal(bell: &Bell) -> usize {
        read(bell, &mut [0; 64]).unwrap()
    }

    #[test]
    fn a_ring_that_was_stolen_after_it_showed_keeps_nobody() {
        // Other tests may find either: both ways do the same.
        for can_read_now in [true, false] {
            CAN_READ_NOW.store(can_read_now, Ordering::Relaxed);
            steal_after_it_showed();
        }
        CAN_READ_NOW.store(true, Ordering::Relaxed);
    }

    fn steal_after_it_showed() {
        let (bell, sleeper) = doorbell().unwrap();
        bell.ring();
        assert!(wait_readable(sleeper.as_fd(), Some(Instant::now())).unwrap());
        assert_eq!(steal(&bell), 1);
        // Each of these would wait for ever if it read as one who sleeps.
        assert_eq!(sleeper.wake().unwrap(), Wake::Rung);
        assert_eq!(sleeper.take_rings().unwrap(), Rings::Taken);
        assert_eq!(sleeper.sleep(Some(Instant::now())).unwrap(), Wake::TimedOut);
        drop(bell);
        assert_eq!(sleeper.wake().unwrap(), Wake::Gone);
        assert_eq!(sleeper.take_rings().unwrap(), Rings::Gone);
    }

    #[test]
    fn a_descriptor_that_never_waits_sleeps_all_the_same() {
        let (bell, sleeper) = doorbell().unwrap();
        fcntl(&*sleeper.0, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        std::thread::scope(|scope| {
            let slept = scope.spawn(|| (sleeper.sleep(None).unwrap(), sleeper.sleep(None).unwrap()));
            bell.ring();
            // Taken, so that the second sleep is one.
            while wait_readable(sleeper.as_fd(), Some(Instant::now())).unwrap() {
                std::thread::yield_now();
            }
            drop(bell);
            assert_eq!(slept.join().unwrap(), (Wake::Rung, Wake::Gone));
        });
    }
}
