//! Death at every step: an end runs until its n-th access to shared memory, for every n.
//! Not here: interleavings (`model`), and how a death is noticed (`doorkeeper`).
//! Layer 6: tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::Overflow;
use super::control::{Control, Words};
use super::reading::Reading;
use super::registry::{self, Start};
use super::writing::Writing;
use crate::ring::Memory;

const SLOTS: usize = 3;
const READERS: usize = 3;

/// Words whose user dies when it has made so many accesses.
struct Mortal {
    words: Vec<AtomicU64>,
    left: Cell<Option<usize>>,
    /// What the slots hold.
    bytes: RefCell<[u64; SLOTS]>,
    control: Control,
    overflow: Overflow,
}

impl Mortal {
    fn new(overflow: Overflow) -> Self {
        let control = Control::for_model(READERS, SLOTS);
        let words = (0..control.end_bytes() / 8).map(|_| AtomicU64::new(0)).collect();
        Self { words, left: Cell::new(None), bytes: RefCell::default(), control, overflow }
    }

    fn word(&self, offset_bytes: usize) -> &AtomicU64 {
        match self.left.get() {
            // Not `panic!`, which would be printed each time.
            Some(0) => resume_unwind(Box::new("dead")),
            Some(left) => self.left.set(Some(left - 1)),
            None => {}
        }
        &self.words[offset_bytes / 8]
    }

    /// Runs an end until it has made `accesses` accesses; says whether it died before it was done.
    fn dies_after(&self, accesses: usize, end: impl FnOnce()) -> bool {
        self.left.set(Some(accesses));
        let died = catch_unwind(AssertUnwindSafe(end)).is_err();
        self.left.set(None);
        died
    }

    fn enter(&self, start: Start) -> Reading {
        let token = registry::new_token(&self.control, self);
        let seat = registry::enter(&self.control, self, token, start).unwrap();
        Reading::resume(self.control, self.overflow, seat, self)
    }

    /// Writes a frame, whose bytes are its sequence number; gives its slot if there was one.
    fn write(&self, writing: &mut Writing, sequence: u64) -> Option<usize> {
        let slot = writing.find_slot(self).ok()?;
        // Half filled, it is this; whoever reads it has read what was not published.
        self.bytes.borrow_mut()[slot] = u64::MAX;
        self.word(0);
        self.bytes.borrow_mut()[slot] = sequence;
        assert_eq!(writing.publish(self, slot, 0), sequence);
        Some(slot)
    }

    /// How many slots can be had at one time.
    fn free_slots(&self, writing: &mut Writing) -> usize {
        let slots: BTreeSet<_> = std::iter::from_fn(|| writing.find_slot(self).ok()).collect();
        slots.iter().for_each(|&slot| writing.give_back(slot));
        slots.len()
    }

    fn read(&self, reading: &Reading) -> Option<u64> {
        let borrowed = reading.take(self)?;
        let sequence = self.bytes.borrow()[borrowed.slot];
        assert_eq!(sequence, borrowed.sequence, "a torn frame, or one that was not published");
        reading.give_back(self, borrowed.slot);
        Some(sequence)
    }
}

impl Memory for Mortal {
    fn load(&self, offset_bytes: usize, order: Ordering) -> u64 {
        self.word(offset_bytes).load(order)
    }
    fn store(&self, offset_bytes: usize, value: u64, order: Ordering) {
        self.word(offset_bytes).store(value, order);
    }
    fn swap(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).swap(value, order)
    }
    fn or(&self, offset_bytes: usize, bits: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).fetch_or(bits, order)
    }
    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}

impl Words for Mortal {
    fn add(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).fetch_add(value, order)
    }
    fn and(&self, offset_bytes: usize, bits: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).fetch_and(bits, order)
    }
    fn exchange(&self, offset_bytes: usize, from: u64, to: u64, order: Ordering) -> bool {
        self.word(offset_bytes).compare_exchange(from, to, order, Ordering::Relaxed).is_ok()
    }
}

