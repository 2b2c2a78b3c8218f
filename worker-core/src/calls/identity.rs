//! Who an actor is, and which actor a thread serves.
//! Not here: who waits for whom.
//! Layer 4: plain data.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::clock::Moment;

thread_local! {
    static SERVED: Cell<u64> = const { Cell::new(0) };
}

/// The actor that this thread serves; zero if it serves none.
#[inline]
pub(crate) fn served() -> u64 {
    SERVED.get()
}

/// The actor of this process, where that is one; zero in a program, and where actors are threads of it.
static OF_PROCESS: AtomicU64 = AtomicU64::new(0);

/// The actor in whose name this thread holds others: the one it serves, or that of the process.
pub(crate) fn holder() -> u64 {
    // Relaxed: it is set before there is a second thread.
    match served() {
        0 => OF_PROCESS.load(Ordering::Relaxed),
        id => id,
    }
}

/// Says which actor this process is.
pub(crate) fn set_of_process(id: u64) {
    // Relaxed: see `holder`.
    OF_PROCESS.store(id, Ordering::Relaxed);
}

/// Says which actor this thread serves from now on.
pub(crate) fn set(id: u64) {
    SERVED.set(id);
}

/// A number for a life of an actor, or for a link, which no other has: neither zero nor all ones.
pub(crate) fn new() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: each number is given out once, in any order.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // The keys of a hasher are random, but forks of one process have the same: process and time tell
    // those apart.
    RandomState::new()
        .hash_one((std::process::id(), Moment::now().nanoseconds(), count))
        .clamp(1, u64::MAX - 1)
}
