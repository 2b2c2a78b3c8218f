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
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::beside::Beside;
use super::{LinkEnd, LinkKind, NewLink};
use crate::sys::doorbell::{Bell, Sleeper, doorbell};
use crate::sys::memory::SharedMemory;
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

/// How a shared link is made and opened.
#[derive(Debug)]
pub(crate) struct SharedParts;

impl SharedParts {
    /// Makes a link; the descriptors for the backend are memory, its sleeper, our bell, in this order.
    pub(super) fn create(beside: Arc<Beside>) -> io::Result<NewLink> {
        let layout = Layout::DEFAULT;
        let (descriptor, memory) = SharedMemory::create("worker-core link", layout.total_bytes())?;
        layout.announce(&memory);
        // A fork of the program that went on with its frontends would be a second producer in this
        // ring, under the eyes of a backend that trusts what it reads: it shall not have the ring.
        let memory = memory.kept_from_forks()?;
        let (to_backend, backend_sleeper) = doorbell()?;
        let (to_frontend, sleeper) = doorbell()?;
        let side = Side::new(memory, layout, to_backend, FRONTEND, beside);
        let ours = link_end(side, sleeper, REQUESTS, REPLIES);
        let theirs = vec![descriptor, backend_sleeper.into(), to_frontend.into()];
        Ok(NewLink { kind: LinkKind::Shared, ours, theirs })
    }

    /// The backend's end.
    pub(super) fn open(descriptors: Vec<OwnedFd>, beside: Arc<Beside>) -> io::Result<LinkEnd> {
        let [memory, sleeper, bell] = <[OwnedFd; 3]>::try_from(descriptors)
            .map_err(|_| io::Error::other("a shared link has three parts"))?;
        let layout = Layout::DEFAULT;
        let memory = SharedMemory::map(&memory, layout.total_bytes())?;
        layout.check(&memory)?;
        let side = Side::new(memory, layout, Bell::from(bell), BACKEND, beside);
        Ok(link_end(side, Sleeper::from(sleeper), REPLIES, REQUESTS))
    }
}

fn link_end(side: Side, sleeper: Sleeper, sends: Direction, receives: Direction) -> LinkEnd {
    let side = Arc::new(side);
    LinkEnd {
        outgoing: super::Outgoing::Shared(Outgoing::new(Arc::clone(&side), sends)),
        incoming: super::Incoming::Shared(Incoming::new(side, sleeper, receives)),
    }
}
