//! What can go wrong in a channel: one type per operation.
//! Not here: making one, which gives an `io::Error`.
//! Layer 5: plain data.

use std::{fmt, io};

use crate::errors::{DecodeError, EncodeError};

/// Why a value was not sent; it is in there, to be had back by [`SendError::into_inner`].
#[non_exhaustive]
pub enum SendError<T> {
    /// The receiver is gone, in whatever process it was.
    Disconnected(T),
    /// There is no room: now, for `try_send`; in time, for `send_timeout`. `send` waits instead.
    Full(T),
    /// The value cannot be encoded.
    Encode(T, EncodeError),
    /// The system refused: it has no memory for a long value, or no more descriptors.
    Io(T, io::Error),
}

/// Why there is no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// Every sender is gone, and everything that was sent has been received.
    Disconnected,
    /// This receiver was sent to another process, or another part of this one, which receives now.
    Sent,
    /// What came is no value of the type. It is gone; what comes next is not touched by that.
    Decode(DecodeError),
    /// The system refused.
    Io(io::Error),
}

impl<T> SendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Disconnected(value) | Self::Full(value) | Self::Encode(value, _) | Self::Io(value, _) => {
                value
            }
        }
    }
}

/// Without the value, which need not be `Debug`.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(_) => formatter.write_str("Disconnected(..)"),
            Self::Full(_) => formatter.write_str("Full(..)"),
            Self::Encode(_, error) => formatter.debug_tuple("Encode").field(error).finish_non_exhaustive(),
            Self::Io(_, error) => formatter.debug_tuple("Io").field(error).finish_non_exhaustive(),
        }
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(_) => formatter.write_str("the receiver of the channel is gone"),
            Self::Full(_) => formatter.write_str("the channel had no room"),
            Self::Encode(_, error) => error.fmt(formatter),
            Self::Io(_, error) => error.fmt(formatter),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => {
                formatter.write_str("every sender of the channel is gone, and everything is received")
            }
            Self::Sent => formatter.write_str(
                "this receiver was sent away; a channel has one, and it is where that message went",
            ),
            Self::Decode(error) => error.fmt(formatter),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

// No `source()`: the text already tells the cause, and a chain printer must not say it twice.
impl<T> std::error::Error for SendError<T> {}
impl std::error::Error for RecvError {}
