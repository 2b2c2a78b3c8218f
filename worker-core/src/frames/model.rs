//! The protocol under every interleaving that the memory model allows, for rings of a few slots.
//! Not here: real memory and real processes (`tests`).
//! Layer 6: a model. Run it with `RUSTFLAGS="--cfg loom" cargo test -p worker-core --release frames::model`.
//!
//! The bytes of a slot are a cell in which loom finds every access that is not ordered: if a frame could
//! be written while it is read, or read before it is written, the model fails.

use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, fence};
use loom::thread;

use super::Overflow;
use super::control::{Control, Words};
use super::reading::Reading;
use super::registry::{self, Start};
use super::writing::Writing;

struct Modelled(Vec<AtomicU64>);

impl Words for Modelled {
    fn load(&self, offset_bytes: usize, order: Ordering) -> u64 {
        self.0[offset_bytes / 8].load(order)
    }
    fn store(&self, offset_bytes: usize, value: u64, order: Ordering) {
        self.0[offset_bytes / 8].store(value, order);
    }
    fn swap(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.0[offset_bytes / 8].swap(value, order)
    }
    fn add(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.0[offset_bytes / 8].fetch_add(value, order)
    }
    fn or(&self, offset_bytes: usize, bits: u64, order: Ordering) -> u64 {
        self.0[offset_bytes / 8].fetch_or(bits, order)
    }
    fn and(&self, offset_bytes: usize, bits: u64, order: Ordering) -> u64 {
        self.0[offset_bytes / 8].fetch_and(bits, order)
    }
    fn exchange(&self, offset_bytes: usize, from: u64, to: u64, order: Ordering) -> bool {
        self.0[offset_bytes / 8].compare_exchange(from, to, order, Ordering::Relaxed).is_ok()
    }
    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}

/// A ring as everybody sees it.
struct Ring {
    control: Control,
    overflow: Overflow,
    words: Modelled,
    bytes: Vec<UnsafeCell<u64>>,
    takes_oldest_first: bool,
}

// SAFETY: what loom is to find out: accesses to the cells that are not ordered make the model fail.
#[allow(unsafe_code)]
unsafe impl Sync for Ring {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Send for Ring {}

impl Ring {
    fn new(overflow: Overflow, slots: usize, readers: usize) -> Arc<Self> {
        let control = Control::for_model(readers, slots);
        let words = Modelled((0..control.end_bytes() / 8).map(|_| AtomicU64::new(0)).collect());
        let bytes = (0..slots).map(|_| UnsafeCell::new(0)).collect();
        // Two orders of looking, of which each policy is checked with one.
        let takes_oldest_first = matches!(overflow, Overflow::Block | Overflow::DropOldest);
        Arc::new(Self { control, overflow, words, bytes, takes_oldest_first })
    }

    fn enter(&self, start: Start) -> Reading {
        let token = registry::new_token(&self.control, &self.words);
        let seat = registry::enter(&self.control, &self.words, token, start).unwrap();
        Reading::resume(self.control, self.overflow, seat, &self.words)
    }

    fn writing(&self) -> Writing {
        Writing::resume(self.control, self.overflow, self.takes_oldest_first, &self.words)
    }

    /// Writes one frame, whose bytes are its sequence number; says whether there was a slot.
    fn write(&self, writing: &mut Writing) -> bool {
        let Ok(slot) = writing.find_slot(&self.words) else {
            writing.count_dropped(&self.words);
            return false;
        };
        // The number that `publish` will give.
        let sequence = self.words.load(self.control.sequence(), Ordering::Relaxed) + 1;
        // SAFETY: F1, which loom checks.
        #[allow(unsafe_code)]
        self.bytes[slot].with_mut(|bytes| unsafe { *bytes = sequence });
        assert_eq!(writing.publish(&self.words, slot, 0), sequence);
        true
    }

    /// Reads the next frame, if there is one; gives its sequence number.
    fn read(&self, reading: &Reading) -> Option<u64> {
        let borrowed = reading.take(&self.words)?;
        // SAFETY: F1, which loom checks.
        #[allow(unsafe_code)]
        let sequence = self.bytes[borrowed.slot].with(|bytes| unsafe { *bytes });
        assert_eq!(sequence, borrowed.sequence, "a torn frame, or another one");
        reading.give_back(&self.words, borrowed.slot);
        Some(sequence)
    }

