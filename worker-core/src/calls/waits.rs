//! Who waits for whom: a table that every backend of a program shares, to find calls that wait on themselves.
//! Not here: the calls (`client`), and who an actor is (`identity`).
//! Layer 4: over `sys::memory`.
//!
//! A backend that waits for a reply cannot serve. If the one it waits for waits for it in turn, through any
//! number of others, all of them wait for ever. So each has an *entry* with a word, its *edge*, that says
//! which call to whom it waits for, if its serving thread waits at all.
//!
//! * D1: whoever begins to wait stores its edge first and then walks from edge to edge, all in one order
//!   that everybody agrees on (`SeqCst`). Of those who close a circle, the last to store sees all other
//!   edges: at least one finds the circle, takes its edge back, and does not wait.
//! * D2: whoever has sent a reply clears the edge that stands for it before it does anything else. So the
//!   edge of a waiter whose reply is on its way is on nobody's walk: a backend between the two has no edge
//!   of its own, and every circle through the waiter goes through that backend.
//! * D3: an edge is cleared by exchange for its very call on its very link, so never one of another wait: of what
//!   tells calls apart it has 31 bits, mixed from all of it.
//! * D4: a process that was killed leaves its edge. A circle is only one if all in it live.
//! * D5: a wait may lie inside of another, when a value makes a call while it is encoded for one. What it finds in
//!   its place it puts back.
//! * D6: who gives an entry free first makes it nobody's. So two cannot do it at one time, and none wipes out what a
//!   new owner has entered. One that is killed in the middle leaves a place that is lost.
//! * D7: an edge counts once it is *sure*. Who waits for the reply of a call that was sent before stores it unsure, looks
//!   for the reply once more, and makes it sure by exchange. If the reply was sent, and D2 done, before the edge was
//!   there to be cleared, that look sees it; if D2 comes later, it clears the edge, sure or not. So no sure edge
//!   stands for a call that has been answered, and of those who close a circle D1 holds for who is sure last. Where
//!   another thread of the same process has the reply in hand at that moment, the look may miss it.
//!
//! Threads of a program that serve nobody have no entry, and pay one look at a thread-local number.
//! An entry is found by the number of its actor, in a run of places that begins there. Where no place is
//! free, or the system has no shared memory, a circle is not found.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::identity;
use crate::sys::memory::{Object, SharedMemory};
use crate::sys::proc_files;

/// Number of an entry that is being given free (D6).
const NOBODY: u64 = u64::MAX;
const ENTRIES: usize = 2048;
const ENTRY_BYTES: usize = 128;
/// Places in which an entry may be.
const RUN: usize = 64;
/// Offsets in an entry.
const ID: usize = 0;
const EDGE: usize = 8;
const PID: usize = 16;
const NAME_LENGTH: usize = 24;
const NAME: usize = 32;
const NAME_MAX_BYTES: usize = ENTRY_BYTES - NAME;

/// The actor behind a link, as its callers know it.
#[derive(Debug)]
pub(crate) struct Target {
    id: u64,
    /// Number of the link to it.
    link: u64,
    name: String,
    /// Process id, once it is known.
    pid: AtomicU32,
}

impl Target {
    pub(crate) fn new(id: u64, name: &str, link: u64) -> Self {
        Self { id, link, name: name.to_owned(), pid: AtomicU32::new(0) }
    }

    /// Says which process it is, by which it is seen to live.
    pub(crate) fn set_pid(&self, pid: u32) {
        // Relaxed: it is a hint, and alone.
        self.pid.store(pid, Ordering::Relaxed);
    }
}

/// The wait of this thread, for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Waiting {
    own: usize,
    /// The edge of the wait around this one (D5).
    before: u64,
}

/// The table, on its way from process to process, and mapped where it is needed.
struct Table {
    descriptor: OwnedFd,
    memory: OnceLock<Option<SharedMemory>>,
}

static TABLE: OnceLock<Option<Table>> = OnceLock::new();

thread_local! {
    /// Place of the entry of the actor that this thread serves, plus one.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// The table of this program, made here if there is none; `None` where there is no shared memory.
pub(crate) fn descriptor() -> Option<BorrowedFd<'static>> {
    let make = || Object::create("worker-core waits", ENTRIES * ENTRY_BYTES, false).ok();
    let table = TABLE.get_or_init(|| make().map(Table::from));
    table.as_ref().map(|table| table.descriptor.as_fd())
}

/// Takes the table that the spawner of this process has.
pub(crate) fn inherit(descriptor: OwnedFd) {
    // A fork of the program has it already.
    let _ = TABLE.set(Some(Table::from(descriptor)));
}

impl From<OwnedFd> for Table {
    fn from(descriptor: OwnedFd) -> Self {
        Self { descriptor, memory: OnceLock::new() }
    }
}

