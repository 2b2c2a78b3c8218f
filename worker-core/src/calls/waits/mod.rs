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

mod entries;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use super::identity;
use crate::sys::memory::{Object, SharedMemory};
use entries::{EDGE, Entries, SURE, TABLE_BYTES, clear, edge};

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

/// The table of this program, made here if there is none; `None` where there is no shared memory.
pub(crate) fn descriptor() -> Option<BorrowedFd<'static>> {
    let make = || Object::create("worker-core waits", TABLE_BYTES, false).ok();
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
    let map = || SharedMemory::map(&table.descriptor, TABLE_BYTES).ok();
    table.memory.get_or_init(map).as_ref().map(Entries)
}

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

/// Gives the entry of the actor that this thread serves free, at its end.
pub(crate) fn leave() {
    if let Some(entries) = entries() {
        entries.leave(identity::served());
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(entries) = entries() {
            entries.word(self.own, EDGE).store(self.before, Ordering::SeqCst);
        }
    }
}
