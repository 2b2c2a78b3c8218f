//! Figure 6: a thousand live actors, each answering, under a soft limit of 1,024 descriptors.
//! Not here: one actor at a time (`spawn`).
//! Layer: over `small` and `report`.

use std::error::Error;
use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::actor::CounterFrontend;
use crate::effort::Effort;
use crate::report::{Goal, Report, Row, Series, Unit};
use crate::small::SmallProcess;

/// What most systems give to a program that asks for nothing.
const SOFT_LIMIT: u64 = 1024;

pub fn measure(effort: &Effort, small: &mut SmallProcess, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, SOFT_LIMIT.min(hard), hard)?;
    let count = effort.actors;
    let bare_us = small.fork_many_us(count)?;

    let start = Instant::now();
    let mut counters = Vec::new();
    for number in 0..count {
        let counter = CounterFrontend::spawn(i64::from(number))
            .map_err(|error| format!("actor {number} of {count} under {SOFT_LIMIT} descriptors: {error}"))?;
        counters.push(counter);
    }
    let spawn_us = start.elapsed().as_secs_f64() * 1e6 / f64::from(count);

    let mut calls_us = Series::default();
    let mut answered = 0_u32;
    for (number, counter) in (0..).zip(&counters) {
        let start = Instant::now();
        answered += u32::from(counter.add(1)? == number + 1);
        calls_us.0.push(start.elapsed().as_secs_f64() * 1e6);
    }
    for counter in &counters {
        counter.stop()?;
    }
    report.rows.push(Row {
        figure: "live actors that answered".to_owned(),
        unit: Unit::Count,
        ours: Series(vec![f64::from(answered)]),
        bare: None,
        goal: Goal::AtLeast(f64::from(count)),
    });
    report.rows.push(Row {
        figure: format!("spawn, of {count} in a row"),
        unit: Unit::Microseconds,
        ours: Series(vec![spawn_us]),
        bare: Some(("fork until the child runs".to_owned(), Series(vec![bare_us]))),
        goal: Goal::None,
    });
    report
        .details
        .push((format!("first call, {count} actors alive"), vec![("ours".to_owned(), calls_us.median())]));
    Ok(())
}
