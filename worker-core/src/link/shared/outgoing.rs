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
use super::parcels::Parcels;
use super::side::Side;
use super::{FLAG_EXTERNAL, FLAG_MORE, FLAG_WITHDRAWN};
use crate::link::beside::Beside;
use crate::link::{Payload, Room, SendError, Sent};
use crate::ring::waiting::{MESSAGE_BIT, ROOM_BIT};
use crate::ring::{Full, Header, Memory, Producer, Reservation};
use crate::sys::cpu;
use crate::wire::codec::WriteError;
use crate::wire::descriptors::{Attached, Parcel, attached_by};
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
    parcels: Parcels,
    /// A message that goes out in pieces, and is not out yet.
    pieces: Option<Pieces>,
}

#[derive(Debug)]
struct Pieces {
    kind: Kind,
    id: u64,
    payload: Vec<u8>,
    attached: Attached,
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
            parcels: Parcels::default(),
            pieces: None,
        }
    }

    #[inline]
    pub(crate) fn send(&mut self, kind: Kind, id: u64, payload: Payload<'_>) -> Result<Sent, SendError> {
        if self.pieces.is_some() {
            return self.send_after_pieces(kind, id, payload);
        }
        let memory = &self.side.memory;
        if !memory.is_here() {
            // A fork of the process that has this end. At these addresses may lie what it has made itself.
            return Err(SendError::Gone);
        }
        if let Some(reservation) = self.producer.reserve_some(memory, self.payload_max_bytes) {
            let start = reservation.payload_offset;
            let mut writer = Writer::to_shared(memory, start, reservation.payload_room_bytes);
            let (result, attached) = attached_by(|| payload(&mut writer));
            match result {
                Ok(()) => {
                    let length_bytes = writer.end() - start;
                    return self.commit(reservation, kind, 0, length_bytes, id, attached.as_deref());
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
        let (result, attached) = attached_by(|| payload(&mut counter));
        written(result)?;
        // What was only counted goes nowhere.
        drop(attached);
        let length_bytes = counter.end();
        if length_bytes <= self.payload_max_bytes {
            let memory = &self.side.memory;
            let reservation = self.producer.reserve(memory, length_bytes)?;
            let mut writer = Writer::to_shared(memory, reservation.payload_offset, length_bytes);
            let (result, attached) = attached_by(|| payload(&mut writer));
            written(result)?;
            let length_bytes = writer.end() - reservation.payload_offset;
            return self.commit(reservation, kind, 0, length_bytes, id, attached.as_deref());
        }
        if length_bytes <= self.extension.payload_max_bytes() {
            return self.send_external(kind, id, 0, length_bytes, payload, None);
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(length_bytes)
            .map_err(|error| SendError::Memory(std::io::Error::other(error)))?;
        let (result, attached) = attached_by(|| payload(&mut Writer::to_heap(&mut bytes)));
        written(result)?;
        self.pieces = Some(Pieces { kind, id, payload: bytes, attached, sent_bytes: 0, withdrawn: false });
        self.send_pieces()
    }

    fn send_external(
        &mut self,
        kind: Kind,
        id: u64,
        flags: u8,
        length_bytes: usize,
        payload: Payload<'_>,
        attached_before: Option<&Parcel>,
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
        let (result, attached) = attached_by(|| payload(&mut writer));
        written(result)?;
        let written_bytes = writer.end() - offset;
        memory.write(reservation.payload_offset, &(region.start as u64).to_le_bytes());
        memory.write(reservation.payload_offset + 8, &(written_bytes as u64).to_le_bytes());
        let parcel = attached.as_deref().or(attached_before);
        let sent = self.commit(reservation, kind, flags | FLAG_EXTERNAL, REGION_BYTES, id, parcel)?;
        self.extension.hold(region, self.producer.write_position());
        Ok(sent)
    }

    /// Publishes a record; what is attached to its message goes ahead.
    #[inline]
    fn commit(
        &mut self,
        reservation: Reservation,
        kind: Kind,
        mut flags: u8,
        length_bytes: usize,
        id: u64,
        parcel: Option<&Parcel>,
    ) -> Result<Sent, SendError> {
        let memory = &self.side.memory;
        if let Some(parcel) = parcel {
            let read_position = self.producer.read_position(memory);
            flags |= self.parcels.send_ahead(&self.side.beside, parcel, read_position)?;
        }
        self.producer.commit(memory, reservation, header(kind, flags, length_bytes), id);
        if parcel.is_some() {
            self.parcels.follow(self.producer.write_position());
        }
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
        if !self.side.memory.is_here() {
            return Err(SendError::Gone);
        }
        let same = self.pieces.as_ref().is_some_and(|pieces| pieces.id == id && !pieces.withdrawn);
        let sent = self.send_pieces()?;
        // What was left over of a withdrawn message is out of the way now.
        if same { Ok(sent) } else { self.send(kind, id, payload) }
    }

    fn send_pieces(&mut self) -> Result<Sent, SendError> {
        let Some(mut pieces) = self.pieces.take() else { return Ok(self.sent()) };
        let result = self.send_rest_of(&mut pieces);
        match &result {
            Err(SendError::NoRoom(_)) => self.pieces = Some(pieces),
            // What is out of it is called back before the next message, which would be taken for a part of it.
            Err(SendError::Memory(_) | SendError::Value(_)) if pieces.sent_bytes > 0 => {
                pieces.withdrawn = true;
                pieces.attached = None;
                self.pieces = Some(pieces);
            }
            _ => {}
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
            let is_last = piece.len() == rest.len();
            let flags = if is_last { 0 } else { FLAG_MORE };
            let write = |writer: &mut Writer<'_>| writer.extend(piece).map_err(|_| WriteError::OutOfRoom);
            let parcel = pieces.attached.as_deref().filter(|_| is_last);
            self.send_external(pieces.kind, pieces.id, flags, piece.len(), &write, parcel)?;
            pieces.sent_bytes += piece.len();
            // Each piece is worth waking for: the next needs the room of the one before.
            self.side.notify(MESSAGE_BIT);
        }
        Ok(self.sent())
    }

    #[inline]
    fn sent(&self) -> Sent {
        Sent { position: self.producer.write_position() }
    }

    pub(crate) fn was_taken(&self, sent: Sent) -> bool {
        if !self.side.memory.is_here() {
            return true;
        }
        // Acquire is not needed: the one who wrote it is dead, and its end orders everything.
        self.side.memory.load(TAKEN_POSITION_OFFSET, Ordering::Relaxed) >= sent.position
    }

    #[inline]
    pub(crate) fn notify(&mut self) -> bool {
        self.side.memory.is_here() && self.side.notify(MESSAGE_BIT)
    }

    pub(crate) fn withdraw(&mut self) {
        match &mut self.pieces {
            Some(pieces) if pieces.sent_bytes == 0 => self.pieces = None,
            Some(pieces) => pieces.withdrawn = true,
            None => {}
        }
    }

    pub(crate) fn beside(&self) -> Arc<Beside> {
        Arc::clone(&self.side.beside)
    }

    pub(super) fn side(&self) -> Arc<Side> {
        Arc::clone(&self.side)
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

#[inline]
fn header(kind: Kind, flags: u8, length_bytes: usize) -> Header {
    let length_bytes = u32::try_from(length_bytes).expect("a record is shorter than its ring");
    Header { length_bytes, kind: kind as u8, flags, cpu: cpu::current() }
}
