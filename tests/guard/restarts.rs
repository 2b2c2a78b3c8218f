//! What one restart costs when there were few before it, and when there were many: the same, in things that can be
//! counted. Not here: how long it takes (`life`).
//! Layer: the same program under the two tools.

use std::error::Error;
use std::time::Duration;

use worker_core::{Builder, Restart};

use crate::{AnswererFrontend, callgrind, is_there, per_call, system_calls};

/// The case, as the tools run it.
pub(crate) const CASE: &str = "restarts";
/// How many, where they are few and where they are many; what lies between the two numbers of a pair is counted.
const EARLY: (u32, u32) = (50, 150);
const LATE: (u32, u32) = (1000, 1100);
/// How much more a late one may cost. On a busy machine spares are taken or missed, which makes a seventh of the
/// system calls; one more for each restart before it would make it seven times as many.
const TOLERANCE: f64 = 1.5;

/// Ends an actor so many times, each time followed by a call.
pub(crate) fn run(count: u32) -> Result<(), Box<dyn Error>> {
    let restart = Restart::on_crash().max(u32::MAX).within(Duration::from_secs(3600)).backoff(Duration::ZERO);
    // Named, because under valgrind `/proc/self/exe` is valgrind.
    let builder = Builder::new().restart(restart).executable(std::env::current_exe()?);
    let answerer = AnswererFrontend::spawn_with(&builder)?;
    for _ in 0..count {
        // Not `kill`: valgrind knows no signal by descriptor.
        assert!(answerer.end().is_err());
        assert_eq!(answerer.add(1)?, 1);
    }
    assert_eq!(answerer.process().restarts(), u64::from(count));
    answerer.stop()?;
    Ok(())
}

/// Compares early restarts with late ones.
pub(crate) fn guard(failures: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    if is_there("strace") {
        compare("system calls of all processes", |count| system_calls(CASE, count), failures)?;
    }
    if is_there("valgrind") {
        compare("instructions of the program", |count| callgrind(CASE, count), failures)?;
    }
    Ok(())
}

fn compare(
    what: &str,
    count: impl Fn(u32) -> Result<u64, Box<dyn Error>>,
    failures: &mut Vec<String>,
) -> Result<(), Box<dyn Error>> {
    let early = per_call(EARLY.0, EARLY.1, &count)?;
    let late = per_call(LATE.0, LATE.1, &count)?;
    let told = format!("{what}, of a restart: {early:.0} after {}, {late:.0} after {}", EARLY.0, LATE.0);
    println!("{told}");
    if early <= 0.0 || late > early * TOLERANCE {
        failures.push(told);
    }
    Ok(())
}
