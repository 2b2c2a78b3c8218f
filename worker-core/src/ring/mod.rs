//! One-way byte ring in memory that two processes share: records in, records out, in order.
//! Not here: waiting, waking, and what a record means (`link`, `wire`).
//! Layer 2: above `sys`, and free of unsafe code: the memory is reached through [`Memory`].
//!
//! # Protocol
//!
//! One producer, one consumer. A ring is `capacity` bytes of zeroed memory, cut into *lines* of 64
//! bytes; a record takes whole lines and never wraps. Its first word is the *header word*: zero
//! means "nothing here yet", anything else publishes the record.
//!
//! ```text
//! offset in the record | size | what                                   | written by
//! 0                    | 8    | header word: length, kind, flags, cpu  | producer, last
//! 8                    | 8    | id                                     | producer
//! 16                   | n    | payload                                | producer
//! ```
//!
//! * R1: when a record is published, the header word of the line behind it is zero: made so before, or with the record
//!   before. So the consumer, wherever it has arrived, finds zero there or a whole record, never old bytes.
//! * R2: the producer writes only to lines between its position and `read_position + capacity`;
//!   the consumer reads only published records, and moves `read_position` past them when done.
//!   So nobody writes what somebody reads.
//! * R3: a record that would not fit before the end is preceded by a padding record to the end.
//!
//! | `SYNC` label | publishes | release | acquire |
//! | --- | --- | --- | --- |
//! | record | the record and the zero behind it | producer stores the header word | consumer loads it |
//! | space  | that the lines are free again | consumer stores `read_position` | producer loads it |

mod consumer;
mod geometry;
#[cfg(all(test, worker_model))]
mod model;
mod producer;
#[cfg(test)]
mod tests;
pub(crate) mod waiting;
mod words;

pub(crate) use consumer::{Consumer, Record};
pub(crate) use geometry::Geometry;
pub(crate) use producer::{Full, Producer, Reservation};

use std::sync::atomic::Ordering;

/// Size of a line, the unit of space in a ring: what one processor hands to another at a time.
pub(crate) const LINE_BYTES: usize = 64;
/// Where in a record its payload begins.
pub(crate) const PAYLOAD_OFFSET_BYTES: usize = 16;

/// The words of a piece of shared memory, by byte offset.
pub(crate) trait Memory {
    /// Loads the word at an offset that is a multiple of eight.
    fn load(&self, offset_bytes: usize, order: Ordering) -> u64;
    /// Stores it.
    fn store(&self, offset_bytes: usize, value: u64, order: Ordering);
    /// Stores it and returns what was there.
    fn swap(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64;
    /// Sets bits of it and returns what was there.
    fn or(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64;
    /// A sequentially consistent fence.
    fn fence(&self);
}

/// The first word of a record. `Header::default()` is not publishable; see [`Header::new`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of payload in the record.
    pub(crate) length_bytes: u32,
    /// What kind of record it is; never zero.
    pub(crate) kind: u8,
    /// Flags of the layers above.
    pub(crate) flags: u8,
    /// Processor that the producer ran on.
    pub(crate) cpu: u16,
}

/// Kind of the records that only fill the rest of a ring.
pub(crate) const KIND_PADDING: u8 = u8::MAX;

impl Header {
    fn to_word(self) -> u64 {
        u64::from(self.length_bytes)
            | u64::from(self.kind) << 32
            | u64::from(self.flags) << 40
            | u64::from(self.cpu) << 48
    }

    #[allow(clippy::cast_possible_truncation)] // Each cast takes just the bits of its field.
    fn from_word(word: u64) -> Self {
        Self {
            length_bytes: word as u32,
            kind: (word >> 32) as u8,
            flags: (word >> 40) as u8,
            cpu: (word >> 48) as u16,
        }
    }
}