    fn lost(&self, reading: &Reading) -> u64 {
        self.words.load(self.control.reader(reading.seat()).lost, Ordering::Relaxed)
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(model);
}

#[test]
fn no_frame_is_torn_and_every_one_is_taken_or_counted() {
    for overflow in Overflow::ALL {
        check(3, move || {
            let ring = Ring::new(overflow, 2, 1);
            let reading = ring.enter(Start::FIRST);
            let writer = thread::spawn({
                let ring = Arc::clone(&ring);
                move || {
                    let mut writing = ring.writing();
                    (0..3).filter(|_| ring.write(&mut writing)).count() as u64
                }
            });
            let mut taken = Vec::new();
            taken.extend(ring.read(&reading));
            taken.extend(ring.read(&reading));
            let published = writer.join().unwrap();
            while let Some(sequence) = ring.read(&reading) {
                taken.push(sequence);
            }
            assert!(taken.is_sorted_by(|earlier, later| earlier < later), "{taken:?}");
            let last = taken.last().copied().unwrap_or(0);
            assert_eq!(taken.len() as u64 + ring.lost(&reading), last);
            if !overflow.loses_old_frames() {
                assert_eq!(taken.len() as u64, published, "nothing that was published is lost");
            }
        });
    }
}

#[test]
fn two_readers_borrow_one_slot_and_the_writer_waits_for_both() {
    for overflow in [Overflow::DropNewest, Overflow::DropOldest] {
        check(2, move || {
            let ring = Ring::new(overflow, 2, 2);
            let first = ring.enter(Start::FIRST);
            let second = ring.enter(Start::FIRST);
            let mut writing = ring.writing();
            ring.write(&mut writing);
            let others = [first, second].map(|reading| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || ring.read(&reading))
            });
            ring.write(&mut writing);
            ring.write(&mut writing);
            for other in others {
                let sequence = other.join().unwrap();
                assert!(sequence.is_some() || overflow.loses_old_frames());
            }
        });
    }
}

#[test]
fn a_reader_made_from_another_one_loses_nothing() {
    check(3, || {
        let ring = Ring::new(Overflow::DropNewest, 2, 2);
        let parent = ring.enter(Start::FIRST);
        let mut writing = ring.writing();
        ring.write(&mut writing);
        let readers = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let child = ring.enter(parent.start());
                assert_eq!(ring.read(&parent), Some(1));
                assert_eq!(ring.read(&child), Some(1), "F3");
            }
        });
        ring.write(&mut writing);
        ring.write(&mut writing);
        readers.join().unwrap();
    });
}

#[test]
fn no_wake_up_is_lost_in_either_direction() {
    check(3, || {
        let ring = Ring::new(Overflow::Block, 2, 1);
        let reading = ring.enter(Start::FIRST);
        let mut writing = ring.writing();
        ring.write(&mut writing);
        ring.write(&mut writing);
        let writer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                writing.announce_waiting(&ring.words);
                writing.find_slot(&ring.words).is_ok()
            }
        });
        assert_eq!(ring.read(&reading), Some(1));
        let woken = reading.take_waiting_writer(&ring.words);
        assert!(writer.join().unwrap() || woken, "the writer sleeps beside a free slot");
    });
    check(3, || {
        let ring = Ring::new(Overflow::Block, 2, 1);
        let reading = ring.enter(Start::FIRST);
        let writer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let mut writing = ring.writing();
                ring.write(&mut writing);
                writing.take_sleepers(&ring.words) != 0
            }
        });
        reading.announce_waiting(&ring.words);
        let found = ring.read(&reading).is_some();
        assert!(writer.join().unwrap() || found, "the reader sleeps beside a frame");
    });
}

#[test]
fn what_the_dead_borrowed_comes_back() {
    check(3, || {
        let ring = Ring::new(Overflow::DropOldest, 2, 2);
        let dead = ring.enter(Start::FIRST);
        let alive = ring.enter(Start::FIRST);
        let mut writing = ring.writing();
        ring.write(&mut writing);
        // It dies with a frame in its hands.
        assert!(dead.take(&ring.words).is_some());
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                ring.read(&alive);
                ring.read(&alive);
                alive
            }
        });
        ring.write(&mut writing);
        let token = registry::token_at(&ring.control, &ring.words, dead.seat());
        registry::leave(&ring.control, &ring.words, dead.seat(), token);
        ring.write(&mut writing);
        let alive = reader.join().unwrap();
        while ring.read(&alive).is_some() {}
        assert!(ring.write(&mut writing) && ring.write(&mut writing), "both slots are there again");
    });
}