fn entries() -> Option<Entries<'static>> {
    let table = TABLE.get()?.as_ref()?;
    let map = || SharedMemory::map(&table.descriptor, ENTRIES * ENTRY_BYTES).ok();
    table.memory.get_or_init(map).as_ref().map(Entries)
}

/// Of an edge that counts (D7).
const SURE: u64 = 1 << 31;

/// Notes that this thread waits for the reply of a call that it is about to send, if it serves an actor.
///
/// # Errors
///
/// The actors of the circle that this would close, this one first.
#[inline]
pub(crate) fn begin(target: &Target, call: u64) -> Result<Option<Waiting>, Vec<String>> {
    match identity::served() {
        0 => Ok(None),
        me => begin_as(me, target, call, None),
    }
}

/// As [`begin`], for a call that was sent before: its reply may come, or have come, at any moment.
pub(crate) fn begin_sent(
    target: &Target,
    call: u64,
    has_come: &dyn Fn() -> bool,
) -> Result<Option<Waiting>, Vec<String>> {
    match identity::served() {
        0 => Ok(None),
        me => begin_as(me, target, call, Some(has_come)),
    }
}

#[cold]
fn begin_as(
    me: u64,
    target: &Target,
    call: u64,
    has_come: Option<&dyn Fn() -> bool>,
) -> Result<Option<Waiting>, Vec<String>> {
    if target.id == me {
        return Err(vec![target.name.clone()]);
    }
    let Some(entries) = entries() else { return Ok(None) };
    let Some(own) = entries.own(me) else { return Ok(None) };
    let Some(theirs) = entries.enter(target.id) else { return Ok(None) };
    // Relaxed: as in `set_pid`.
    entries.describe(theirs, &target.name, target.pid.load(Ordering::Relaxed));
    // D1. Made before the walk: a wait that ends in a circle is taken back by its drop.
    let edge = edge(theirs, target.id, target.link, call);
    let word = entries.word(own, EDGE);
    let first = if has_come.is_some() { edge } else { edge | SURE };
    let before = word.swap(first, Ordering::SeqCst);
    let waiting = Waiting { own, before };
    if let Some(has_come) = has_come {
        fence(Ordering::SeqCst);
        let is_answered = has_come()
            || word.compare_exchange(edge, edge | SURE, Ordering::SeqCst, Ordering::SeqCst).is_err();
        if is_answered {
            // D7: what is on its way is part of no circle.
            return Ok(Some(waiting));
        }
    }
    match entries.walk(own, theirs) {
        Some(circle) if circle.iter().all(|&place| entries.lives(place)) => {
            Err([own].into_iter().chain(circle).map(|place| entries.name(place)).collect())
        }
        _ => Ok(Some(waiting)),
    }
}

/// Clears the edge of an actor whose call has been answered (D2).
#[inline]
pub(crate) fn answered(caller: u64, link: u64, call: u64) {
    if caller != 0 {
        answered_to(caller, link, call);
    }
}

#[cold]
fn answered_to(caller: u64, link: u64, call: u64) {
    let me = identity::served();
    let Some(entries) = entries() else { return };
    let (Some(place), Some(own)) = (entries.find(caller), entries.find(me)) else { return };
    let (word, expected) = (entries.word(place, EDGE), edge(own, me, link, call));
    clear(word, expected);
}

