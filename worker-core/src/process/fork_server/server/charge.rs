//! One process in a fork server's charge, and what is to be told of it.
//! Not here: when it is told (the server's loop).
//! Layer 5: over `sys`.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::super::last_words::LastWords;
use crate::process::protocol::{self, Notice, Refusal};
use crate::sys::pidfd::PidFd;
use crate::sys::socket;

pub(super) struct Backend {
    pub(super) pid: Pid,
    pub(super) supervision: OwnedFd,
    /// Here it leaves word if it could not begin.
    pub(super) failure: Option<OwnedFd>,
    pub(super) stop_timeout: Duration,
    pub(super) ending: Option<Ending>,
    /// What could not be told yet.
    pub(super) untold: Vec<(Notice, Option<PidFd>)>,
    pub(super) last_words: Option<LastWords>,
    pub(super) waits_for_room: bool,
    pub(super) is_reaped: bool,
    /// It waits for its order still, as far as the server knows.
    pub(super) is_spare: bool,
}

/// A backend without frontends: what happens to it next, and when.
pub(super) struct Ending {
    pub(super) at: Instant,
    pub(super) signal: Signal,
}

impl Backend {
    /// Why a backend that has ended never began, if it left word.
    pub(super) fn take_failure(&mut self) -> Option<Refusal> {
        let failure = self.failure.take()?;
        let message = socket::receive(failure.as_fd(), false).ok().flatten()?;
        protocol::decode(&message.bytes)
    }

    /// Tells what there is to tell, as far as the socket has room (F3).
    pub(super) fn tell(&mut self, epoll: &Epoll, token: u64) {
        while let Some((notice, pidfd)) = self.untold.first() {
            if tell(&self.supervision, notice, pidfd.as_ref()) == Err(Errno::EAGAIN) {
                break;
            }
            self.untold.remove(0);
        }
        let is_full = !self.untold.is_empty();
        if is_full != std::mem::replace(&mut self.waits_for_room, is_full) {
            let events = if is_full { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let _ = epoll.modify(&self.supervision, &mut EpollEvent::new(events, token));
        }
    }
}

/// Tells without waiting; a frontend that is gone does not want to know.
pub(super) fn tell(supervision: &OwnedFd, notice: &Notice, pidfd: Option<&PidFd>) -> nix::Result<()> {
    let descriptors: Vec<_> = pidfd.iter().map(|pidfd| pidfd.as_fd()).collect();
    socket::send(supervision.as_fd(), &protocol::encode(notice), &descriptors, false)
}
