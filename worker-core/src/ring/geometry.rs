//! Where a ring lies in its memory, and the arithmetic of positions.
//! Not here: who may move which position (`producer`, `consumer`).
//! Layer 2: pure numbers.

use super::{LINE_BYTES, PAYLOAD_OFFSET_BYTES};

/// Place and size of one ring.
///
/// A position counts bytes since the ring began and never wraps in the life of a computer: 2^64
/// bytes at 100 GB/s take five years.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// Offset of the first line in the memory.
    pub(crate) base_bytes: usize,
    /// Size of the ring; a power of two and at least four lines.
    pub(crate) capacity_bytes: usize,
    /// Offset of the word that holds `read_position`.
    pub(crate) read_position_offset: usize,
}

impl Geometry {
    /// Longest payload that fits into the ring in the long run, whatever the positions are.
    ///
    /// Half the ring less a line: then it fits before the end or, after padding, before the
    /// position, once everything is read.
    pub(crate) fn payload_max_bytes(&self) -> usize {
        self.capacity_bytes / 2 - LINE_BYTES - PAYLOAD_OFFSET_BYTES
    }

    /// Offset in the memory of the line at `position`.
    #[inline]
    pub(super) fn offset_of(&self, position: u64) -> usize {
        self.base_bytes + self.within(position)
    }

    /// Bytes from `position` to the end of the ring.
    #[inline]
    pub(super) fn until_end(&self, position: u64) -> usize {
        self.capacity_bytes - self.within(position)
    }

    #[inline]
    fn within(&self, position: u64) -> usize {
        let mask = self.capacity_bytes as u64 - 1;
        usize::try_from(position & mask).expect("a position within a ring fits into usize")
    }
}

/// Bytes that a record with this payload takes: whole lines.
#[inline]
pub(super) fn record_bytes(payload_bytes: usize) -> usize {
    (PAYLOAD_OFFSET_BYTES + payload_bytes).next_multiple_of(LINE_BYTES)
}
