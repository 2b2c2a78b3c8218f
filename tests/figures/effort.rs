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
    /// How long a backend is watched doing nothing.
    pub idle_time: Duration,
    /// Actors alive at one time.
    pub actors: u32,
    /// Values through a channel in one round.
    pub values: u32,
}

impl Effort {
    const FULL: Self = Self {
        rounds: 9,
        slice: Duration::from_millis(150),
        idle_calls: 100,
        spawns: 100,
        heap_bytes: 2 << 30,
        idle_time: Duration::from_secs(2),
        actors: 1000,
        values: 200_000,
    };

    /// For a look, and to see on every change that the benchmark runs.
    const QUICK: Self = Self {
        rounds: 3,
        slice: Duration::from_millis(10),
        idle_calls: 20,
        spawns: 20,
        heap_bytes: 128 << 20,
        idle_time: Duration::from_millis(100),
        actors: 300,
        values: 5_000,
    };
}

/// What the command line says.
#[derive(Debug)]
pub struct Options {
    pub effort: Effort,
    /// Parts of the names of what is wanted; none for everything.
    filters: Vec<String>,
}

impl Options {
    /// Without `--bench`, which `cargo bench` gives, this is a test that everything runs: quick.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut is_bench, mut quick) = (false, false);
        let mut filters = Vec::new();
        for argument in arguments {
            match argument.as_str() {
                "--bench" => is_bench = true,
                "--quick" => quick = true,
                "--help" | "-h" => {
                    return Err("[--quick] [calls|counts|flow|payloads|spawn|idle|many|channels|select]..."
                        .to_owned());
                }
                option if option.starts_with('-') => {
                    return Err(format!(
                        "unknown option `{option}`; [--quick] [calls|counts|flow|payloads|spawn|idle|many|channels|select]..."
                    ));
                }
                _ => filters.push(argument),
            }
        }
        let effort = if is_bench && !quick { Effort::FULL } else { Effort::QUICK };
        Ok(Self { effort, filters })
    }

    pub fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }
}
