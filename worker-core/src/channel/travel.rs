//! Ends of channels as values of messages: senders are cloned, the receiver moves.
//! Not here: carrying descriptors (`wire::descriptors`).
//! Layer 5: over `sender` and `receiver`.

use std::os::fd::AsFd;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::end::End;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::wire::descriptors::note_leaving;
use crate::wire::lent::{Arrived, Lent};
use crate::wire::reason::not_encoded;

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Lent::from(self.socket.as_fd()).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arrived::deserialize(deserializer).map(|arrived| Self::new(arrived.into()))
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Q4. A message may be encoded more than once until it has room, so what counts is that it left.
        if self.is_spent() {
            return Err(not_encoded(super::RecvError::Sent));
        }
        let written = Lent::from(self.as_fd()).serialize(serializer)?;
        note_leaving(Arc::<End>::clone(&self.end));
        Ok(written)
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arrived::deserialize(deserializer).map(|arrived| Self::new(arrived.into()))
    }
}
