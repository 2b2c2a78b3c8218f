//! The link over one stream socket, for places without `memfd`.
//! Not here: notices of the fork server, which have a socket of their own (`beside`).
//! Layer 3: over `sys::socket`.
//!
//! A message is 24 bytes of head, the payload, and one byte of tail. The head is, little endian: length of the
//! payload (8 bytes), id (8), kind (1), whether descriptors come with the tail (1), and how many were sent (2).
//! The tail says whether the message counts: what was sent of one cannot be called back, but its tail is still to come
//! whenever its sender gives it up.
//! * K1: a fork of the process that made an end has that end too, and no part in what is said on it: there it is as one
//!   whose other side is gone.
//!
//! The kernel never merges the descriptors of two sends, so what one receive gives is of one message.

mod incoming;
mod outgoing;

pub(super) use incoming::Incoming;
pub(super) use outgoing::Outgoing;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{LinkEnd, LinkKind, NewLink};
use crate::sys::doorbell::doorbell;
use crate::sys::held::Here;
use crate::sys::socket::stream_pair;

const HEAD_BYTES: usize = 24;
const TAIL_BYTES: usize = 1;
const TAIL_WITHDRAWN: u8 = 0;
const TAIL_WHOLE: u8 = 1;
/// What one receive takes at most, and the longest buffer that is kept.
const RECEIVE_BYTES: usize = 64 * 1024;

/// How a socket link is made and opened.
#[derive(Debug)]
pub(crate) struct SocketParts;

impl SocketParts {
    pub(super) fn create() -> io::Result<NewLink> {
        let (ours, theirs) = stream_pair()?;
        Ok(NewLink { kind: LinkKind::Socket, ours: link_end(ours)?, theirs: vec![theirs] })
    }

    pub(super) fn open(descriptors: Vec<OwnedFd>) -> io::Result<LinkEnd> {
        let [socket] = <[OwnedFd; 1]>::try_from(descriptors)
            .map_err(|_| io::Error::other("a socket link has one part"))?;
        link_end(socket)
    }
}

fn link_end(socket: OwnedFd) -> io::Result<LinkEnd> {
    let socket = Arc::new(socket);
    let (kick, kicked) = doorbell()?;
    let here = Here::now();
    let outgoing = Outgoing::over(here, Arc::clone(&socket), kick);
    let incoming = Incoming::over(here, socket, kicked);
    Ok(LinkEnd {
        outgoing: super::Outgoing::Socket(outgoing),
        incoming: super::Incoming::Socket(incoming),
        outbox: super::Outbox::default(),
        peer: 0,
        number: 0,
    })
}
