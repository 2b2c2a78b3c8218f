//! The actor whose ends are measured.
//! Not here: measuring.
//! Layer: bottom.

use std::thread;
use std::time::Duration;

use worker_core::process_actor;

/// Answers with what it was made with, or not at all.
pub struct Keeper {
    kept: u64,
    time_to_stop: Duration,
}

#[process_actor]
impl Keeper {
    /// Keeps a number.
    pub fn new(kept: u64) -> Self {
        Self { kept, time_to_stop: Duration::ZERO }
    }

    /// Takes its time when it is asked to stop.
    pub fn slow(time_to_stop: Duration) -> Self {
        Self { kept: 0, time_to_stop }
    }

    /// The number it keeps, times `factor`.
    pub fn times(&self, factor: u64) -> u64 {
        self.kept.wrapping_mul(factor)
    }

    /// Never answers, and uses no processor time.
    pub fn hang(&self) {
        loop {
            thread::park();
        }
    }

    #[stopped]
    fn stopped(&mut self) {
        // What takes the time here is work elsewhere.
        thread::sleep(self.time_to_stop);
    }
}