/// Clears an edge if it is still this one (D3). The reply has been sent.
fn clear(word: &AtomicU64, edge: u64) {
    fence(Ordering::SeqCst);
    // In this order: an unsure edge may become sure in between, and never the other way round (D7).
    if word.compare_exchange(edge, 0, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        let _ = word.compare_exchange(edge | SURE, 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Gives the entry of the actor that this thread serves free, at its end.
pub(crate) fn leave() {
    if let (Some(entries), place @ 1..) = (entries(), OWN.replace(0)) {
        entries.free(place - 1, identity::served());
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(entries) = entries() {
            entries.word(self.own, EDGE).store(self.before, Ordering::SeqCst);
        }
    }
}

/// Place of who is waited for, some of its number, and what link and call come to (D3); never zero, and not sure (D7).
fn edge(place: usize, id: u64, link: u64, call: u64) -> u64 {
    // An odd factor loses nothing, and carries every bit of a call into the upper half.
    let mixed = (call ^ link).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (place as u64 + 1) << 52 | (id & 0xF_FFFF) << 32 | mixed >> 33
}

/// The entries of the table, wherever it is mapped.
#[derive(Clone, Copy)]
struct Entries<'memory>(&'memory SharedMemory);

impl<'memory> Entries<'memory> {
    fn word(self, place: usize, offset: usize) -> &'memory AtomicU64 {
        self.0.word(place % ENTRIES * ENTRY_BYTES + offset)
    }

    fn run(id: u64) -> impl Iterator<Item = usize> {
        let first = usize::try_from(id % ENTRIES as u64).unwrap_or(0);
        (first..first + RUN).map(|place| place % ENTRIES)
    }

    fn find(self, id: u64) -> Option<usize> {
        Self::run(id).find(|&place| self.word(place, ID).load(Ordering::SeqCst) == id)
    }

    fn own(self, me: u64) -> Option<usize> {
        match OWN.get() {
            // A fork of an actor's process has a copy of its parent's place, which is not its own.
            place if place > 0 && self.word(place - 1, ID).load(Ordering::SeqCst) == me => Some(place - 1),
            _ => {
                let place = self.enter(me)?;
                self.word(place, PID).store(u64::from(std::process::id()), Ordering::SeqCst);
                OWN.set(place + 1);
                Some(place)
            }
        }
    }

    /// The entry of an actor, made if there is none.
    fn enter(self, id: u64) -> Option<usize> {
        for _ in 0..2 {
            if let Some(place) = self.find(id) {
                return Some(place);
            }
            for place in Self::run(id) {
                let taken = self.word(place, ID).compare_exchange(0, id, Ordering::SeqCst, Ordering::SeqCst);
                // Whoever lost to somebody who enters the same actor has it too.
                if taken.is_ok() || taken == Err(id) {
                    return Some(place);
                }
            }
            Self::run(id).filter(|&place| self.is_left(place)).for_each(|place| {
                self.free(place, self.word(place, ID).load(Ordering::SeqCst));
            });
        }
        None
    }

    fn free(self, place: usize, id: u64) {
        let word = self.word(place, ID);
        // D6.
        if id != NOBODY && word.compare_exchange(id, NOBODY, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            for offset in [EDGE, PID, NAME_LENGTH] {
                self.word(place, offset).store(0, Ordering::SeqCst);
            }
            // Last: from here on it may be anybody's.
            word.store(0, Ordering::SeqCst);
        }
    }

    /// Whether the process of an entry is known, and there is none of that number any more.
    fn is_left(self, place: usize) -> bool {
        self.pid(place).is_some_and(|pid| kill(pid, None) == Err(Errno::ESRCH))
    }

    fn pid(self, place: usize) -> Option<Pid> {
        let pid = i32::try_from(self.word(place, PID).load(Ordering::SeqCst)).ok()?;
        (pid > 0).then(|| Pid::from_raw(pid))
    }

    /// D4: whether the process of an entry runs, as far as can be told.
    fn lives(self, place: usize) -> bool {
        self.pid(place).is_none_or(proc_files::runs)
    }

    /// Names an entry, once.
    fn describe(self, place: usize, name: &str, pid: u32) {
        let length = self.word(place, NAME_LENGTH);
        if length.load(Ordering::SeqCst) == 0 {
            let end = (0..=NAME_MAX_BYTES.min(name.len())).rev().find(|&end| name.is_char_boundary(end));
            let name = &name.as_bytes()[..end.unwrap_or(0)];
            self.0.write(place * ENTRY_BYTES + NAME, name);
            length.store(name.len() as u64, Ordering::SeqCst);
        }
        let known = self.word(place, PID);
        if pid != 0 && known.load(Ordering::SeqCst) == 0 {
            known.store(u64::from(pid), Ordering::SeqCst);
        }
    }

    fn name(self, place: usize) -> String {
        // Whatever another process wrote there: no more than there is room for.
        let length = usize::try_from(self.word(place, NAME_LENGTH).load(Ordering::SeqCst)).unwrap_or(0);
        let mut name = vec![0; length.min(NAME_MAX_BYTES)];
        self.0.read_into(place * ENTRY_BYTES + NAME, &mut name);
        String::from_utf8_lossy(&name).into_owned()
    }

    /// Goes from edge to edge; the circle, if it comes back to where it began.
    fn walk(self, own: usize, first: usize) -> Option<Vec<usize>> {
        let mut circle = vec![first];
        loop {
            let at = *circle.last()?;
            let edge = self.word(at, EDGE).load(Ordering::SeqCst);
            if edge & SURE == 0 {
                return None;
            }
            let next = usize::try_from(edge >> 52).ok()?.checked_sub(1)? % ENTRIES;
            if self.word(next, ID).load(Ordering::SeqCst) & 0xF_FFFF != edge >> 32 & 0xF_FFFF {
                return None;
            }
            if next == own {
                return Some(circle);
            }
            if circle.contains(&next) {
                // A circle without us: it is for its own members to find.
                return None;
            }
            circle.push(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: u64 = 77;

    fn memory() -> SharedMemory {
        SharedMemory::create("test", ENTRIES * ENTRY_BYTES).unwrap().1
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
}
