//! The writing end's half of the protocol: finds a slot, publishes a frame.
//! Not here: the bytes of frames, and waiting (`writer`).
//! Layer 6: pure steps over `Words`, so that a model can run them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::Overflow;
use super::control::{BORROWERS, Control, Words, published};
use super::registry;

/// What the one writing end knows. All of it but the counts can be told from the words again.
#[derive(Debug)]
pub(super) struct Writing {
    control: Control,
    overflow: Overflow,
    /// Published frames that still have their slot, oldest first.
    live: VecDeque<Live>,
    /// Slots that hold no frame.
    free: Vec<usize>,
    newest: u64,
    sequence: u64,
    /// Position below which every reading end has passed all, as it was last seen.
    passed_until: u64,
    /// Small frames take turns through all slots and spare the look at the reading ends; large ones
    /// go where the caches are warm.
    takes_oldest_first: bool,
}

#[derive(Clone, Copy, Debug)]
struct Live {
    position: u64,
    slot: usize,
}

/// No slot can be written to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSlot;

impl Writing {
    /// Takes the writing end up where the words say it is: at its beginning, or in other hands before.
    pub(super) fn resume(
        control: Control,
        overflow: Overflow,
        takes_oldest_first: bool,
        words: &impl Words,
    ) -> Self {
        let (mut live, mut free) = (Vec::new(), Vec::new());
        // Relaxed, here and below: only a writing end writes these, and the hand-over of the writing
        // end from process to process orders everything before it.
        let newest = words.load(control.newest(), Ordering::Relaxed);
        for slot in 0..control.slots() {
            let at = control.slot(slot);
            let word = words.load(at.word, Ordering::Relaxed);
            let position = words.load(at.position, Ordering::Relaxed);
            if word & !BORROWERS == published(position) && position <= newest {
                live.push(Live { position, slot });
            } else {
                // W2: a frame that was not published when its writer went is nobody's.
                words.store(at.word, 0, Ordering::Relaxed);
                free.push(slot);
            }
        }
        live.sort_by_key(|live| live.position);
        free.reverse();
        let sequence = words.load(control.sequence(), Ordering::Relaxed);
        let live = live.into();
        Self { control, overflow, live, free, newest, sequence, passed_until: 0, takes_oldest_first }
    }

    /// Finds a slot to write a frame to. It is the caller's until published or given back.
    ///
    /// First of all one whose frame everybody has passed, which costs nobody anything.
    pub(super) fn find_slot(&mut self, words: &impl Words) -> Result<usize, NoSlot> {
        self.find_passed(words)
            .or_else(|| self.free.pop())
            .or_else(|| self.overflow.loses_old_frames().then(|| self.overwrite(words)).flatten())
            .ok_or(NoSlot)
    }

    /// Takes a slot back from a frame that every reading end has passed (F2).
    fn find_passed(&mut self, words: &impl Words) -> Option<usize> {
        // Newcomers begin behind what the one they are made from has passed, so this only ever grows:
        // an old look at it can be stale, never too large.
        let known = self.live.partition_point(|live| live.position < self.passed_until);
        if self.takes_oldest_first
            && let Some(slot) = (0..known).find_map(|place| self.reclaim(words, place))
        {
            return Some(slot);
        }
        let until = registry::passed_by_all(&self.control, words);
        if until != u64::MAX {
            self.passed_until = until;
        }
        let passed = self.live.partition_point(|live| live.position < until);
        if self.takes_oldest_first {
            (0..passed).find_map(|place| self.reclaim(words, place))
        } else {
            // The one that was read last is the one that caches still hold.
            (0..passed).rev().find_map(|place| self.reclaim(words, place))
        }
    }

    /// Takes a slot back from the oldest frame that nobody reads just now.
    fn overwrite(&mut self, words: &impl Words) -> Option<usize> {
        let (slot, position) = (0..self.live.len()).find_map(|place| {
            let position = self.live[place].position;
            self.reclaim(words, place).map(|slot| (slot, position))
        })?;
        if registry::passed_by_all(&self.control, words) <= position {
            // Relaxed: a count that nothing depends on.
            words.add(self.control.overwritten(), 1, Ordering::Relaxed);
        }
        Some(slot)
    }

    /// Takes the slot of a live frame if nobody borrows it (F1).
    fn reclaim(&mut self, words: &impl Words, place: usize) -> Option<usize> {
        let Live { position, slot } = self.live[place];
        // SYNC: slot (acquire, with the releases of all who borrowed it before).
        let is_free = words.exchange(self.control.slot(slot).word, published(position), 0, Ordering::Acquire);
        is_free.then(|| {
            self.live.remove(place);
            slot
        })
    }

    /// Publishes the frame in a slot; gives its sequence number.
    #[inline]
    pub(super) fn publish(&mut self, words: &impl Words, slot: usize, timestamp: u64) -> u64 {
        self.newest += 1;
        self.sequence += 1;
        let (position, at) = (self.newest, self.control.slot(slot));
        // Relaxed, all five: the releases below publish them.
        words.store(at.position, position, Ordering::Relaxed);
        words.store(at.sequence, self.sequence, Ordering::Relaxed);
        words.store(at.timestamp, timestamp, Ordering::Relaxed);
        words.store(self.control.sequence(), self.sequence, Ordering::Relaxed);
        let entry = super::control::entry(position, slot);
        words.store(self.control.index(position), entry, Ordering::Relaxed);
        // SYNC: frame (release).
        words.store(at.word, published(position), Ordering::Release);
        // SYNC: newest (release).
        words.store(self.control.newest(), position, Ordering::Release);
        self.live.push_back(Live { position, slot });
        self.sequence
    }

    /// Gives a slot back that was not published.
    pub(super) fn give_back(&mut self, slot: usize) {
        self.free.push(slot);
    }

    /// Counts a frame that found no slot; its sequence number is skipped.
    pub(super) fn count_dropped(&mut self, words: &impl Words) {
        self.sequence += 1;
        // Relaxed, both: counts that nothing depends on.
        words.store(self.control.sequence(), self.sequence, Ordering::Relaxed);
        words.add(self.control.dropped(), 1, Ordering::Relaxed);
    }

    /// Takes who is to be woken for a frame that was published; a bit per reading end.
    #[inline]
    pub(super) fn take_sleepers(&self, words: &impl Words) -> u64 {
        // D1: our position is written; now look whether anybody sleeps for it.
        words.fence();
        // Relaxed: the fence orders it.
        if words.load(self.control.sleepers(), Ordering::Relaxed) == 0 {
            return 0;
        }
        // Relaxed: D2 needs only atomicity.
        words.swap(self.control.sleepers(), 0, Ordering::Relaxed)
    }

    /// Says that the writing end is about to sleep. It must look for a slot once more before it does.
    pub(super) fn announce_waiting(&self, words: &impl Words) {
        // Relaxed: the fence orders it (D1).
        words.store(self.control.writer_waiting(), 1, Ordering::Relaxed);
        words.fence();
    }

    /// Says that the writing end is awake.
    pub(super) fn end_waiting(&self, words: &impl Words) {
        // Relaxed: a wake-up for it that comes late only ends a later sleep early.
        words.store(self.control.writer_waiting(), 0, Ordering::Relaxed);
    }
}
