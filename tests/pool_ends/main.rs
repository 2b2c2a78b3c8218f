//! Ends of pools: what is still being made, what waits, and what nobody waits for any more.
//! Not here: leases and their hooks (`pools`), and what ends one process (`death`).
//! Layer: tests only, through the public surface.

#[path = "../support/mod.rs"]
mod support;

mod listeners;
mod making;
mod stopping;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use worker_core::{Builder, Pool, PoolBuilder, process_actor};

pub struct Worker;

#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub enum Lot {
    Good,
    Bad,
    /// As [`Lot::Bad`], but later than anybody who has just come looks for it.
    BadLater,
    Stuck,
}

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self
    }

    /// Is there at once, or never.
    pub fn stuck(stuck: bool) -> Self {
        if stuck {
            loop {
                thread::park();
            }
        }
        Self
    }

    /// Is there at once, fails, or is never there.
    pub fn lot(lot: Lot) -> Self {
        match lot {
            Lot::Good => Self,
            Lot::Bad => panic!("a bad lot"),
            Lot::BadLater => {
                thread::sleep(Duration::from_millis(200));
                panic!("a bad lot")
            }
            Lot::Stuck => Self::stuck(true),
        }
    }

    pub fn double(&self, n: u64) -> u64 {
        2 * n
    }

    /// Dies of one input.
    pub fn double_or_die(&self, n: u64, deadly: u64) -> u64 {
        if n == deadly {
            std::process::exit(3);
        }
        2 * n
    }

    pub fn double_slowly(&self, n: u64, time: Duration) -> u64 {
        thread::sleep(time);
        2 * n
    }
}

/// A pool of which only the first process ever gets through its constructor.
fn with_stuck_ones(builder: PoolBuilder<WorkerFrontend>) -> Pool<WorkerFrontend> {
    let made = AtomicUsize::new(0);
    builder
        .process(Builder::new().stop_timeout(Duration::from_millis(50)))
        .spawn(move |builder| {
            let is_first = made.fetch_add(1, Ordering::SeqCst) == 0;
            WorkerFrontend::spawn_stuck_with(builder, !is_first)
        })
        .expect("a pool")
}

/// A pool whose processes have these lots, in the order in which they are made; all further ones are good.
fn with_lots<const N: usize>(builder: PoolBuilder<WorkerFrontend>, lots: [Lot; N]) -> Pool<WorkerFrontend> {
    with_lots_and_then(builder, lots, Lot::Good)
}

/// As [`with_lots`], with the lot of all further ones.
fn with_lots_and_then<const N: usize>(
    builder: PoolBuilder<WorkerFrontend>,
    lots: [Lot; N],
    then: Lot,
) -> Pool<WorkerFrontend> {
    let made = AtomicUsize::new(0);
    builder
        .process(Builder::new().stop_timeout(Duration::from_millis(50)))
        .spawn(move |builder| {
            let lot = lots.get(made.fetch_add(1, Ordering::SeqCst)).copied();
            WorkerFrontend::spawn_lot_with(builder, lot.unwrap_or(then))
        })
        .expect("a pool")
}
