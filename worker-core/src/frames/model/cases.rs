//! The models: what must hold in every interleaving.
//! Not here: the ring that they run (`super`).
//! Layer 6: a model.

use loom::sync::Arc;
use loom::thread;

use super::super::Overflow;
use super::super::registry::{self, Start};
use super::{Ring, Weak, check};

/// A writer and a reader; no frame is torn, and every one is taken or counted.
pub(super) fn flow(overflow: Overflow, weak: Weak) {
    check(3, move || {
        let ring = Ring::new(overflow, 2, 1, weak);
        let reading = ring.enter(Start::FIRST);
        let writer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let mut writing = ring.writing();
                (0..3).filter(|_| ring.write(&mut writing)).count() as u64
            }
        });
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let mut taken = Vec::new();
                taken.extend(ring.read(&reading));
                taken.extend(ring.read(&reading));
                (taken, reading)
            }
        });
        let published = writer.join().unwrap();
        let (mut taken, reading) = reader.join().unwrap();
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

/// Two readers borrow one slot, and the writer waits for both.
pub(super) fn two_readers(overflow: Overflow, weak: Weak) {
    check(2, move || {
        let ring = Ring::new(overflow, 2, 2, weak);
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

/// A reader that is made from another one loses nothing (F3).
pub(super) fn made_from_another(weak: Weak) {
    check(3, move || {
        let ring = Ring::new(Overflow::DropNewest, 2, 2, weak);
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

/// A seat that somebody has left is as good as new: what its last owner passed is not taken for what
/// the next one has.
pub(super) fn taken_over(weak: Weak) {
    check(2, move || {
        let ring = Ring::new(Overflow::DropNewest, 2, 2, weak);
        let parent = ring.enter(Start::FIRST);
        let leaver = ring.enter(Start::FIRST);
        let mut writing = ring.writing();
        ring.write(&mut writing);
        let leaving = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                assert_eq!(ring.read(&leaver), Some(1));
                let token = registry::token_at(&ring.control, &ring.words, leaver.seat());
                registry::leave(&ring.control, &ring.words, leaver.seat(), token);
            }
        });
        let reading = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let child = ring.try_enter(parent.start());
                assert_eq!(ring.read(&parent), Some(1));
                if let Some(child) = child {
                    assert_eq!(ring.read(&child), Some(1), "the frame was taken for passed");
                }
            }
        });
        ring.write(&mut writing);
        ring.write(&mut writing);
        leaving.join().unwrap();
        reading.join().unwrap();
    });
}

/// A writer that is about to sleep finds the slot that was given back, or is woken.
pub(super) fn sleeping_writer(weak: Weak) {
    check(3, move || {
        let ring = Ring::new(Overflow::Block, 2, 1, weak);
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
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                assert_eq!(ring.read(&reading), Some(1));
                reading.take_waiting_writer(&ring.words)
            }
        });
        let (found, woken) = (writer.join().unwrap(), reader.join().unwrap());
        assert!(found || woken, "the writer sleeps beside a free slot");
    });
}

/// A reader that is about to sleep finds the frame that was published, or is woken.
pub(super) fn sleeping_reader(weak: Weak) {
    check(3, move || {
        let ring = Ring::new(Overflow::Block, 2, 1, weak);
        let reading = ring.enter(Start::FIRST);
        let writer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let mut writing = ring.writing();
                ring.write(&mut writing);
                writing.take_sleepers(&ring.words) != 0
            }
        });
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                reading.announce_waiting(&ring.words);
                ring.read(&reading).is_some()
            }
        });
        let (woken, found) = (writer.join().unwrap(), reader.join().unwrap());
        assert!(woken || found, "the reader sleeps beside a frame");
    });
}

/// What the dead had borrowed comes back.
pub(super) fn dead_reader(weak: Weak) {
    check(3, move || {
        let ring = Ring::new(Overflow::DropOldest, 2, 2, weak);
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

#[test]
fn no_frame_is_torn_and_every_one_is_taken_or_counted() {
    Overflow::ALL.into_iter().for_each(|overflow| flow(overflow, &[]));
}

#[test]
fn two_readers_borrow_one_slot_and_the_writer_waits_for_both() {
    [Overflow::DropNewest, Overflow::DropOldest].into_iter().for_each(|overflow| two_readers(overflow, &[]));
}

#[test]
fn a_reader_made_from_another_one_loses_nothing() {
    made_from_another(&[]);
}

#[test]
fn a_seat_that_was_left_is_as_good_as_new() {
    taken_over(&[]);
}

#[test]
fn no_wake_up_is_lost_in_either_direction() {
    sleeping_writer(&[]);
    sleeping_reader(&[]);
}

#[test]
fn what_the_dead_borrowed_comes_back() {
    dead_reader(&[]);
}
