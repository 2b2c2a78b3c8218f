//! The socket beside a link: descriptors that belong to messages, and notices of the fork server.
//! Not here: what a notice says (`process::protocol`), and which message a parcel belongs to.
//! Layer 3: over `sys::socket`.
//!
//! One pair of sockets serves both, so that an actor costs its program one descriptor for them. The
//! program holds one end; the fork server and the backend hold the other.
//!
//! * B1: the program believes a message to be a notice only if the kernel says that the fork server
//!   sent it. A backend can send parcels and its parting word, and nothing else.
//! * B2: parcels of one direction are numbered; who takes one out gets that one, or learns that the
//!   other side broke the protocol.
//! * B3: what a backend can pile up here is bounded, in messages and in descriptors of this process: an honest one
//!   never has more of them on their way (P3 of `link::shared::parcels`).
//! * B4: a parting word is sent before the process ends, and the notice of the end after that, on the same queue. So
//!   whoever has that notice has the word too. The first one counts, and no more than that is kept.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::{Broken, newcomers};
use crate::sys::doorbell::wait_readable;
use crate::sys::socket::{self, DESCRIPTORS_MAX, Message};
use crate::wire::descriptors::Parcel;

/// Most parcels on their way in one direction.
pub(super) const PARCELS_IN_FLIGHT_MAX: usize = 32;
/// Number and count of a parcel, little endian.
const PARCEL_BYTES: usize = 16;
/// First bytes of a parting word, which no parcel and no knock is as short as.
const PARTING: &[u8] = b"worker-core: of what it has ended";

/// One end of the socket.
#[derive(Debug)]
pub(crate) struct Beside {
    socket: OwnedFd,
    /// Whose notices are believed (B1).
    fork_server: OnceLock<Pid>,
    received: Mutex<Received>,
}

/// What was received before anybody asked for it.
#[derive(Debug, Default)]
struct Received {
    notices: VecDeque<Message>,
    parcels: VecDeque<Message>,
    /// Links of others who were given the actor (see `newcomers`).
    knocks: VecDeque<Message>,
    /// What the backend said of its own end.
    parting: Option<Message>,
}

impl Beside {
    /// The program's end, and the one for the fork server and the backend.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socket::message_pair()?;
        socket::tell_senders(&ours)?;
        Ok((Self::from(ours), theirs))
    }

    /// Says which process is the fork server. Nothing that came before is lost.
    pub(crate) fn believe(&self, fork_server: Pid) {
        let _ = self.fork_server.set(fork_server);
    }

    /// Waits for the next notice; `None` when the deadline passed or every other end is closed.
    ///
    /// Meanwhile nobody else can take out a parcel, so this is for notices that are due.
    pub(crate) fn next_notice(&self, deadline: Option<Instant>) -> Option<Message> {
        let mut received = self.received();
        loop {
            if let Some(notice) = received.notices.pop_front() {
                return Some(notice);
            }
            if !wait_readable(self.socket.as_fd(), deadline).unwrap_or(false) {
                return None;
            }
            match socket::receive(self.socket.as_fd(), false) {
                Ok(Some(message)) => self.sort(&mut received, message),
                Err(Errno::EAGAIN) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Takes out the parcel with a number; it was sent before the message that speaks of it.
    pub(super) fn take_parcel(&self, number: u64) -> Result<Box<Parcel>, Broken> {
        let mut received = self.received();
        loop {
            if let Some(message) = received.parcels.pop_front() {
                return open_parcel(message, number);
            }
            match socket::receive(self.socket.as_fd(), false) {
                Ok(Some(message)) => self.sort(&mut received, message),
                Ok(None) | Err(_) => return Err(Broken),
            }
        }
    }

    /// Sends a parcel without waiting.
    pub(super) fn send_parcel(&self, number: u64, parcel: &Parcel) -> nix::Result<()> {
        let mut bytes = [0; PARCEL_BYTES];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..].copy_from_slice(&(parcel.sent_count() as u64).to_le_bytes());
        let descriptors: Vec<_> = parcel.descriptors().map(AsFd::as_fd).collect();
        socket::send(self.socket.as_fd(), &bytes, &descriptors, false)?;
        parcel.note_left();
        Ok(())
    }

    /// Says why this process is about to end, without waiting.
    pub(crate) fn send_parting(&self, word: &[u8]) -> nix::Result<()> {
        socket::send(self.socket.as_fd(), &[PARTING, word].concat(), &[], false)
    }

    /// Takes out what the process with this id has said of its end, once that was told (B4).
    pub(crate) fn take_parting(&self, backend: Pid) -> Option<Vec<u8>> {
        let mut message = self.received().parting.take()?;
        (message.sender == Some(backend)).then(|| message.bytes.split_off(PARTING.len()))
    }

    /// Whether newcomers' messages were received already, by who looked for something else.
    pub(crate) fn has_knocks(&self) -> bool {
        !self.received().knocks.is_empty()
    }

    /// Takes out what newcomers have sent, without waiting; and whether every other end is closed.
    pub(super) fn take_knocks(&self) -> (Vec<Message>, bool) {
        let mut received = self.received();
        let closed = loop {
            match socket::receive(self.socket.as_fd(), false) {
                Ok(Some(message)) => self.sort(&mut received, message),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        (received.knocks.drain(..).collect(), closed)
    }

    fn sort(&self, received: &mut Received, message: Message) {
        if message.sender.is_some() && message.sender.as_ref() == self.fork_server.get() {
            received.notices.push_back(message);
        } else if newcomers::is_knock(&message.bytes) {
            // B3: a program's end, which is told of senders, lets nobody in; it must not collect what a backend sends.
            if message.sender.is_none() {
                received.knocks.push_back(message);
            }
        } else if message.bytes.starts_with(PARTING) {
            if message.descriptors.is_empty() {
                received.parting.get_or_insert(message);
            }
        } else if received.parcels.len() < PARCELS_IN_FLIGHT_MAX
            && received.parcel_descriptors() + message.descriptors.len() <= DESCRIPTORS_MAX
        {
            received.parcels.push_back(message);
        }
        // B3: beyond that, dropping it closes its descriptors, and its message will be found broken.
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Received {
    /// Descriptors that belong to messages, and that nobody has asked for yet.
    fn parcel_descriptors(&self) -> usize {
        self.parcels.iter().map(|parcel| parcel.descriptors.len()).sum()
    }
}

fn open_parcel(message: Message, number: u64) -> Result<Box<Parcel>, Broken> {
    let bytes = <[u8; PARCEL_BYTES]>::try_from(message.bytes).map_err(|_| Broken)?;
    let word = |at: usize| <[u8; 8]>::try_from(&bytes[at..at + 8]).map(u64::from_le_bytes);
    let (Ok(sent_number), Ok(sent_count)) = (word(0), word(8)) else { return Err(Broken) };
    let sent_count = usize::try_from(sent_count).map_err(|_| Broken)?;
    if sent_number != number || sent_count > DESCRIPTORS_MAX {
        return Err(Broken);
    }
    Ok(Parcel::arrived(message.descriptors, sent_count))
}

impl From<OwnedFd> for Beside {
    fn from(socket: OwnedFd) -> Self {
        Self { socket, fork_server: OnceLock::new(), received: Mutex::default() }
    }
}

impl AsFd for Beside {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
