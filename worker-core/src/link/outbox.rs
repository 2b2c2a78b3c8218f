//! Replies for which there was no room, kept so that their reader keeps nobody else waiting.
//! Not here: who looks for room, and when (`actor::serving`).
//! Layer 3: over `link`.
//!
//! * O1: while a reply is kept, no request is taken from the link it belongs to. So no more are kept than
//!   requests were begun before, replies keep their order, and whoever does not take in its replies stops
//!   its own requests alone.
//! * O2: each reply that is kept is sent, or word that it cannot be, or nobody is left to read it. So nobody waits
//!   for a reply that was thrown away.

use std::collections::VecDeque;

use super::{Interest, LinkEnd, Payload, Room, SendError};
use crate::errors::EncodeError;
use crate::wire::codec::{self, WriteError};
use crate::wire::descriptors::{Attached, attach_again, attached_by};
use crate::wire::kind::Kind;
use crate::wire::writer::Writer;

/// What a link has to send still.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Whether the backend has other things to do than to wait for room on this link.
    pub(crate) keeps: bool,
    kept: VecDeque<Kept>,
    /// When to try the first of them again.
    room: Option<Room>,
}

/// A reply as bytes.
#[derive(Debug)]
struct Kept {
    kind: Kind,
    id: u64,
    bytes: Vec<u8>,
    attached: Attached,
}

impl LinkEnd {
    /// Keeps a message for which there is no room, to be sent by [`LinkEnd::flush`].
    ///
    /// With `room`, it has just met [`SendError::NoRoom`]; without, others wait before it.
    ///
    /// # Errors
    ///
    /// Why it cannot be encoded, as in [`SendError`].
    pub(crate) fn keep(
        &mut self,
        kind: Kind,
        id: u64,
        payload: Payload<'_>,
        room: Option<Room>,
    ) -> Result<(), String> {
        let mut bytes = Vec::new();
        let (written, attached) = attached_by(|| payload(&mut Writer::to_heap(&mut bytes)));
        match written {
            Ok(()) => {}
            Err(WriteError::Value(cause)) => return Err(cause),
            Err(WriteError::OutOfRoom) => return Err("there is no memory for it".to_owned()),
        }
        self.outbox.kept.push_back(Kept { kind, id, bytes, attached });
        self.outbox.room = self.outbox.room.or(room);
        Ok(())
    }

    /// Whether a message waits for room.
    #[inline]
    pub(crate) fn has_kept(&self) -> bool {
        !self.outbox.kept.is_empty()
    }

    /// Sends what is kept, as far as there is room now, and tells of each by its id; says whether nothing is
    /// kept any more.
    pub(crate) fn flush(&mut self, mut sent: impl FnMut(u64)) -> bool {
        self.outbox.room = None;
        while let Some(kept) = self.outbox.kept.front_mut() {
            match self.outgoing.send(kept.kind, kept.id, &|writer| kept.write(writer)) {
                Err(SendError::NoRoom(room)) => {
                    self.outbox.room = Some(room);
                    break;
                }
                // O2: in its place, before what comes behind it.
                Err(SendError::Value(cause)) => {
                    kept.give_up(&cause);
                    continue;
                }
                Err(SendError::Memory(error)) => {
                    kept.give_up(&error.to_string());
                    continue;
                }
                Ok(_) | Err(SendError::Gone) => sent(kept.id),
            }
            self.outbox.kept.pop_front();
        }
        self.outgoing.notify();
        self.outbox.kept.is_empty()
    }

    /// What this link waits for: a message, or room for what is kept (O1).
    pub(crate) fn interest(&self) -> Interest {
        match self.outbox.room {
            Some(room) if self.has_kept() => Interest { message: false, room: Some(room) },
            _ => Interest::MESSAGE,
        }
    }
}

impl Kept {
    /// Becomes the word that it cannot be sent.
    fn give_up(&mut self, cause: &str) {
        // As in `actor::reply`: the caller of a backend in such a state is better off with its end.
        assert!(self.kind != Kind::NotEncoded, "no memory for an error report: {cause}");
        let mut bytes = Vec::new();
        let report = EncodeError::of_kept_message(cause);
        let written = codec::encode(&report, &mut Writer::to_heap(&mut bytes));
        assert!(written.is_ok(), "no memory for an error report: {cause}");
        (self.kind, self.bytes, self.attached) = (Kind::NotEncoded, bytes, None);
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        attach_again(&self.attached).map_err(WriteError::Value)?;
        writer.extend(&self.bytes).map_err(|_| WriteError::OutOfRoom)
    }
}
