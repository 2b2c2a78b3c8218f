//! The sending half of a shared link.
//! Not here: sleeping for room (`incoming`), because whoever does must take in messages too.
//! Layer 3: over `ring::Producer`.
//!
//! A payload takes one of three ways, by its encoded length: in the record itself; in one region of
//! the extension; or, beyond half the extension, encoded to the heap and sent in pieces.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::extension::{Extension, Region};
use super::layout::{Direction, TAKEN_POSITION_OFFSET};
use super::side::Side;
use super::{FLAG_EXTERNAL, FLAG_MORE, FLAG_WITHDRAWN};
use crate::link::{Payload, Room, SendError, Sent};
use crate::ring::waiting::{MESSAGE_BIT, ROOM_BIT};
use crate::ring::{Full, Header, Memory, Producer};
use crate::sys::cpu;
use crate::wire::codec::WriteError;
use crate::wire::kind::Kind;
use crate::wire::writer::Writer;

/// See [`super::super::Outgoing`].
#[derive(Debug)]
pub(crate) struct Outgoing {
    side: Arc<Side>,
    producer: Producer,
    payload_max_bytes: usize,
    extension: Extension,
    extension_offset: usize,
    /// A message that goes out in pieces, and is not out yet.
    pieces: Option<Pieces>,
}

#[derive(Debug)]
struct Pieces {
    kind: Kind,
    id: u64,
    payload: Vec<u8>,
    sent_bytes: usize,
    withdrawn: bool,
}

/// Bytes of the record that names a region: its offset and the length of the payload.
const REGION_BYTES: usize = 16;

impl Outgoing {
    pub(super) fn new(side: Arc<Side>, direction: Direction) -> Self {
        let geometry = side.layout.ring(direction);
        let (extension_offset, extension_bytes) = side.layout.extension(direction);
        Self {
            side,
            producer: Producer::new(geometry),
            payload_max_bytes: geometry.payload_max_bytes(),
            extension: Extension::new(extension_bytes),
            extension_offset,
            pieces: None,
        }
    }

    #[inline]
    pub(crate) fn send(&mut self, kind: Kind, id: u64, payload: Payload<'_>) -> Result<Sent, SendError> {
        if self.pieces.is_some() {
            return self.send_after_pieces(kind, id, payload);
        }
        let memory = &self.side.memory;
        if let Some(reservation) = self.producer.reserve_some(memory, self.payload_max_bytes) {
            let start = reservation.payload_offset;
            let mut writer = Writer::to_shared(memory, start, reservation.payload_room_bytes);
            match payload(&mut writer) {
                Ok(()) => {
                    let header = header(kind, 0, writer.end() - start);
                    self.producer.commit(memory, reservation, header, id);
                    return Ok(self.sent());
                }
                Err(WriteError::Value(cause)) => return Err(SendError::Value(cause)),
                Err(WriteError::OutOfRoom) => {}
            }
        }
        self.send_measured(kind, id, payload)
    }

