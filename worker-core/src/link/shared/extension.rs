//! Room for payloads too long for the ring: the lowest that is free, taken back in the order of the records.
//! Not here: the records in the ring that say where such a payload lies.
//! Layer 3: pure arithmetic over positions of the ring.
//!
//! * X1: a region is taken back only when the consumer has released the record that named it, so the
//!   two sides never touch one region at a time.
//! * X2: regions begin and end on multiples of [`UNIT_BYTES`], a multiple of every page size, so pages
//!   belong to one region only.
//! * X3: a region lies as low as it can. So payloads that follow each other use few places in turn, whose pages are there
//!   and may still be in the caches, and not the whole extension.

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
    /// In the order in which they come back.
    held: VecDeque<Held>,
    /// Starts and ends of the same, by address.
    taken: Vec<(usize, usize)>,
    /// Everything below has pages.
    populated_bytes: usize,
}

#[derive(Debug)]
struct Held {
    start: usize,
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
        Self { length_bytes, held: VecDeque::new(), taken: Vec::new(), populated_bytes: 0 }
    }

    /// Longest payload that has a region in the long run.
    pub(super) fn payload_max_bytes(&self) -> usize {
        self.length_bytes / 2
    }

    /// Finds a region, or says which position the consumer must reach for one.
    pub(super) fn find(&mut self, payload_bytes: usize, read_position: u64) -> Result<Region, u64> {
        while let Some(first) = self.held.front().filter(|held| held.until_position <= read_position) {
            if let Ok(at) = self.taken.binary_search_by_key(&first.start, |&(start, _)| start) {
                self.taken.remove(at);
            }
            self.held.pop_front();
        }
        let wanted = payload_bytes.next_multiple_of(UNIT_BYTES);
        let mut start = 0;
        for &(next_start, next_end) in &self.taken {
            if next_start - start >= wanted {
                break;
            }
            start = next_end;
        }
        if self.length_bytes - start < wanted
            && let Some(first) = self.held.front()
        {
            return Err(first.until_position);
        }
        let unpopulated_from = self.populated_bytes.min(RETAINED_BYTES).clamp(start, start + wanted);
        Ok(Region { start, end: start + wanted, unpopulated_from })
    }

    /// Holds a region until the consumer's position has reached `until_position` (X1).
    pub(super) fn hold(&mut self, region: Region, until_position: u64) {
        if region.start <= self.populated_bytes {
            self.populated_bytes = self.populated_bytes.max(region.end);
        }
        let at = self.taken.partition_point(|&(start, _)| start < region.start);
        self.taken.insert(at, (region.start, region.end));
        self.held.push_back(Held { start: region.start, until_position });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(region: Region) -> (usize, usize) {
        (region.start / UNIT_BYTES, region.end / UNIT_BYTES)
    }

    #[test]
    fn regions_lie_as_low_as_they_can_and_come_back_in_order() {
        let mut extension = Extension::new(4 * UNIT_BYTES);
        for (turn, expected) in [(1_u64, (0, 2)), (2, (2, 4))] {
            let region = extension.find(UNIT_BYTES + 1, 0).unwrap();
            assert_eq!(place(region), expected);
            extension.hold(region, turn);
        }
        assert_eq!(extension.find(1, 0), Err(1));
        let low = extension.find(1, 1).unwrap();
        assert_eq!(place(low), (0, 1));
        extension.hold(low, 3);
        assert_eq!(extension.find(2 * UNIT_BYTES, 1), Err(2));
        assert_eq!(place(extension.find(UNIT_BYTES, 1).unwrap()), (1, 2));
        assert_eq!(place(extension.find(2 * UNIT_BYTES, 2).unwrap()), (1, 3));
        assert_eq!(place(extension.find(2 * UNIT_BYTES, 3).unwrap()), (0, 2));
    }

    #[test]
    fn payloads_that_follow_each_other_use_two_places() {
        let mut extension = Extension::new(16 * UNIT_BYTES);
        // Each is free only after the next was sent: the backend replies before it lets go of a request.
        for turn in 0..100_u64 {
            let region = extension.find(UNIT_BYTES, turn.saturating_sub(1)).unwrap();
            assert_eq!(region.start / UNIT_BYTES, usize::from(turn % 2 == 1), "turn {turn}");
            extension.hold(region, turn + 1);
        }
    }

    #[test]
    fn no_two_held_regions_overlap() {
        let mut extension = Extension::new(32 * UNIT_BYTES);
        let (mut held, mut read_position, mut seed) = (VecDeque::new(), 0, 7_u64);
        for turn in 1..2000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let bytes = (1 + (seed >> 33) as usize % 9) * UNIT_BYTES;
            let region = loop {
                match extension.find(bytes, read_position) {
                    Ok(region) => break region,
                    // The oldest comes back.
                    Err(until_position) => {
                        read_position = until_position;
                        held.retain(|&(_, position)| position > read_position);
                    }
                }
            };
            assert!(region.end <= 32 * UNIT_BYTES && region.end - region.start == bytes);
            let apart = |&(other, _): &(Region, u64)| region.end <= other.start || other.end <= region.start;
            assert!(held.iter().all(apart), "turn {turn}");
            held.push_back((region, turn));
            extension.hold(region, turn);
        }
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
