//! The sending half of a socket link.
//! Not here: what a message means.
//! Layer 3: over `sys::socket`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::{HEAD_BYTES, RECEIVE_BYTES, TAIL_BYTES, TAIL_WHOLE, TAIL_WITHDRAWN};
use crate::link::{Payload, Room, SendError, Sent};
use crate::sys::doorbell::Bell;
use crate::sys::held::Here;
use crate::sys::socket::send_some;
use crate::sys::while_doing;
use crate::wire::codec::WriteError;
use crate::wire::descriptors::{Attached, Parcel, attached_by};
use crate::wire::kind::Kind;
use crate::wire::writer::{NO_MEMORY, Writer};

/// There is only one thing to wait for: that the socket takes more.
const ROOM: Room = Room { until_position: 0 };
/// A stream has no positions that outlive the other side.
const SENT: Sent = Sent { position: 0 };

/// See [`super::super::Outgoing`].
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Where it may be used (K1).
    here: Here,
    socket: Arc<OwnedFd>,
    /// Wakes a thread of this side that sleeps without looking for room.
    kick: Bell,
    /// The message that is going out; empty when there is none.
    message: Vec<u8>,
    attached: Attached,
    sent_bytes: usize,
    withdrawn: bool,
}

#[cold]
fn no_memory() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, NO_MEMORY)
}

impl Outgoing {
    pub(super) fn over(here: Here, socket: Arc<OwnedFd>, kick: Bell) -> Self {
        let message = Vec::new();
        Self { here, socket, kick, message, attached: None, sent_bytes: 0, withdrawn: false }
    }

    pub(crate) fn send(&mut self, kind: Kind, id: u64, payload: Payload<'_>) -> Result<Sent, SendError> {
        if !self.here.is_it() {
            return Err(SendError::Gone);
        }
        if !self.message.is_empty() {
            self.flush()?;
            // What went out was this message, unless that one was withdrawn with a part of it out.
            if !std::mem::take(&mut self.withdrawn) {
                return Ok(SENT);
            }
        }
        // Not `self.message` before it is whole: a value may panic while it is encoded, and what is
        // left there goes out with the next message.
        let mut message = std::mem::take(&mut self.message);
        message.extend([0; HEAD_BYTES]);
        let (result, attached) = attached_by(|| {
            let mut writer = Writer::to_heap(&mut message);
            payload(&mut writer)?;
            writer.extend(&[TAIL_WHOLE]).map_err(|_| WriteError::OutOfRoom)
        });
        result.map_err(|error| match error {
            WriteError::Value(cause) => SendError::Value(cause),
            WriteError::OutOfRoom => SendError::Memory(no_memory()),
        })?;
        self.message = message;
        let length = (self.message.len() - HEAD_BYTES - TAIL_BYTES) as u64;
        self.message[..8].copy_from_slice(&length.to_le_bytes());
        self.message[8..16].copy_from_slice(&id.to_le_bytes());
        self.message[16] = kind as u8;
        if let Some(parcel) = &attached {
            let count = u16::try_from(parcel.sent_count()).unwrap_or(u16::MAX);
            self.message[17] = 1;
            self.message[18..20].copy_from_slice(&count.to_le_bytes());
        }
        self.attached = attached;
        self.flush()?;
        Ok(SENT)
    }

    fn flush(&mut self) -> Result<(), SendError> {
        while self.sent_bytes < self.message.len() {
            // Descriptors go with the tail, so that none go with a message that was given up.
            let (end, parcel) = match &self.attached {
                Some(_) if self.sent_bytes + TAIL_BYTES < self.message.len() => {
                    (self.message.len() - TAIL_BYTES, None)
                }
                parcel => (self.message.len(), parcel.as_deref()),
            };
            let descriptors: Vec<_> =
                parcel.into_iter().flat_map(Parcel::descriptors).map(AsFd::as_fd).collect();
            match send_some(&self.socket, &self.message[self.sent_bytes..end], &descriptors) {
                Ok(Some(bytes)) => {
                    self.sent_bytes += bytes;
                    if self.sent_bytes == self.message.len()
                        && let Some(parcel) = self.attached.take()
                    {
                        parcel.note_left();
                    }
                }
                Ok(None) => return Err(SendError::NoRoom(ROOM)),
                Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN) => return Err(SendError::Gone),
                // The other side lives, and is told that what it has of this message is none.
                Err(errno) => {
                    let what = match parcel {
                        Some(_) => "descriptors could not be sent",
                        None => "a message could not be sent",
                    };
                    self.withdraw();
                    return Err(SendError::Memory(while_doing(what, errno)));
                }
            }
        }
        self.sent_bytes = 0;
        if self.message.capacity() > RECEIVE_BYTES {
            self.message = Vec::new()
        } else {
            self.message.clear()
        }
        Ok(())
    }

    /// A message of which a part is out goes on to its end, before the next, and its tail says that it is none.
    pub(crate) fn withdraw(&mut self) {
        self.attached = None;
        if self.sent_bytes == 0 {
            self.message.clear();
        } else if let Some(tail) = self.message.last_mut() {
            *tail = TAIL_WITHDRAWN;
            self.withdrawn = true;
        }
    }

    pub(crate) fn alarm_for(&mut self, _room: Room) -> bool {
        self.kick.ring();
        false
    }
}