    /// Sends a payload for which the room at hand was too short.
    #[cold]
    fn send_measured(&mut self, kind: Kind, id: u64, payload: Payload<'_>) -> Result<Sent, SendError> {
        let mut counter = Writer::to_nowhere();
        written(payload(&mut counter))?;
        let length_bytes = counter.end();
        if length_bytes <= self.payload_max_bytes {
            let memory = &self.side.memory;
            let reservation = self.producer.reserve(memory, length_bytes)?;
            let mut writer = Writer::to_shared(memory, reservation.payload_offset, length_bytes);
            written(payload(&mut writer))?;
            let header = header(kind, 0, writer.end() - reservation.payload_offset);
            self.producer.commit(memory, reservation, header, id);
            return Ok(self.sent());
        }
        if length_bytes <= self.extension.payload_max_bytes() {
            return self.send_external(kind, id, 0, length_bytes, payload);
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(length_bytes)
            .map_err(|error| SendError::Memory(std::io::Error::other(error)))?;
        written(payload(&mut Writer::to_heap(&mut bytes)))?;
        self.pieces = Some(Pieces { kind, id, payload: bytes, sent_bytes: 0, withdrawn: false });
        self.send_pieces()
    }

    fn send_external(
        &mut self,
        kind: Kind,
        id: u64,
        flags: u8,
        length_bytes: usize,
        payload: Payload<'_>,
    ) -> Result<Sent, SendError> {
        let memory = &self.side.memory;
        let read_position = self.producer.read_position(memory);
        let region = match self.extension.find(length_bytes, read_position) {
            Ok(region) => region,
            Err(until_position) => return Err(SendError::NoRoom(Room { until_position })),
        };
        let reservation = self.producer.reserve(memory, REGION_BYTES)?;
        self.populate(region)?;
        let offset = self.extension_offset + region.start;
        let mut writer = Writer::to_shared(memory, offset, length_bytes);
        written(payload(&mut writer))?;
        let written_bytes = writer.end() - offset;
        memory.write(reservation.payload_offset, &(region.start as u64).to_le_bytes());
        memory.write(reservation.payload_offset + 8, &(written_bytes as u64).to_le_bytes());
        let header = header(kind, flags | FLAG_EXTERNAL, REGION_BYTES);
        self.producer.commit(memory, reservation, header, id);
        self.extension.hold(region, self.producer.write_position());
        Ok(self.sent())
    }

    fn populate(&self, region: Region) -> Result<(), SendError> {
        let missing_bytes = region.end - region.unpopulated_from;
        if missing_bytes == 0 {
            return Ok(());
        }
        let offset = self.extension_offset + region.unpopulated_from;
        self.side.memory.populate(offset, missing_bytes).map_err(SendError::Memory)
    }

    #[cold]
    fn send_after_pieces(&mut self, kind: Kind, id: u64, payload: Payload<'_>) -> Result<Sent, SendError> {
        let same = self.pieces.as_ref().is_some_and(|pieces| pieces.id == id && !pieces.withdrawn);
        let sent = self.send_pieces()?;
        // What was left over of a withdrawn message is out of the way now.
        if same { Ok(sent) } else { self.send(kind, id, payload) }
    }

    fn send_pieces(&mut self) -> Result<Sent, SendError> {
        let Some(mut pieces) = self.pieces.take() else { return Ok(self.sent()) };
        let result = self.send_rest_of(&mut pieces);
        if matches!(result, Err(SendError::NoRoom(_))) {
            self.pieces = Some(pieces);
        }
        result
    }

    fn send_rest_of(&mut self, pieces: &mut Pieces) -> Result<Sent, SendError> {
        if pieces.withdrawn {
            let reservation = self.producer.reserve(&self.side.memory, 0)?;
            let header = header(pieces.kind, FLAG_WITHDRAWN, 0);
            self.producer.commit(&self.side.memory, reservation, header, pieces.id);
            return Ok(self.sent());
        }
        // Two pieces fit at a time, so that one is read while the next is written.
        let piece_max_bytes = self.extension.payload_max_bytes();
        while pieces.sent_bytes < pieces.payload.len() {
            let rest = &pieces.payload[pieces.sent_bytes..];
            let piece = &rest[..rest.len().min(piece_max_bytes)];
            let flags = if piece.len() < rest.len() { FLAG_MORE } else { 0 };
            let write = |writer: &mut Writer<'_>| writer.extend(piece).map_err(|_| WriteError::OutOfRoom);
            self.send_external(pieces.kind, pieces.id, flags, piece.len(), &write)?;
            pieces.sent_bytes += piece.len();
            // Each piece is worth waking for: the next needs the room of the one before.
            self.side.notify(MESSAGE_BIT);
        }
        Ok(self.sent())
    }

    fn sent(&self) -> Sent {
        Sent { position: self.producer.write_position() }
    }

    pub(crate) fn was_taken(&self, sent: Sent) -> bool {
        // Acquire is not needed: the one who wrote it is dead, and its end orders everything.
        self.side.memory.load(TAKEN_POSITION_OFFSET, Ordering::Relaxed) >= sent.position
    }

    #[inline]
    pub(crate) fn notify(&mut self) {
        self.side.notify(MESSAGE_BIT);
    }

    pub(crate) fn withdraw(&mut self) -> bool {
        match &mut self.pieces {
            Some(pieces) if pieces.sent_bytes == 0 => self.pieces = None,
            Some(pieces) => pieces.withdrawn = true,
            None => {}
        }
        true
    }

    pub(crate) fn alarm_for(&mut self, room: Room) -> bool {
        self.side.announce_waiting(ROOM_BIT);
        self.producer.read_position(&self.side.memory) >= room.until_position
    }
}

impl From<Full> for SendError {
    fn from(full: Full) -> Self {
        Self::NoRoom(Room { until_position: full.until_position })
    }
}

fn written(result: Result<(), WriteError>) -> Result<(), SendError> {
    match result {
        Ok(()) => Ok(()),
        Err(WriteError::Value(cause)) => Err(SendError::Value(cause)),
        // The value had the room that it took a moment ago.
        Err(WriteError::OutOfRoom) => Err(SendError::Value("it encodes differently each time".to_owned())),
    }
}

fn header(kind: Kind, flags: u8, length_bytes: usize) -> Header {
    let length_bytes = u32::try_from(length_bytes).expect("a record is shorter than its ring");
    Header { length_bytes, kind: kind as u8, flags, cpu: cpu::current() }
}
