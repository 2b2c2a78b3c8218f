//! serde values as postcard bytes, and back.
//! Not here: types that need more than serde (`portable`).
//! Layer 2: over `writer`.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use super::reason;
use super::writer::Writer;
use crate::errors::DecodeError;

/// Why nothing, or not all, was written.
#[derive(Debug)]
pub enum WriteError {
    /// The room ended first: try again with more.
    OutOfRoom,
    /// The value itself cannot be encoded, for this reason.
    Value(String),
}

/// Lets postcard write into a [`Writer`].
struct IntoWriter<'writer, 'target>(&'writer mut Writer<'target>);

impl Flavor for IntoWriter<'_, '_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend(bytes).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Encodes a serde value.
#[inline]
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, writer: &mut Writer<'_>) -> Result<(), WriteError> {
    postcard::serialize_with_flavor(value, IntoWriter(writer)).map_err(|error| match error {
        postcard::Error::SerializeBufferFull => WriteError::OutOfRoom,
        other => WriteError::Value(reason::text_of(&other)),
    })
}

/// Decodes a serde value that may borrow from the bytes; every byte must belong to it.
#[inline]
pub(crate) fn decode<'bytes, T: Deserialize<'bytes>>(bytes: &'bytes [u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => {
            let left = rest.len();
            Err(DecodeError::new::<T>(format_args!("{left} bytes were left over; {}", reason::WAY_OUT)))
        }
        Err(error) => Err(DecodeError::new::<T>(reason::text_of(&error))),
    }
}
