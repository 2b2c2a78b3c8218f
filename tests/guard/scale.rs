//! What a call costs where there are few actors, and where there are many: the same, in things that can be counted.
//! Not here: how long it takes, which grows with what processors and caches forget (`compare`).
//! Layer: the same program under the two tools.

use std::error::Error;

use worker_core::Builder;

use crate::{AnswererFrontend, MOST_SYSTEM_CALLS_FROM_IDLE, callgrind, is_there, per_call, system_calls};

/// The cases, as the tools run them: so many actors, of which each is called in turn.
const FEW: &str = "10 in turn";
const MANY: &str = "200 in turn";
/// Calls in a run with few of them, and with many; both beyond the first call of each actor.
const CALLS: (u32, u32) = (400, 2400);
/// Two a side, as from idle, and what the spawns of both runs differ by. A call of one of ten makes fewer where some are still
/// awake when their next comes.
const MOST_SYSTEM_CALLS: f64 = MOST_SYSTEM_CALLS_FROM_IDLE + 0.5;
/// How much more instructions one of many may cost. A list of all actors that were walked at each call would make it many
/// times as much.
const TOLERANCE: f64 = 1.1;

/// Calls each in turn, so many calls in all; `false` if that is no case of this file.
pub(crate) fn run(case: &str, calls: u32) -> Result<bool, Box<dyn Error>> {
    let actors = match case {
        FEW => 10,
        MANY => 200,
        _ => return Ok(false),
    };
    // Named, because under valgrind `/proc/self/exe` is valgrind.
    let builder = Builder::new().executable(std::env::current_exe()?);
    let all = (0..actors).map(|_| AnswererFrontend::spawn_with(&builder)).collect::<Result<Vec<_>, _>>()?;
    for (number, answerer) in (0..calls).zip(all.iter().cycle()) {
        assert_eq!(answerer.add(1)?, i64::from(number / actors) + 1);
    }
    for answerer in &all {
        answerer.stop()?;
    }
    Ok(true)
}

/// Counts a call of one of few, and of one of many.
pub(crate) fn guard(failures: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    if is_there("strace") {
        let (few, many, told) = counts("system calls, both sides", system_calls)?;
        if few <= 0.0 || many > MOST_SYSTEM_CALLS {
            failures.push(told);
        }
    }
    if is_there("valgrind") {
        let (few, many, told) = counts("instructions of the program", callgrind)?;
        if few <= 0.0 || many > few * TOLERANCE {
            failures.push(told);
        }
    }
    Ok(())
}

fn counts(
    what: &str,
    count: impl Fn(&str, u32) -> Result<u64, Box<dyn Error>>,
) -> Result<(f64, f64, String), Box<dyn Error>> {
    let few = per_call(CALLS.0, CALLS.1, |calls| count(FEW, calls))?;
    let many = per_call(CALLS.0, CALLS.1, |calls| count(MANY, calls))?;
    let told = format!("{what}, of a call of one of so many: {few:.1} of {FEW}, {many:.1} of {MANY}");
    println!("{told}");
    Ok((few, many, told))
}
