//! Each ordering of the table in `frames`, taken out: a model must fail without it.
//! Not here: the models (`cases`).
//! Layer 6: a model of models.

use std::panic::catch_unwind;

use super::super::Overflow;
use super::weakened::Access;
use super::{Weak, cases};

/// Runs a model without some of its orderings; what loom finds is printed, and is what it is for.
#[track_caller]
fn assert_needed(weak: Weak, model: fn(Weak)) {
    let noticed = catch_unwind(move || model(weak)).is_err();
    assert!(noticed, "no model misses {weak:?}: is it needed at all?");
}

/// What `newest` publishes includes the frame. The word of the slot is what tells a frame from a later one
/// whose word looks the same, of which `newest` has not spoken yet.
#[test]
fn a_frame_is_published_by_the_word_of_its_slot() {
    for weak in [&[Access::FrameRelease] as Weak, &[Access::FrameAcquire]] {
        assert_needed(weak, |weak| cases::flow(Overflow::DropOldest, weak));
    }
}

#[test]
fn the_index_is_published_by_the_newest_position() {
    for weak in [&[Access::NewestRelease] as Weak, &[Access::NewestAcquire]] {
        assert_needed(weak, |weak| cases::flow(Overflow::DropNewest, weak));
    }
}

#[test]
fn the_end_of_reading_is_published_by_the_word_of_the_slot() {
    for weak in [&[Access::SlotRelease] as Weak, &[Access::SlotAcquire]] {
        assert_needed(weak, |weak| cases::two_readers(Overflow::DropNewest, weak));
    }
}

#[test]
fn a_new_reading_end_is_published_before_the_old_one_moves_on() {
    let passed: [Weak; 2] = [&[Access::PassedRelease], &[Access::PassedAcquire]];
    let attached: [Weak; 2] = [&[Access::AttachedRelease], &[Access::AttachedAcquire]];
    for weak in passed.into_iter().chain(attached) {
        assert_needed(weak, cases::made_from_another);
    }
}

#[test]
fn a_seat_is_left_and_taken_in_order() {
    for weak in [&[Access::SeatRelease] as Weak, &[Access::SeatAcquire]] {
        assert_needed(weak, cases::taken_over);
    }
}

#[test]
fn whoever_goes_to_sleep_and_whoever_wakes_have_a_fence_each() {
    for model in [cases::sleeping_writer as fn(Weak), cases::sleeping_reader] {
        for weak in [&[Access::SleeperFence] as Weak, &[Access::WakerFence]] {
            assert_needed(weak, model);
        }
    }
}
