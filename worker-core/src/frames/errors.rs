//! What can go wrong with a ring that stands: one type per operation.
//! Not here: making or receiving one, which gives an `io::Error` that says what is the matter.
//! Layer 6: plain data.

use std::{fmt, io};

/// Why a frame could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// Every reader is gone, and there can never be another: readers are made from readers.
    NoReaders,
    /// No slot came free before the deadline; only under [`Overflow::Block`](super::Overflow::Block).
    TimedOut,
    /// This writer was sent to another process, which writes now; or this is a fork of the process that writes.
    Sent,
    /// The slice has another length than a frame of the ring.
    Length {
        /// Elements of a frame of this ring.
        expected: usize,
        /// Elements of the slice.
        found: usize,
    },
    /// The system refused to wait.
    Io(io::Error),
}

/// Why there is no frame, and will be none.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// The writer is gone, and every frame that it left has been read.
    WriterGone,
    /// This reader was sent to another process, which reads now; or this is a fork of the process that reads.
    Sent,
    /// The system refused to wait.
    Io(io::Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReaders => formatter.write_str("every reader of the ring is gone"),
            Self::TimedOut => formatter.write_str("no slot of the ring came free before the deadline"),
            Self::Sent => formatter.write_str(
                "this writer is in another process, to which it was sent, or of which this is a fork; a ring has \
                 one writer, and it is there",
            ),
            Self::Length { expected, found } => {
                write!(formatter, "a frame of this ring has {expected} elements, not {found}")
            }
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriterGone => {
                formatter.write_str("the writer of the ring is gone, and every frame is read")
            }
            Self::Sent => formatter.write_str(
                "this reader is in another process, to which it was sent, or of which this is a fork; make another \
                 one with `try_clone` before, and send that",
            ),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

// No `source()`: the text already tells the cause, and a chain printer must not say it twice.
impl std::error::Error for WriteError {}
impl std::error::Error for RecvError {}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<io::Error> for RecvError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
