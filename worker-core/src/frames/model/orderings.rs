//! Each ordering of the table in `frames`, taken out: some model must fail without it.
//! Not here: the models (`cases`).
//! Layer 6: a model of models.

use std::panic::catch_unwind;

use super::super::Overflow;
use super::weakened::Access;
use super::{Weak, cases};

const CASES: [(&str, fn(Weak)); 8] = [
    ("flow, DropNewest", |weak| cases::flow(Overflow::DropNewest, weak)),
    ("flow, DropOldest", |weak| cases::flow(Overflow::DropOldest, weak)),
    ("two readers", |weak| cases::two_readers(Overflow::DropNewest, weak)),
    ("made from another", cases::made_from_another),
    ("taken over", cases::taken_over),
    ("sleeping writer", cases::sleeping_writer),
    ("sleeping reader", cases::sleeping_reader),
    ("dead reader", cases::dead_reader),
];

/// Names of the models that fail without these orderings.
fn who_notices(weak: Weak) -> Vec<&'static str> {
    let notices = |case: fn(Weak)| catch_unwind(move || case(weak)).is_err();
    CASES.iter().filter(|&&(_, case)| notices(case)).map(|&(name, _)| name).collect()
}

#[test]
fn experiment() {
    use Access::*;
    for weak in [
        &[FrameRelease] as Weak,
        &[FrameAcquire],
        &[NewestRelease],
        &[NewestAcquire],
        &[SlotRelease],
        &[SlotAcquire],
        &[PassedRelease],
        &[PassedAcquire],
        &[AttachedRelease],
        &[AttachedAcquire],
        &[SeatRelease],
        &[SeatAcquire],
        &[FenceHere],
        &[FenceThere],
        &[FrameRelease, NewestRelease],
        &[FrameAcquire, NewestAcquire],
    ] {
        let w = who_notices(weak);
        println!("RESULT {weak:?}: {w:?}");
    }
}
