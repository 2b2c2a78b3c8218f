//! The words of a model, of which one ordering can be taken out, to see whether the model needs it.
//! Not here: which model notices which (`orderings`).
//! Layer 6: a model.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use loom::sync::atomic::{AtomicU64, fence};
use loom::thread::{self, ThreadId};

use super::super::control::{Control, Words};
use crate::ring::Memory;

/// One side of a pair in the table of `frames`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    FrameRelease,
    FrameAcquire,
    NewestRelease,
    NewestAcquire,
    SlotRelease,
    SlotAcquire,
    PassedRelease,
    PassedAcquire,
    AttachedRelease,
    AttachedAcquire,
    SeatRelease,
    SeatAcquire,
    /// The fences of the end that goes to sleep, and those of the end that wakes it (D1).
    SleeperFence,
    WakerFence,
}

/// The words of a ring, with the accesses that are not ordered as the code asks for.
pub(super) struct Modelled {
    words: Vec<AtomicU64>,
    control: Control,
    weak: &'static [Access],
    /// Threads that have said that they are about to sleep.
    sleepers: Mutex<Vec<ThreadId>>,
}

impl Modelled {
    pub(super) fn new(control: Control, weak: &'static [Access]) -> Self {
        let words = (0..control.end_bytes() / 8).map(|_| AtomicU64::new(0)).collect();
        Self { words, control, weak, sleepers: Mutex::default() }
    }

    fn word(&self, offset_bytes: usize) -> &AtomicU64 {
        &self.words[offset_bytes / 8]
    }

    fn is_slot(&self, offset_bytes: usize) -> bool {
        (0..self.control.slots()).any(|slot| self.control.slot(slot).word == offset_bytes)
    }

    fn is_next(&self, offset_bytes: usize) -> bool {
        (0..self.control.readers_max()).any(|index| self.control.reader(index).next == offset_bytes)
    }

    fn is_state(&self, offset_bytes: usize) -> bool {
        (0..self.control.readers_max()).any(|index| self.control.reader(index).state == offset_bytes)
    }

    fn note_sleeper(&self) {
        self.sleepers.lock().expect("nobody panics here").push(thread::current().id());
    }

    /// The order to use for an access that asks for one.
    fn order(&self, access: Option<Access>, order: Ordering) -> Ordering {
        let is_weak = order != Ordering::Relaxed && access.is_some_and(|access| self.weak.contains(&access));
        if is_weak { Ordering::Relaxed } else { order }
    }
}

impl Memory for Modelled {
    fn load(&self, offset_bytes: usize, order: Ordering) -> u64 {
        let access = match offset_bytes {
            at if at == self.control.newest() => Some(Access::NewestAcquire),
            at if at == self.control.attachments() => Some(Access::AttachedAcquire),
            at if self.is_next(at) => Some(Access::PassedAcquire),
            _ => None,
        };
        self.word(offset_bytes).load(self.order(access, order))
    }

    fn store(&self, offset_bytes: usize, value: u64, order: Ordering) {
        let access = match offset_bytes {
            at if at == self.control.newest() => Some(Access::NewestRelease),
            at if self.is_slot(at) => Some(Access::FrameRelease),
            at if self.is_next(at) => Some(Access::PassedRelease),
            at if self.is_state(at) => Some(Access::SeatRelease),
            _ => None,
        };
        if offset_bytes == self.control.writer_waiting() && value != 0 {
            self.note_sleeper();
        }
        self.word(offset_bytes).store(value, self.order(access, order));
    }

    fn swap(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.word(offset_bytes).swap(value, order)
    }

    fn or(&self, offset_bytes: usize, bits: u64, order: Ordering) -> u64 {
        if offset_bytes == self.control.sleepers() {
            self.note_sleeper();
        }
        self.word(offset_bytes).fetch_or(bits, order)
    }

    fn fence(&self) {
        let sleeps = self.sleepers.lock().expect("nobody panics here").contains(&thread::current().id());
        if !self.weak.contains(if sleeps { &Access::SleeperFence } else { &Access::WakerFence }) {
            fence(Ordering::SeqCst);
        }
    }
}

impl Words for Modelled {
    fn add(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        let access = (offset_bytes == self.control.attachments()).then_some(Access::AttachedRelease);
        self.word(offset_bytes).fetch_add(value, self.order(access, order))
    }

    fn and(&self, offset_bytes: usize, bits: u64, order: Ordering) -> u64 {
        let access = self.is_slot(offset_bytes).then_some(Access::SlotRelease);
        self.word(offset_bytes).fetch_and(bits, self.order(access, order))
    }

    fn exchange(&self, offset_bytes: usize, from: u64, to: u64, order: Ordering) -> bool {
        let access = match offset_bytes {
            at if self.is_slot(at) && to == 0 => Some(Access::SlotAcquire),
            at if self.is_slot(at) => Some(Access::FrameAcquire),
            at if self.is_state(at) => Some(Access::SeatAcquire),
            _ => None,
        };
        let order = self.order(access, order);
        self.word(offset_bytes).compare_exchange(from, to, order, Ordering::Relaxed).is_ok()
    }
}
