//! The actor whose calls are measured.
//! Not here: what it is compared with (`partner`).
//! Layer: bottom.

use worker_core::process_actor;

/// Adds up numbers.
pub struct Counter {
    total: i64,
}

#[process_actor]
impl Counter {
    /// Starts at `start`.
    pub fn new(start: i64) -> Self {
        Self { total: start }
    }

    /// Adds `n`; gives the total.
    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }
}
