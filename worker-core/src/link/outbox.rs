//! A reply for which there was no room, kept so that its reader keeps nobody else waiting.
//! Not here: who looks for room, and when (`actor::serving`).
//! Layer 3: over `link`.
//!
//! * O1: while a reply is kept, no request is taken from the link it belongs to. So at most one is kept a
//!   link, replies keep their order, and whoever does not take in its replies stops its own requests alone.

use std::io;

use super::{Interest, LinkEnd, Payload, Room, SendError};
use crate::wire::codec::WriteError;
use crate::wire::descriptors::{Attached, attach, attached_by};
use crate::wire::kind::Kind;
use crate::wire::writer::Writer;

/// What a link has to send still.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Whether the backend has other things to do than to wait for room on this link.
    pub(crate) keeps: bool,
    kept: Option<Box<Kept>>,
}

/// A reply as bytes.
#[derive(Debug)]
struct Kept {
    kind: Kind,
    id: u64,
    bytes: Vec<u8>,
    attached: Attached,
    room: Room,
}

impl LinkEnd {
    /// Keeps a message that has just met [`SendError::NoRoom`], to be sent by [`LinkEnd::flush`].
    ///
    /// # Errors
    ///
    /// Why it cannot be encoded, as in [`SendError`].
    pub(crate) fn keep(
        &mut self,
        kind: Kind,
        id: u64,
        payload: Payload<'_>,
        room: Room,
    ) -> Result<(), String> {
        let mut bytes = Vec::new();
        let (written, attached) = attached_by(|| payload(&mut Writer::to_heap(&mut bytes)));
        match written {
            Ok(()) => {}
            Err(WriteError::Value(cause)) => return Err(cause),
            Err(WriteError::OutOfRoom) => return Err("the heap has no end".to_owned()),
        }
        self.outbox.kept = Some(Box::new(Kept { kind, id, bytes, attached, room }));
        Ok(())
    }

    /// Whether a message waits for room.
    #[inline]
    pub(crate) fn has_kept(&self) -> bool {
        self.outbox.kept.is_some()
    }

    /// Sends what is kept, if there is room now; says whether nothing is kept any more.
    pub(crate) fn flush(&mut self) -> bool {
        let Some(mut kept) = self.outbox.kept.take() else { return true };
        let sent = self.outgoing.send(kept.kind, kept.id, &|writer| kept.write(writer));
        self.outgoing.notify();
        match sent {
            Err(SendError::NoRoom(room)) => {
                kept.room = room;
                self.outbox.kept = Some(kept);
                false
            }
            // Sent; or there is nobody to send it to, or no memory for it, which its reader cannot be told.
            _ => true,
        }
    }

    /// What this link waits for: a message, or room for the one that is kept (O1).
    pub(crate) fn interest(&self) -> Interest {
        match &self.outbox.kept {
            None => Interest::MESSAGE,
            Some(kept) => Interest { message: false, room: Some(kept.room) },
        }
    }
}

impl Kept {
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        let refused = |error: io::Error| WriteError::Value(error.to_string());
        for descriptor in self.attached.iter().flat_map(|parcel| parcel.descriptors()) {
            attach(descriptor.try_clone().map_err(refused)?).map_err(WriteError::Value)?;
        }
        writer.extend(&self.bytes).map_err(|_| WriteError::OutOfRoom)
    }
}
