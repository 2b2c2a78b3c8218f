//! The link in shared memory: a ring and an extension per direction, and a doorbell per side.
//! Not here: the ring itself (`ring`), or anything about calls.
//! Layer 3: over `ring` and `sys`.

mod extension;
#[cfg(test)]
mod hostile;
mod incoming;
mod layout;
mod outgoing;
mod parcels;
mod side;

pub(super) use incoming::{Incoming, Place};
pub(super) use outgoing::Outgoing;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::beside::Beside;
use super::{LinkEnd, LinkKind, NewLink};
use crate::sys::doorbell::{Bell, Sleeper, doorbell};
use crate::sys::memory::{Object, SharedMemory};
use layout::{BACKEND, Direction, FRONTEND, Layout, REPLIES, REQUESTS};
use side::Side;

/// The record holds not a payload but the place of one in the extension.
const FLAG_EXTERNAL: u8 = 1;
/// The payload goes on in the next record.
const FLAG_MORE: u8 = 2;
/// The message of which pieces have come will not be completed.
const FLAG_WITHDRAWN: u8 = 4;

/// Descriptors of the message are on the socket beside the link.
const FLAG_PARCEL: u8 = 8;

/// What `/proc/PID/maps` shows of the memory.
const NAME: &str = "worker-core link";

/// How a shared link is made and opened.
#[derive(Debug)]
pub(crate) struct SharedParts;

/// The parts of a link of which neither end is open, for somebody who makes it ahead for both.
#[derive(Debug)]
pub(crate) struct LinkParts {
    memory: OwnedFd,
    to_backend: Bell,
    backend_sleeper: Sleeper,
    to_frontend: Bell,
    sleeper: Sleeper,
}

impl LinkParts {
    /// Makes them.
    pub(crate) fn create() -> io::Result<Self> {
        let memory = Object::create(NAME, Layout::DEFAULT.total_bytes(), false)?;
        Layout::announce_in(&memory)?;
        let (to_backend, backend_sleeper) = doorbell()?;
        let (to_frontend, sleeper) = doorbell()?;
        Ok(Self { memory, to_backend, backend_sleeper, to_frontend, sleeper })
    }

    /// What [`super::open_ours`] takes.
    pub(crate) fn ours(&self) -> [BorrowedFd<'_>; 3] {
        [self.memory.as_fd(), self.to_backend.as_fd(), self.sleeper.as_fd()]
    }

    /// What [`super::open_ahead`] takes; the rest is closed.
    pub(crate) fn into_theirs(self) -> Vec<OwnedFd> {
        vec![self.memory, self.backend_sleeper.into(), self.to_frontend.into()]
    }

    /// All of them.
    pub(crate) fn all(&self) -> [BorrowedFd<'_>; 5] {
        let [memory, to_backend, sleeper] = self.ours();
        [memory, to_backend, sleeper, self.backend_sleeper.as_fd(), self.to_frontend.as_fd()]
    }
}

impl SharedParts {
    /// Makes a link; the descriptors for the backend are memory, its sleeper, our bell, in this order.
    pub(super) fn create(beside: Arc<Beside>) -> io::Result<NewLink> {
        let layout = Layout::DEFAULT;
        let (descriptor, memory) = SharedMemory::create(NAME, layout.total_bytes())?;
        layout.announce(&memory);
        let (to_backend, backend_sleeper) = doorbell()?;
        let (to_frontend, sleeper) = doorbell()?;
        let ours = frontend(memory, to_backend, sleeper, beside)?;
        let theirs = vec![descriptor, backend_sleeper.into(), to_frontend.into()];
        Ok(NewLink { kind: LinkKind::Shared, ours, theirs })
    }

    /// The frontend's end of what [`LinkParts::create`] made.
    pub(super) fn open_ours(descriptors: Vec<OwnedFd>, beside: Arc<Beside>) -> io::Result<LinkEnd> {
        let [memory, bell, sleeper] = three(descriptors)?;
        let memory = SharedMemory::map(&memory, Layout::DEFAULT.total_bytes())?;
        frontend(memory, Bell::from(bell), Sleeper::from(sleeper), beside)
    }

    /// The backend's end.
    pub(super) fn open(descriptors: Vec<OwnedFd>, beside: Arc<Beside>) -> io::Result<LinkEnd> {
        backend(descriptors, beside, |_| Ok(()))
    }

    /// The backend's end, with the pages that the first messages need.
    pub(super) fn open_ahead(descriptors: Vec<OwnedFd>, beside: Arc<Beside>) -> io::Result<LinkEnd> {
        backend(descriptors, beside, |memory| {
            let layout = Layout::DEFAULT;
            let starts = [0, layout.ring(REQUESTS).base_bytes, layout.ring(REPLIES).base_bytes];
            starts.into_iter().try_for_each(|start| memory.populate(start, layout.head_bytes()))
        })
    }
}

fn frontend(memory: SharedMemory, bell: Bell, sleeper: Sleeper, beside: Arc<Beside>) -> io::Result<LinkEnd> {
    // A fork of the program that went on with its frontends would be a second producer in this
    // ring, under the eyes of a backend that trusts what it reads: it shall not have the ring.
    let memory = memory.kept_from_forks()?;
    let side = Side::new(memory, Layout::DEFAULT, bell, FRONTEND, beside);
    Ok(link_end(side, sleeper, REQUESTS, REPLIES))
}

fn backend(
    descriptors: Vec<OwnedFd>,
    beside: Arc<Beside>,
    prepare: impl FnOnce(&SharedMemory) -> io::Result<()>,
) -> io::Result<LinkEnd> {
    let [memory, sleeper, bell] = three(descriptors)?;
    let layout = Layout::DEFAULT;
    let memory = SharedMemory::map(&memory, layout.total_bytes())?;
    layout.check(&memory)?;
    prepare(&memory)?;
    let side = Side::new(memory, layout, Bell::from(bell), BACKEND, beside);
    Ok(link_end(side, Sleeper::from(sleeper), REPLIES, REQUESTS))
}

fn three(descriptors: Vec<OwnedFd>) -> io::Result<[OwnedFd; 3]> {
    <[OwnedFd; 3]>::try_from(descriptors).map_err(|_| io::Error::other("a shared link has three parts"))
}

/// Tells the backend of a link that its actor was given away, from any thread, whoever sends just now.
#[derive(Debug)]
pub(crate) struct Herald(Arc<Side>);

impl Herald {
    pub(super) fn of(outgoing: &Outgoing) -> Self {
        Self(outgoing.side())
    }

    pub(super) fn tell(&self) {
        self.0.give();
    }
}

fn link_end(side: Side, sleeper: Sleeper, sends: Direction, receives: Direction) -> LinkEnd {
    let side = Arc::new(side);
    LinkEnd {
        outgoing: super::Outgoing::Shared(Outgoing::new(Arc::clone(&side), sends)),
        incoming: super::Incoming::Shared(Incoming::new(side, sleeper, receives)),
        outbox: super::Outbox::default(),
        peer: 0,
        number: 0,
    }
}
