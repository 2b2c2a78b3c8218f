//! Circles of waits, in a table that stands alone.
//! Not here: circles of real actors (`tests/deadlocks.rs`).
//! Layer 4: tests.

use super::entries::{ENTRIES, ID, NAME_LENGTH, NAME_MAX_BYTES, RUN};
use super::*;

const LINK: u64 = 77;

fn memory() -> SharedMemory {
    SharedMemory::create("test", TABLE_BYTES).unwrap().1
}

fn wait(entries: Entries<'_>, from: u64, to: u64, call: u64) -> Option<Vec<String>> {
    let (own, theirs) = (entries.enter(from).unwrap(), entries.enter(to).unwrap());
    entries.describe(theirs, &format!("actor {to}"), std::process::id());
    entries.word(own, EDGE).store(edge(theirs, to, LINK, call) | SURE, Ordering::SeqCst);
    let circle = entries.walk(own, theirs)?;
    Some(circle.into_iter().map(|place| entries.name(place)).collect())
}

#[test]
fn a_circle_of_any_length_is_found_by_who_closes_it() {
    for length in [2, 3, 50] {
        let memory = memory();
        let entries = Entries(&memory);
        for n in 1..length {
            assert_eq!(wait(entries, n, n + 1, 7), None, "{n} of {length}");
        }
        let circle = wait(entries, length, 1, 7).unwrap();
        assert_eq!(circle.len() as u64, length - 1);
        assert_eq!(circle[0], "actor 1");
    }
}

#[test]
fn an_answered_call_is_no_edge_and_a_later_one_is_not_touched() {
    let memory = memory();
    let entries = Entries(&memory);
    wait(entries, 1, 2, 7);
    let (first, second) = (entries.find(1).unwrap(), entries.find(2).unwrap());
    let word = entries.word(first, EDGE);
    let is_cleared = |link, call| {
        clear(word, edge(second, 2, link, call));
        word.load(Ordering::SeqCst) == 0
    };
    // Another call; the same of another link; and those that have the same slot in a table of calls.
    assert!(!is_cleared(LINK, 6) && !is_cleared(0, 7) && !is_cleared(LINK + 1, 7));
    assert!((24..64).all(|bit| !is_cleared(LINK, 7 | 1 << bit)));
    assert!(is_cleared(LINK, 7));
    assert_eq!(wait(entries, 2, 1, 8), None);
    word.store(edge(second, 2, LINK, 7), Ordering::SeqCst);
    assert_eq!(wait(entries, 2, 1, 9), None, "an edge that is not sure is on nobody's walk");
    assert!(is_cleared(LINK, 7), "and is cleared as a sure one is");
}

#[test]
fn whoever_looks_for_a_reply_that_was_sent_is_in_no_circle() {
    let memory = memory();
    let entries = Entries(&memory);
    let (first, second) = (entries.enter(1).unwrap(), entries.enter(2).unwrap());
    let word = entries.word(first, EDGE);
    for round in 0..20_000 {
        let (sent, barrier) = (std::sync::atomic::AtomicBool::new(false), std::sync::Barrier::new(2));
        let mine = edge(second, 2, LINK, round);
        let found = std::thread::scope(|scope| {
            // As `begin_sent`.
            scope.spawn(|| {
                barrier.wait();
                word.store(mine, Ordering::SeqCst);
                fence(Ordering::SeqCst);
                if !sent.load(Ordering::Relaxed) {
                    let _ = word.compare_exchange(mine, mine | SURE, Ordering::SeqCst, Ordering::SeqCst);
                }
            });
            // Replies, and calls back.
            let other = scope.spawn(|| {
                barrier.wait();
                sent.store(true, Ordering::Relaxed);
                clear(word, mine);
                wait(entries, 2, 1, round)
            });
            other.join().unwrap()
        });
        assert_eq!(found, None, "D7, round {round}");
    }
}

#[test]
fn a_circle_of_others_ends_a_walk_and_garbage_does_too() {
    let memory = memory();
    let entries = Entries(&memory);
    wait(entries, 2, 3, 1);
    assert!(wait(entries, 3, 2, 1).is_some());
    assert_eq!(wait(entries, 1, 2, 1), None);
    for garbage in [u64::MAX, 1, 1 << 52, 0xFFF << 52, 1 << 52 | SURE, 0xFFF << 52 | SURE] {
        entries.word(entries.find(3).unwrap(), EDGE).store(garbage, Ordering::SeqCst);
        entries.word(entries.find(3).unwrap(), NAME_LENGTH).store(garbage, Ordering::SeqCst);
        assert_eq!(wait(entries, 1, 3, 1), None);
        assert!(entries.name(entries.find(3).unwrap()).len() <= NAME_MAX_BYTES * 3);
    }
}

#[test]
fn entries_of_the_dead_are_used_again_and_a_full_run_finds_nothing() {
    let memory = memory();
    let entries = Entries(&memory);
    let same_run = |n: u64| 5 + n * ENTRIES as u64;
    for n in 0..RUN as u64 {
        assert!(entries.enter(same_run(n)).is_some());
    }
    assert_eq!(entries.enter(same_run(1000)), None);
    // A number that no process has: one above the highest there can be.
    entries.describe(entries.find(same_run(3)).unwrap(), "gone", 1 << 22 | 1);
    let place = entries.enter(same_run(1000)).unwrap();
    assert_eq!((entries.name(place).as_str(), entries.find(same_run(3))), ("", None));
}

#[test]
fn a_wait_inside_of_another_puts_back_what_it_found() {
    assert!(descriptor().is_some());
    let [me, other, third] = [(); 3].map(|()| identity::new());
    let target = |id| Target::new(id, "somebody", LINK);
    let as_actor = |id, work: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                identity::set(id);
                work();
            });
        });
    };
    as_actor(me, &|| {
        let _outer = begin(&target(other), 1).unwrap().unwrap();
        drop(begin(&target(third), 2).unwrap().unwrap());
        as_actor(other, &|| assert_eq!(begin(&target(me), 1).unwrap_err().len(), 2, "D5"));
    });
}

#[test]
fn an_entry_that_two_give_free_is_wiped_before_it_is_anybodys() {
    let memory = memory();
    let entries = Entries(&memory);
    let (old, new) = (5, 5 + ENTRIES as u64);
    for round in 0..5000 {
        let place = entries.enter(old).unwrap();
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    barrier.wait();
                    entries.free(place, old);
                    if entries
                        .word(place, ID)
                        .compare_exchange(0, new, Ordering::SeqCst, Ordering::SeqCst)
                        .is_ok()
                    {
                        entries.word(place, EDGE).store(7, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(entries.word(place, EDGE).load(Ordering::SeqCst), 7, "D6, round {round}");
        entries.free(place, new);
    }
}

#[test]
fn threads_that_wait_for_each_other_at_once_find_it_in_every_round() {
    let memory = memory();
    let entries = Entries(&memory);
    for round in 0..2000 {
        let barrier = std::sync::Barrier::new(2);
        let both = |from, to| {
            barrier.wait();
            wait(entries, from, to, round).is_some()
        };
        let found = std::thread::scope(|scope| {
            let other = scope.spawn(|| both(1, 2));
            (both(2, 1), other.join().unwrap())
        });
        assert!(found.0 || found.1, "D1, round {round}");
        for id in [1, 2] {
            entries.word(entries.find(id).unwrap(), EDGE).store(0, Ordering::SeqCst);
        }
    }
}
