//! A value that could not be turned into bytes, or bytes that are no such value.
//! Not here: the encoding itself (`wire`).
//! Layer 0: plain data.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that could not be encoded for the other side; the actor lives on.
///
/// The usual cause is a serde feature that the postcard format cannot carry: `flatten`, `untagged`
/// and internally tagged enums, `skip_serializing_if`, sequences of unknown length. A lack of memory for the
/// message is told by this error too; the text says so.
///
/// # Source
///
/// <https://postcard.jamesmunns.com/wire-format>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodeError {
    type_name: String,
    cause: String,
}

/// Bytes that could not be decoded as the expected type; the actor lives on.
///
/// The usual cause is a serde feature that the postcard format cannot carry: `flatten`,
/// `untagged`, `skip_serializing_if`, or a type that asks the format what comes next
/// (`deserialize_any`). A message for which there was no memory, or which is longer than
/// [`Builder::reply_max_bytes`](crate::Builder::reply_max_bytes), is told by this error too; the text says so.
///
/// # Source
///
/// <https://postcard.jamesmunns.com/wire-format>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodeError {
    type_name: String,
    cause: String,
}

impl EncodeError {
    pub(crate) fn new<T: ?Sized>(cause: impl fmt::Display) -> Self {
        Self { type_name: std::any::type_name::<T>().to_owned(), cause: cause.to_string() }
    }

    /// Of a message that was encoded, and could not be sent when there was room for it.
    pub(crate) fn of_kept_message(cause: impl fmt::Display) -> Self {
        Self { type_name: String::new(), cause: cause.to_string() }
    }

    /// Name of the type that could not be encoded; empty if it was encoded and could not be sent later.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.type_name
    }
}

impl DecodeError {
    pub(crate) fn new<T: ?Sized>(cause: impl fmt::Display) -> Self {
        Self { type_name: std::any::type_name::<T>().to_owned(), cause: cause.to_string() }
    }

    /// Of a message that came without its bytes.
    pub(crate) fn of_lost_message(cause: impl fmt::Display) -> Self {
        Self { type_name: String::new(), cause: cause.to_string() }
    }

    /// Name of the type that the bytes should have been; empty if there was no room to take them in.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.type_name
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.type_name.is_empty() {
            return write!(formatter, "the message could not be sent: {}", self.cause);
        }
        write!(formatter, "a value of `{}` cannot be encoded: {}", self.type_name, self.cause)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.type_name.is_empty() {
            return write!(formatter, "the message could not be taken in: {}", self.cause);
        }
        write!(formatter, "the bytes are no `{}`: {}", self.type_name, self.cause)
    }
}

impl std::error::Error for EncodeError {}
impl std::error::Error for DecodeError {}
