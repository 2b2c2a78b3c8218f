//! The protocol under every interleaving that the memory model allows, for rings of a few slots.
//! Not here: real memory and real processes (`tests`).
//! Layer 6: a model. Run it with `RUSTFLAGS="--cfg worker_model" cargo test -p worker-core --release frames::model`.
//!
//! The bytes of a slot are a cell in which loom finds every access that is not ordered: if a frame could
//! be written while it is read, or read before it is written, the model fails. `cases` has the models;
//! `orderings` runs them once more with each ordering of the table in `frames` taken out, and sees them fail.

mod cases;
mod orderings;
mod weakened;

use std::sync::atomic::{AtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use super::Overflow;
use super::control::Control;
use super::reading::Reading;
use super::registry::{self, Start};
use super::writing::Writing;
use crate::ring::Memory;
use weakened::{Access, Modelled};

/// The orderings that a model goes without.
type Weak = &'static [Access];

/// Orders that the smallest of the models has, and then some.
const ORDERS_MIN: usize = 10;

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
    fn new(overflow: Overflow, slots: usize, readers: usize, weak: Weak) -> Arc<Self> {
        let control = Control::for_model(readers, slots);
        let words = Modelled::new(control, weak);
        let bytes = (0..slots).map(|_| UnsafeCell::new(0)).collect();
        // Two orders of looking, of which each policy is checked with one.
        let takes_oldest_first = matches!(overflow, Overflow::Block | Overflow::DropOldest);
        Arc::new(Self { control, overflow, words, bytes, takes_oldest_first })
    }

    fn enter(&self, start: Start) -> Reading {
        self.try_enter(start).expect("a seat is free")
    }

    fn try_enter(&self, start: Start) -> Option<Reading> {
        let token = registry::new_token(&self.control, &self.words);
        let seat = registry::enter(&self.control, &self.words, token, start)?;
        Some(Reading::resume(self.control, self.overflow, seat, &self.words))
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

/// Runs a model in every order with so many preemptions.
///
/// Loom explores little or nothing of what its first thread does before it waits for another one: of a
/// model whose two sides are that thread and one more it may run a single order, and be content.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    let orders = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&orders);
    builder.check(move || {
        // Relaxed: loom runs one order at a time.
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    assert!(orders >= ORDERS_MIN, "a model in which there are only {orders} orders shows nothing");
}
