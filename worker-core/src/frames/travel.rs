//! Ends of a ring as arguments and results of calls: they move from process to process.
//! Not here: carrying descriptors (`wire::descriptors`).
//! Layer 6: over `registry`.
//!
//! To serialise an end is to send it away; the value that stays behind is spent. If the message never
//! arrives the end is closed with it, which its counterparts see as its death.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytemuck::Pod;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::control::Words;
use super::doorkeeper::{Doorkeeper, Known, Registrar};
use super::errors::{RecvError, WriteError};
use super::memory::{Mapped, Purpose};
use super::reader::FrameReader;
use super::registry;
use super::writer::FrameWriter;
use crate::sys::doorbell::{Bell, Sleeper};
use crate::wire::descriptors;
use crate::wire::reason::{not_decoded, not_encoded};

/// A reading end inside of a message.
#[derive(Serialize, Deserialize)]
struct TravellingReader {
    seat: u32,
    token: u64,
    object: u32,
    sleeper: u32,
    registrar: u32,
}

/// A writing end inside of a message.
#[derive(Serialize, Deserialize)]
struct TravellingWriter {
    epoch: u64,
    object: u32,
    registrar: u32,
    /// Tokens of the reading ends, and what each sleeps at.
    readers: Vec<(u64, u32)>,
}

impl<T: Pod, M: Pod> Serialize for FrameReader<T, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.mapped.is_ours() {
            return Err(not_encoded(RecvError::Sent));
        }
        if self.borrowed_count.get() > 0 {
            return Err(not_encoded("a frame of this reader is still borrowed"));
        }
        let travelling = TravellingReader {
            seat: u32::try_from(self.reading.seat()).map_err(not_encoded)?,
            token: self.token,
            object: attach(self.mapped.object.as_fd())?,
            sleeper: attach(self.sleeper.as_fd())?,
            registrar: attach(self.registrar.as_fd())?,
        };
        // A message may be encoded more than once until it has room, so this must bear repetition.
        registry::send_off(self.reading.control(), &self.mapped.words, self.reading.seat(), self.token);
        self.is_sent.set(true);
        descriptors::note_move();
        travelling.serialize(serializer)
    }
}

impl<'de, T: Pod, M: Pod> Deserialize<'de> for FrameReader<T, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let travelling = TravellingReader::deserialize(deserializer)?;
        let sleeper = Sleeper::from(detach::<D::Error>(travelling.sleeper)?);
        let registrar = Registrar::from(detach::<D::Error>(travelling.registrar)?);
        let mapped = Mapped::attach(detach::<D::Error>(travelling.object)?, Purpose::Read);
        let mapped = mapped.map_err(not_decoded)?;
        let (control, seat, token) = (mapped.sizes.control, travelling.seat as usize, travelling.token);
        if seat >= control.readers_max() || !registry::receive(&control, &mapped.words, seat, token) {
            return Err(not_decoded("this reader was received by another process already"));
        }
        Ok(Self::resume(Arc::new(mapped), seat, token, sleeper, registrar))
    }
}

impl<T: Pod, M: Pod> Serialize for FrameWriter<T, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.mapped.is_ours() {
            return Err(not_encoded(WriteError::Sent));
        }
        let attach_reader = |known: &Known| Ok((known.token, attach(known.bell.as_fd())?));
        let travelling = TravellingWriter {
            epoch: self.epoch,
            object: attach(self.mapped.object.as_fd())?,
            registrar: attach(self.doorkeeper.registrar().as_fd())?,
            readers: self.doorkeeper.known().iter().map(attach_reader).collect::<Result<_, S::Error>>()?,
        };
        self.is_sent.set(true);
        descriptors::note_move();
        travelling.serialize(serializer)
    }
}

impl<'de, T: Pod, M: Pod> Deserialize<'de> for FrameWriter<T, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let travelling = TravellingWriter::deserialize(deserializer)?;
        let registrar = detach::<D::Error>(travelling.registrar)?;
        let object = detach::<D::Error>(travelling.object)?;
        let receive_reader =
            |(token, bell)| Ok(Known::new(token, Bell::that_shows_death(detach::<D::Error>(bell)?)));
        let known = travelling.readers.into_iter().map(receive_reader).collect::<Result<_, D::Error>>()?;
        let mapped = Mapped::attach(object, Purpose::Write).map_err(not_decoded)?;
        let (epoch, next) = (travelling.epoch, travelling.epoch.wrapping_add(1));
        // W1. Relaxed: the message orders everything before it; atomicity is what counts.
        if !mapped.words.exchange(mapped.sizes.control.epoch(), epoch, next, Ordering::Relaxed) {
            return Err(not_decoded(
                "a ring of frames has one writer, and another process received it already",
            ));
        }
        Ok(Self::resume(mapped, Doorkeeper::new(registrar, known), next))
    }
}

fn attach<E: serde::ser::Error>(descriptor: BorrowedFd<'_>) -> Result<u32, E> {
    let owned: io::Result<OwnedFd> = descriptor.try_clone_to_owned();
    descriptors::attach(owned.map_err(not_encoded)?).map_err(not_encoded)
}

fn detach<E: serde::de::Error>(number: u32) -> Result<OwnedFd, E> {
    descriptors::detach(number).map_err(not_decoded)
}
