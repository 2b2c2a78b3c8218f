//! A value as one message of a socket, and back.
//! Not here: waiting for room or for a message (`sender`, `receiver`).
//! Layer 5: over `wire` and `sys`.
//!
//! ```text
//! byte 0      0: the value follows; 1: it is in sealed memory, whose descriptor is the last
//! byte 1      descriptors that belong to the value
//! from 2 on   the value; or nothing but length, so that the message counts
//! ```

use std::any::Any;
use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::{DecodeError, EncodeError};
use crate::sys::sealed::{self, SealedBytes};
use crate::sys::socket::{self, DESCRIPTORS_MAX, Datagram};
use crate::wire::codec::{self, WriteError};
use crate::wire::descriptors::{Attached, Parcel, attached_by, with_arrived};
use crate::wire::writer::Writer;

/// Longest message: what is longer goes into sealed memory (Q2).
pub(super) const MESSAGE_MAX_BYTES: usize = 16 << 10;
const HEAD_BYTES: usize = 2;
const INLINE: u8 = 0;
const SEALED: u8 = 1;
/// What a buffer may keep between two values.
const KEPT_MAX_BYTES: usize = 1 << 20;

thread_local! {
    /// Where this thread encodes to and receives to. Taken out while it is in use: a `Serialize`
    /// implementation may send, too.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A value, encoded and ready to be sent.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    attached: Attached,
    sealed: Option<OwnedFd>,
}

/// Why there is no message of a value.
#[derive(Debug)]
pub(super) enum Refused {
    Encode(EncodeError),
    Io(std::io::Error),
}

impl Message {
    pub(super) fn of<T: Serialize + 'static>(value: &T) -> Result<Self, Refused> {
        let mut bytes = BUFFER.take();
        bytes.clear();
        bytes.extend([INLINE, 0]);
        let (written, attached) = attached_by(|| encode(value, &mut bytes));
        match written {
            Ok(()) => {}
            Err(WriteError::Value(cause)) => return Err(Refused::Encode(EncodeError::new::<T>(cause))),
            Err(WriteError::OutOfRoom) => {
                return Err(Refused::Encode(EncodeError::new::<T>(crate::wire::writer::NO_MEMORY)));
            }
        }
        let mut message = Self { bytes, attached, sealed: None };
        let count = message.attached.as_ref().map_or(0, |parcel| parcel.sent_count());
        message.bytes[1] = u8::try_from(count).unwrap_or(u8::MAX);
        if message.bytes.len() > MESSAGE_MAX_BYTES {
            if count == DESCRIPTORS_MAX {
                let most = DESCRIPTORS_MAX - 1;
                let cause = format!("a long value carries at most {most} descriptors, and this has {count}");
                return Err(Refused::Encode(EncodeError::new::<T>(cause)));
            }
            let sealed = sealed::seal("worker-core value", &message.bytes[HEAD_BYTES..]);
            message.sealed = Some(sealed.map_err(Refused::Io)?);
            message.bytes[0] = SEALED;
            message.bytes.truncate(MESSAGE_MAX_BYTES);
        }
        Ok(message)
    }

    /// Sends it, whole or not at all (Q1).
    pub(super) fn send(&self, socket: &OwnedFd, wait: bool) -> nix::Result<()> {
        let descriptors = self.attached.iter().flat_map(|parcel| parcel.descriptors());
        let descriptors: Vec<_> = descriptors.chain(&self.sealed).map(AsFd::as_fd).collect();
        socket::send(socket.as_fd(), &self.bytes, &descriptors, wait)?;
        if let Some(parcel) = &self.attached {
            parcel.note_left();
        }
        Ok(())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        keep(std::mem::take(&mut self.bytes));
    }
}

fn keep(bytes: Vec<u8>) {
    if bytes.capacity() <= KEPT_MAX_BYTES {
        BUFFER.set(bytes);
    }
}

/// Takes the next value out of a socket; `None` at the end of the channel.
///
/// # Errors
///
/// Those of the socket, `EAGAIN` among them; the inner one if what came is no value.
pub(super) fn receive<T: DeserializeOwned + 'static>(
    socket: &OwnedFd,
    wait: bool,
) -> nix::Result<Option<Result<T, DecodeError>>> {
    let mut buffer = BUFFER.take();
    buffer.resize(MESSAGE_MAX_BYTES, 0);
    let received = socket::receive_into(socket.as_fd(), &mut buffer, wait);
    let value = received.map(|datagram| match datagram {
        Some(datagram) => Some(open(&buffer, datagram)),
        // Nobody honest sends nothing, but to who receives it that looks like the end.
        None if !socket::has_ended(socket) => Some(Err(DecodeError::new::<T>("the message is empty"))),
        None => None,
    });
    keep(buffer);
    value
}

fn open<T: DeserializeOwned + 'static>(buffer: &[u8], datagram: Datagram) -> Result<T, DecodeError> {
    let Datagram { length_bytes, mut descriptors, is_longer } = datagram;
    let &[kind, count, ref inline @ ..] = buffer.get(..length_bytes).unwrap_or_default() else {
        return Err(DecodeError::new::<T>("the message is shorter than any"));
    };
    if is_longer {
        return Err(DecodeError::new::<T>("the message is longer than any"));
    }
    let count = usize::from(count);
    if count > DESCRIPTORS_MAX {
        return Err(DecodeError::new::<T>("it claims to bring more descriptors than any message can"));
    }
    match kind {
        INLINE => decode(inline, attached(descriptors, count)),
        SEALED => {
            if descriptors.len() <= count {
                let lost = "a descriptor was lost on the way: this process may open no more of them";
                return Err(DecodeError::new::<T>(lost));
            }
            let sealed = descriptors.split_off(count).into_iter().next();
            let sealed = sealed.ok_or(Errno::EBADF).map_err(std::io::Error::from);
            let bytes =
                sealed.and_then(|sealed| SealedBytes::open(&sealed)).map_err(DecodeError::new::<T>)?;
            decode(&bytes, attached(descriptors, count))
        }
        _ => Err(DecodeError::new::<T>(format_args!("there is no message of kind {kind}"))),
    }
}

fn attached(descriptors: Vec<OwnedFd>, count: usize) -> Attached {
    (count > 0).then(|| Parcel::arrived(descriptors, count))
}

/// Appends a value; bytes as they are, not element by element.
fn encode<T: Serialize + 'static>(value: &T, bytes: &mut Vec<u8>) -> Result<(), WriteError> {
    match (value as &dyn Any).downcast_ref::<Vec<u8>>() {
        Some(block) => {
            bytes.extend_from_slice(block);
            Ok(())
        }
        None => codec::encode(value, &mut Writer::to_heap(bytes)),
    }
}

fn decode<T: DeserializeOwned + 'static>(bytes: &[u8], attached: Attached) -> Result<T, DecodeError> {
    let mut block = None::<T>;
    if let Some(block) = (&mut block as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
        *block = Some(bytes.to_vec());
    }
    match block {
        Some(block) => Ok(block),
        None => with_arrived(attached, || codec::decode(bytes)),
    }
}

#[cfg(test)]
pub(super) mod forged {
    //! Messages as nobody honest sends them.
    pub(in crate::channel) const INLINE: u8 = super::INLINE;
    pub(in crate::channel) const SEALED: u8 = super::SEALED;
}
