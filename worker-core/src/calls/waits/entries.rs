//! The table itself: entries, their edges, and the walk along them.
//! Not here: when an edge is there, and what the rules D1 to D7 say (`super`).
//! Layer 4: over `sys::memory`.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::sys::memory::SharedMemory;
use crate::sys::proc_files;

/// Number of an entry that is being given free (D6).
const NOBODY: u64 = u64::MAX;
pub(super) const ENTRIES: usize = 2048;
const ENTRY_BYTES: usize = 128;
/// Places in which an entry may be.
pub(super) const RUN: usize = 64;
/// Offsets in an entry.
pub(super) const ID: usize = 0;
pub(super) const EDGE: usize = 8;
const PID: usize = 16;
pub(super) const NAME_LENGTH: usize = 24;
const NAME: usize = 32;
pub(super) const NAME_MAX_BYTES: usize = ENTRY_BYTES - NAME;
/// Length of the table.
pub(super) const TABLE_BYTES: usize = ENTRIES * ENTRY_BYTES;

thread_local! {
    /// Place of the entry of the actor that this thread serves, plus one.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// Of an edge that counts (D7).
pub(super) const SURE: u64 = 1 << 31;

/// Place of who is waited for, some of its number, and what link and call come to (D3); never zero, and not sure (D7).
pub(super) fn edge(place: usize, id: u64, link: u64, call: u64) -> u64 {
    // An odd factor loses nothing, and carries every bit of a call into the upper half.
    let mixed = (call ^ link).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (place as u64 + 1) << 52 | (id & 0xF_FFFF) << 32 | mixed >> 33
}

/// Clears an edge if it is still this one (D3). The reply has been sent.
pub(super) fn clear(word: &AtomicU64, edge: u64) {
    fence(Ordering::SeqCst);
    // In this order: an unsure edge may become sure in between, and never the other way round (D7).
    if word.compare_exchange(edge, 0, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        let _ = word.compare_exchange(edge | SURE, 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// The entries of the table, wherever it is mapped.
#[derive(Clone, Copy)]
pub(super) struct Entries<'memory>(pub(super) &'memory SharedMemory);

impl<'memory> Entries<'memory> {
    pub(super) fn word(self, place: usize, offset: usize) -> &'memory AtomicU64 {
        self.0.word(place % ENTRIES * ENTRY_BYTES + offset)
    }

    fn run(id: u64) -> impl Iterator<Item = usize> {
        let first = usize::try_from(id % ENTRIES as u64).unwrap_or(0);
        (first..first + RUN).map(|place| place % ENTRIES)
    }

    pub(super) fn find(self, id: u64) -> Option<usize> {
        Self::run(id).find(|&place| self.word(place, ID).load(Ordering::SeqCst) == id)
    }

    pub(super) fn own(self, me: u64) -> Option<usize> {
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

    /// Gives the entry of the actor that this thread serves free.
    pub(super) fn leave(self, me: u64) {
        if let place @ 1.. = OWN.replace(0) {
            self.free(place - 1, me);
        }
    }

    /// The entry of an actor, made if there is none.
    pub(super) fn enter(self, id: u64) -> Option<usize> {
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

    pub(super) fn free(self, place: usize, id: u64) {
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
    pub(super) fn lives(self, place: usize) -> bool {
        self.pid(place).is_none_or(proc_files::runs)
    }

    /// Names an entry, once.
    pub(super) fn describe(self, place: usize, name: &str, pid: u32) {
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

    pub(super) fn name(self, place: usize) -> String {
        // Whatever another process wrote there: no more than there is room for.
        let length = usize::try_from(self.word(place, NAME_LENGTH).load(Ordering::SeqCst)).unwrap_or(0);
        let mut name = vec![0; length.min(NAME_MAX_BYTES)];
        self.0.read_into(place * ENTRY_BYTES + NAME, &mut name);
        String::from_utf8_lossy(&name).into_owned()
    }

    /// Goes from edge to edge; the circle, if it comes back to where it began.
    pub(super) fn walk(self, own: usize, first: usize) -> Option<Vec<usize>> {
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
