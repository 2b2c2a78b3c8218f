//! The work that is measured, and the actor that does it.
//! Not here: measuring.
//! Layer: bottom.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use worker_core::process_actor;

/// Uses up so much processor time of this thread; gives the answer for `n`.
pub fn work(n: u64, time: Duration) -> u64 {
    let start = used();
    while used() - start < time {
        std::hint::spin_loop();
    }
    answer(n)
}

/// What an item gives.
pub fn answer(n: u64) -> u64 {
    n.wrapping_mul(3)
}

fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

pub struct Worker;

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self
    }

    /// Takes a while to be there.
    pub fn slow(time: Duration) -> Self {
        std::thread::sleep(time);
        Self
    }

    pub fn work(&self, n: u64, time: Duration) -> u64 {
        work(n, time)
    }

    /// Ends its process at one item in `every`.
    pub fn risky(&self, n: u64, time: Duration, every: u64) -> u64 {
        if every > 0 && n % every == every - 1 {
            std::process::exit(1);
        }
        work(n, time)
    }
}