/// Runs a case for 0, 1, 2 and so on accesses until it says that the end lived to its own end.
fn at_every_step(case: impl Fn(Overflow, usize) -> bool) {
    for overflow in Overflow::ALL {
        let steps = (0..).find(|&accesses| !case(overflow, accesses)).unwrap();
        assert!(steps > 20, "there are many places to die at, not {steps}");
    }
}

#[test]
fn whatever_a_reader_held_when_it_died_comes_back() {
    at_every_step(|overflow, accesses| {
        let ring = Mortal::new(overflow);
        let mut writing = Writing::resume(ring.control, overflow, accesses % 2 == 0, &ring);
        let survivor = ring.enter(Start::FIRST);
        ring.write(&mut writing, 1);
        ring.write(&mut writing, 2);
        // L1: the writing end knows the token before the reading end is entered.
        let token = registry::new_token(&ring.control, &ring);
        let died = ring.dies_after(accesses, || {
            let seat = registry::enter(&ring.control, &ring, token, Start::FIRST).unwrap();
            let reading = Reading::resume(ring.control, overflow, seat, &ring);
            let borrowed = reading.take(&ring);
            reading.announce_waiting(&ring);
            ring.read(&reading);
            reading.end_waiting(&ring);
            if let Some(borrowed) = borrowed {
                reading.give_back(&ring, borrowed.slot);
            }
            reading.take_waiting_writer(&ring);
            registry::leave(&ring.control, &ring, seat, token);
        });
        if let Some(seat) = registry::seat_of(&ring.control, &ring, token) {
            registry::leave(&ring.control, &ring, seat, token);
        }
        while ring.read(&survivor).is_some() {}
        for sequence in 3..12 {
            ring.write(&mut writing, sequence);
            assert_eq!(ring.read(&survivor), Some(sequence), "{overflow:?}, dead after {accesses}");
        }
        assert_eq!(
            ring.free_slots(&mut writing),
            SLOTS,
            "{overflow:?}, dead after {accesses}: a slot is lost"
        );
        for _ in 1..READERS {
            ring.enter(survivor.start());
        }
        died
    });
}

#[test]
fn whatever_a_writer_was_at_when_it_died_readers_get_whole_frames_only() {
    at_every_step(|overflow, accesses| {
        let ring = Mortal::new(overflow);
        let early = ring.enter(Start::FIRST);
        let late = ring.enter(Start::FIRST);
        let published = Cell::new(0);
        let died = ring.dies_after(accesses, || {
            let mut writing = Writing::resume(ring.control, overflow, accesses % 2 == 0, &ring);
            for sequence in 1..=5 {
                if ring.write(&mut writing, sequence).is_none() {
                    break;
                }
                published.set(sequence);
                writing.take_sleepers(&ring);
                if sequence == 3 {
                    // Only the writing end dies here.
                    let left = ring.left.take();
                    ring.read(&early);
                    ring.read(&late);
                    ring.left.set(left);
                }
            }
        });
        for reading in [&early, &late] {
            let mut last = 0;
            while let Some(sequence) = ring.read(reading) {
                assert!(sequence > last);
                last = sequence;
            }
            // One more if it died behind the publication and before it could say so.
            let seen = reading.start().last_sequence;
            assert!(
                (published.get()..=published.get() + 1).contains(&seen),
                "{overflow:?} {accesses}: {seen}"
            );
        }
        // Every slot is a whole frame's or nobody's.
        let mut writing = Writing::resume(ring.control, overflow, accesses % 2 == 0, &ring);
        let next = ring.word(ring.control.sequence()).load(Ordering::Relaxed) + 1;
        for sequence in next..next + 6 {
            ring.write(&mut writing, sequence);
            assert_eq!([&early, &late].map(|reading| ring.read(reading)), [Some(sequence); 2]);
        }
        assert_eq!(
            ring.free_slots(&mut writing),
            SLOTS,
            "{overflow:?}, dead after {accesses}: a slot is lost"
        );
        died
    });
}
