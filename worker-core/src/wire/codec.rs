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
    decode_with(bytes, |value| value)
}

/// As [`decode`], and uses the value where it is: to hand it on takes longer than to decode it, if it is short.
#[inline]
pub(crate) fn decode_with<'bytes, T: Deserialize<'bytes>, R>(
    bytes: &'bytes [u8],
    then: impl FnOnce(T) -> R,
) -> Result<R, DecodeError> {
    let mut deserializer = postcard::Deserializer::from_bytes(bytes);
    match T::deserialize(&mut deserializer) {
        Ok(value) => match deserializer.finalize() {
            Ok([]) => Ok(then(value)),
            Ok(rest) => Err(left_over::<T>(rest.len())),
            Err(error) => Err(not_decoded::<T>(&error)),
        },
        Err(error) => Err(not_decoded::<T>(&error)),
    }
}

#[cold]
fn left_over<T>(left_bytes: usize) -> DecodeError {
    DecodeError::new::<T>(format_args!("{left_bytes} bytes were left over; {}", reason::WAY_OUT))
}

#[cold]
fn not_decoded<T>(error: &postcard::Error) -> DecodeError {
    DecodeError::new::<T>(reason::text_of(error))
}
