//! Room for payloads too long for the ring, given out and taken back in order.
//! Not here: the records in the ring that say where such a payload lies.
//! Layer 3: pure arithmetic over positions of the ring.
//!
//! * X1: a region is taken back only when the consumer has released the record that named it, so the
//!   two sides never touch one region at a time.
//! * X2: regions begin and end on multiples of [`UNIT_BYTES`], a multiple of every page size, so pages
//!   belong to one region only.

use std::collections::VecDeque;

/// What regions are multiples of.
pub(super) const UNIT_BYTES: usize = 64 * 1024;
/// How much of an extension keeps its pages once used; what lies behind goes back to the system.
///
/// Two payloads of 16 MiB: a reply may be here before the region of its request is free, so the next request lies
/// behind it, and to populate that again each time would take ten times as long as to fill it.
pub(super) const RETAINED_BYTES: usize = 40 * 1024 * 1024;

/// The producer's book of one extension.
#[derive(Debug)]
pub(super) struct Extension {
    length_bytes: usize,
    held: VecDeque<Held>,
    /// Everything below has pages.
    populated_bytes: usize,
}

#[derive(Debug)]
struct Held {
    start: usize,
    end: usize,
    /// Free once the consumer's position has reached this.
    until_position: u64,
}

/// A region, by offset in the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) start: usize,
    pub(super) end: usize,
    /// From where on pages may be missing.
    pub(super) unpopulated_from: usize,
}

impl Extension {
    pub(super) fn new(length_bytes: usize) -> Self {
        Self { length_bytes, held: VecDeque::new(), populated_bytes: 0 }
    }

    /// Longest payload that has a region in the long run.
    pub(super) fn payload_max_bytes(&self) -> usize {
        self.length_bytes / 2
    }

    /// Finds a region, or says which position the consumer must reach for one.
    pub(super) fn find(&mut self, payload_bytes: usize, read_position: u64) -> Result<Region, u64> {
        while self.held.front().is_some_and(|held| held.until_position <= read_position) {
            self.held.pop_front();
        }
        let wanted = payload_bytes.next_multiple_of(UNIT_BYTES);
        let start = match (self.held.front(), self.held.back()) {
            // Nothing is held: the lowest addresses are the ones most likely to have pages.
            (None, _) | (_, None) => 0,
            (Some(first), Some(last)) if last.end > first.start => {
                if self.length_bytes - last.end >= wanted {
                    last.end
                } else if first.start >= wanted {
                    0
                } else {
                    return Err(first.until_position);
                }
            }
            (Some(first), Some(last)) if first.start - last.end >= wanted => last.end,
            (Some(first), Some(_)) => return Err(first.until_position),
        };
        let unpopulated_from = self.populated_bytes.min(RETAINED_BYTES).clamp(start, start + wanted);
        Ok(Region { start, end: start + wanted, unpopulated_from })
    }

    /// Holds a region until the consumer's position has reached `until_position` (X1).
    pub(super) fn hold(&mut self, region: Region, until_position: u64) {
        if region.start <= self.populated_bytes {
            self.populated_bytes = self.populated_bytes.max(region.end);
        }
        self.held.push_back(Held { start: region.start, end: region.end, until_position });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(region: Region) -> (usize, usize) {
        (region.start / UNIT_BYTES, region.end / UNIT_BYTES)
    }

    #[test]
    fn regions_follow_each_other_wrap_and_come_back_in_order() {
        let mut extension = Extension::new(4 * UNIT_BYTES);
        for (turn, expected) in [(1_u64, (0, 2)), (2, (2, 4))] {
            let region = extension.find(UNIT_BYTES + 1, 0).unwrap();
            assert_eq!(place(region), expected);
            extension.hold(region, turn);
        }
        assert_eq!(extension.find(1, 0), Err(1));
        let wrapped = extension.find(1, 1).unwrap();
        assert_eq!(place(wrapped), (0, 1));
        extension.hold(wrapped, 3);
        assert_eq!(extension.find(2 * UNIT_BYTES, 1), Err(2));
        assert_eq!(place(extension.find(2 * UNIT_BYTES, 2).unwrap()), (1, 3));
        assert_eq!(place(extension.find(2 * UNIT_BYTES, 3).unwrap()), (0, 2));
    }

    #[test]
    fn pages_that_went_back_are_populated_again() {
        let mut extension = Extension::new(2 * RETAINED_BYTES);
        let long = extension.find(2 * RETAINED_BYTES, 0).unwrap();
        assert_eq!(long.unpopulated_from, 0);
        extension.hold(long, 1);
        assert_eq!(extension.find(2 * RETAINED_BYTES, 1).unwrap().unpopulated_from, RETAINED_BYTES);
        assert_eq!(extension.find(UNIT_BYTES, 1).unwrap().unpopulated_from, UNIT_BYTES);
    }
}
