//! How long to measure, and what.
//! Not here: measuring.
//! Layer: bottom.

use std::time::Duration;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// Time for one contender in one round.
    pub slice: Duration,
    /// Calls from idle in one round.
    pub idle_calls: u32,
    /// Spawns in one round.
    pub spawns: u32,
    /// Memory that the program touches to be a large one.
    pub heap_bytes: usize,
    pub frames: u64,
    /// Values through a channel in one round.
    pub values: u64,
    /// Actors alive at one time.
    pub actors: &'static [usize],
    /// How often so many are made.
    pub herds: usize,
}

pub const FULL: Effort = Effort {
    rounds: 7,
    slice: Duration::from_millis(50),
    idle_calls: 60,
    spawns: 50,
    heap_bytes: 1 << 30,
    frames: 256,
    values: 50_000,
    actors: &[1, 10, 100, 1000],
    herds: 3,
};

/// For a look, and to see that everything runs and answers rightly.
pub const QUICK: Effort = Effort {
    rounds: 2,
    slice: Duration::from_millis(5),
    idle_calls: 10,
    spawns: 5,
    heap_bytes: 64 << 20,
    frames: 16,
    values: 2_000,
    actors: &[1, 10, 50],
    herds: 1,
};
