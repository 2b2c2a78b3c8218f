//! Calls as a user makes them.

use worker_core::process_actor;

/// Counts.
pub struct Counter {
    total: i64,
}

#[process_actor]
impl Counter {
    /// Starts at `start`.
    pub fn new(start: i64) -> Self {
        Self { total: start }
    }

    /// Adds.
    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }
}

#[test]
fn a_call_runs_in_the_backend() {
    let counter = CounterFrontend::spawn(40).unwrap();
    assert_eq!(counter.add(2).unwrap(), 42);
    assert!(counter.stop().unwrap().is_clean());
}
