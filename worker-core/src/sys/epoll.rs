//! Waiting for the first of any number of descriptors, which are named once and not at each wait.
//! Not here: a few (`poll`), one alone (`doorbell`).
//! Layer 1: system calls.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{self, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::while_doing;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read, or the end. Told for as long as it holds.
    Read,
    /// Room to write, or the end. Told for as long as it holds.
    Write,
    /// Something to read, or the end. Told once for each time that something comes.
    Ring,
}

/// Descriptors that are waited for, each under a number of the caller's.
#[derive(Debug)]
pub(crate) struct Epoll(epoll::Epoll);

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        let made = epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        made.map(Self).map_err(|errno| while_doing("an epoll could not be made", errno))
    }

    /// Adds a descriptor; `false` if it is of a sort that is always ready, as a regular file is.
    pub(crate) fn add(
        &self,
        descriptor: BorrowedFd<'_>,
        number: u64,
        interest: Interest,
    ) -> io::Result<bool> {
        let flags = match interest {
            Interest::Read => EpollFlags::EPOLLIN,
            Interest::Write => EpollFlags::EPOLLOUT,
            Interest::Ring => EpollFlags::EPOLLIN | EpollFlags::EPOLLET,
        };
        match self.0.add(descriptor, EpollEvent::new(flags, number)) {
            Ok(()) => Ok(true),
            Err(Errno::EPERM) => Ok(false),
            Err(errno) => Err(while_doing("a descriptor could not be added to an epoll", errno)),
        }
    }

    /// Takes a descriptor out. One that is not in there is no error.
    pub(crate) fn remove(&self, descriptor: BorrowedFd<'_>) {
        let _ = self.0.delete(descriptor);
    }

    /// Waits until one descriptor is ready; `None` when the deadline passed.
    ///
    /// Of those that stay ready each is told in turn: the kernel puts the one that it told behind the others.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> io::Result<Option<u64>> {
        let mut events = [EpollEvent::empty()];
        loop {
            match self.0.wait(&mut events, timeout(deadline)) {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => return Ok(None),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(Some(events[0].data())),
                Err(errno) => return Err(while_doing("waiting for descriptors failed", errno)),
            }
        }
    }
}

/// Milliseconds until `deadline`, rounded up so that a wait never ends early and spins.
fn timeout(deadline: Option<Instant>) -> EpollTimeout {
    let Some(deadline) = deadline else { return EpollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now());
    let milliseconds = left.as_nanos().div_ceil(1_000_000);
    EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX)
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}
