//! The writing end's view of the reading ends: who there is, who has died, whom to wake.
//! Not here: their places in shared memory (`registry`).
//! Layer 6: over `sys`.
//!
//! Each reading end sleeps at a pipe of its own; the writing end holds the other end of each, and sees
//! by it when the reading end is dead, wherever it was. A new reading end, made in whatever process,
//! sends its pipe on the ring's *registrar*, a socket of which the writing end has the one end and all
//! reading ends share the other. On the registrar they also wake a writing end that waits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use super::control::{Control, Words};
use super::registry;
use crate::sys::doorbell::{Bell, Sleeper, doorbell_that_shows_death, poll_timeout};
use crate::sys::held::Held;
use crate::sys::{socket, while_doing};

/// The writing end's side.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    registrar: OwnedFd,
    known: Vec<Known>,
    /// No reading end is left, in any process, and none can come.
    is_deserted: bool,
    _held: Held,
}

/// A reading end as the writing end knows it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) token: u64,
    pub(super) bell: Bell,
    _held: Held,
}

impl Known {
    pub(super) fn new(token: u64, bell: Bell) -> Self {
        let held = Held::new([bell.as_fd()]);
        Self { token, bell, _held: held }
    }
}

impl Doorkeeper {
    pub(super) fn new(registrar: OwnedFd, known: Vec<Known>) -> Self {
        let held = Held::new([registrar.as_fd()]);
        Self { registrar, known, is_deserted: false, _held: held }
    }

    pub(super) fn registrar(&self) -> &OwnedFd {
        &self.registrar
    }

    pub(super) fn known(&self) -> &[Known] {
        &self.known
    }

    /// Whether no reading end is left, as of the last [`Doorkeeper::attend`].
    pub(super) fn is_deserted(&self) -> bool {
        self.is_deserted
    }

    /// Waits until a reading end comes, gives something back, or dies, and sees to it; says whether
    /// any did before the deadline.
    pub(super) fn attend(
        &mut self,
        control: &Control,
        words: &impl Words,
        deadline: Option<Instant>,
    ) -> io::Result<bool> {
        let events = self.poll(deadline)?;
        let Some(events) = events else { return Ok(false) };
        if !events[0].is_empty() {
            self.drain();
        }
        let mut index = 0;
        let mut dead = events[1..].iter().map(|events| events.contains(PollFlags::POLLERR));
        self.known.retain(|known| {
            index += 1;
            // Those that `drain` has added were not polled.
            let is_dead = dead.next().unwrap_or(false);
            if is_dead && let Some(seat) = registry::seat_of(control, words, known.token) {
                registry::leave(control, words, seat, known.token);
            }
            !is_dead
        });
        Ok(true)
    }

    /// What is ready, the registrar first and then everybody known; `None` when the deadline passed.
    fn poll(&self, deadline: Option<Instant>) -> io::Result<Option<Vec<PollFlags>>> {
        let mut polled = vec![PollFd::new(self.registrar.as_fd(), PollFlags::POLLIN)];
        polled.extend(self.known.iter().map(|known| PollFd::new(known.bell.as_fd(), PollFlags::empty())));
        loop {
            match poll(&mut polled, poll_timeout(deadline)) {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => return Ok(None),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => {
                    let events = polled.iter().map(|entry| entry.revents().unwrap_or(PollFlags::POLLERR));
                    return Ok(Some(events.collect()));
                }
                Err(errno) => return Err(while_doing("waiting for room in a ring failed", errno)),
            }
        }
    }

    /// Takes in what reading ends have sent.
    fn drain(&mut self) {
        loop {
            match socket::receive(self.registrar.as_fd(), false) {
                Ok(Some(message)) => {
                    let token = <[u8; 8]>::try_from(message.bytes).map(u64::from_le_bytes);
                    // Anything else is the wake-up that it was, or makes no sense.
                    if let (Ok(token), Some(bell)) = (token, message.descriptors.into_iter().next()) {
                        self.known.push(Known::new(token, Bell::that_shows_death(bell)));
                    }
                }
                Ok(None) => {
                    self.is_deserted = true;
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Wakes reading ends; a bit per seat.
    #[inline]
    pub(super) fn wake(&mut self, control: &Control, words: &impl Words, mut seats: u64) {
        while seats != 0 {
            let seat = seats.trailing_zeros() as usize;
            seats &= seats - 1;
            if seat >= control.readers_max() {
                return;
            }
            let token = registry::token_at(control, words, seat);
            if !self.known.iter().any(|known| known.token == token) {
                // It has come since we looked: what it sent is on the registrar (L1).
                self.drain();
            }
            if let Some(known) = self.known.iter().find(|known| known.token == token) {
                known.bell.ring();
            }
        }
    }
}

/// A reading end's side of the registrar.
#[derive(Debug)]
pub(super) struct Registrar(OwnedFd);

impl Registrar {
    /// Tells the writing end of a new reading end; gives what that one will sleep at.
    pub(super) fn announce(&self, token: u64) -> io::Result<Sleeper> {
        let (bell, sleeper) = doorbell_that_shows_death()?;
        match socket::send(self.0.as_fd(), &token.to_le_bytes(), &[bell.as_fd()], false) {
            // Of a ring without a writer, what is left can still be read.
            Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(sleeper),
            Err(Errno::EAGAIN) => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "too many readers came while the writer of the ring did nothing",
            )),
            Err(errno) => Err(while_doing("a reader could not be made known to its writer", errno)),
        }
    }

    /// Wakes the writing end.
    pub(super) fn wake_writer(&self) {
        // A full socket wakes it anyway, and of a writer that is gone nothing is wanted.
        let _ = socket::send(self.0.as_fd(), &[0], &[], false);
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}

impl From<OwnedFd> for Registrar {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Registrar {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
