//! Frames that are all different, and two bare processes that share the slots for them.
//! Not here: rings and their peers (`rows::frames`).
//! Layer: a peer, over `system`.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::system::{Child, Mailbox, Shared, futex_wait, futex_wake, shared_mailboxes};

/// A frame of 1080p RGB.
pub const WORDS: usize = 1920 * 1080 * 3 / 8;
pub const SLOTS: usize = 8;

pub fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, &word| sum.wrapping_add(word))
}

/// What is written: each frame has a number that no other has as its first word.
pub struct Source {
    words: Vec<u64>,
    /// Of all words but the first.
    sum_of_rest: u64,
    number: u64,
}

impl Source {
    pub fn new() -> Self {
        let words: Vec<u64> =
            (0..WORDS as u64).map(|word| word.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        Self { sum_of_rest: sum(&words[1..]), words, number: 0 }
    }

    pub fn next(&mut self) -> &[u64] {
        self.number += 1;
        self.words[0] = self.number;
        &self.words
    }

    /// What the next frames are in all.
    pub fn expected(&self, frames: u64) -> u64 {
        let numbers = (1..=frames).fold(0_u64, |total, turn| total.wrapping_add(self.number + turn));
        self.sum_of_rest.wrapping_mul(frames).wrapping_add(numbers)
    }
}

/// Two bare processes and as many slots of shared memory: one copies in while the other sums, and neither sleeps.
pub struct BarePair {
    pair: Pair,
    rounds: u32,
    _child: Child,
}

struct Pair {
    slots: Vec<Shared>,
    /// How many frames to take, and what they were in all.
    order: &'static Mailbox,
    total: &'static Mailbox,
    /// How many frames there have been, and how many of them were summed.
    written: &'static Mailbox,
    read: &'static Mailbox,
}

/// Until there are more than so many.
fn wait_for(count: &Mailbox, more_than: i64) {
    while count.value.load(Ordering::Acquire) <= more_than {
        thread::yield_now();
    }
}

impl Pair {
    fn slot(&self, at: i64) -> &Shared {
        &self.slots[at as usize % SLOTS]
    }

    fn serve(&self) {
        let mut at = 0;
        for round in 0.. {
            while !self.order.has_more_than(round) {
                futex_wait(&self.order.sequence, round);
            }
            let mut total = 0_u64;
            for _ in 0..self.order.value.load(Ordering::Relaxed) {
                wait_for(self.written, at);
                total = total.wrapping_add(self.slot(at).with_words(sum));
                at += 1;
                self.read.value.store(at, Ordering::Release);
            }
            self.total.put(total as i64);
        }
    }
}

impl BarePair {
    /// While this program has one thread.
    pub fn start() -> Outcome<Self> {
        let slots = (0..SLOTS).map(|_| Shared::new(WORDS * 8)).collect::<Result<_, _>>()?;
        let ([order, total], [written, read]) = (shared_mailboxes()?, shared_mailboxes()?);
        let pair = Pair { slots, order, total, written, read };
        let child = Child::fork(|| pair.serve())?;
        Ok(Self { pair, rounds: 0, _child: child })
    }

    /// How long so many frames took, and what the other one summed.
    pub fn run(&mut self, source: &mut Source, frames: u64) -> (Duration, u64) {
        let pair = &self.pair;
        let start = Instant::now();
        pair.order.put(frames as i64);
        futex_wake(&pair.order.sequence);
        let before = pair.written.value.load(Ordering::Relaxed);
        for at in before..before + frames as i64 {
            wait_for(pair.read, at - SLOTS as i64);
            pair.slot(at).write_words(source.next());
            pair.written.value.store(at + 1, Ordering::Release);
        }
        while !pair.total.has_more_than(self.rounds) {
            thread::yield_now();
        }
        self.rounds += 1;
        (start.elapsed(), pair.total.value.load(Ordering::Relaxed) as u64)
    }
}
