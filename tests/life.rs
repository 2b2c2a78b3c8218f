//! The figures about ends: how soon a death is told, a deadline kills, a life begins again; and a thousand
//! deaths under load, after which nothing may be wrong and nothing left.
//!
//! `cargo bench -p tests --bench life -- [--quick]`
//!
//! Times are told, not judged; the counts of what went wrong are judged.

#[path = "life/actor.rs"]
mod actor;
#[path = "figures/report.rs"]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod report;
#[path = "life/storm.rs"]
mod storm;
#[path = "life/times.rs"]
mod times;

use std::error::Error;
use std::process::ExitCode;

use report::Report;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
struct Effort {
    rounds: usize,
    kills: u32,
    restarts_in_a_row: u32,
    /// Actors that need a second each to stop.
    slow_actors: usize,
}

const FULL: Effort = Effort { rounds: 100, kills: 1000, restarts_in_a_row: 10_000, slow_actors: 20 };
const QUICK: Effort = Effort { rounds: 10, kills: 50, restarts_in_a_row: 100, slow_actors: 4 };

fn main() -> ExitCode {
    // Without `--bench`, which `cargo bench` gives, this is a test that everything runs: quick.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    if let Some(unknown) =
        arguments.iter().find(|argument| !["--bench", "--quick"].contains(&argument.as_str()))
    {
        eprintln!("life: unknown option `{unknown}`; [--quick]");
        return ExitCode::from(2);
    }
    let effort = if has("--bench") && !has("--quick") { FULL } else { QUICK };
    match run(&effort) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("life: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(effort: &Effort) -> Result<(), Box<dyn Error>> {
    println!("{}", report::machine());
    let mut report = Report::default();
    times::measure(effort, &mut report)?;
    println!("\n{report}");
    storm::run(effort.kills)
}
