//! Figure 5: what an idle backend costs.
//! Not here: what a busy one does.
//! Layer: over `system` and `report`.

use std::error::Error;
use std::thread;

use crate::actor::CounterFrontend;
use crate::effort::Effort;
use crate::partner::{Partner, Primitive};
use crate::report::{Goal, Report, Row, Series, Unit};
use crate::system::{memory_kib, open_descriptors, processor_time_ns};

/// Actors among which the descriptors are shared out.
const ACTORS: u32 = 8;

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut partner = Partner::start(Primitive::Pipe)?;
    partner.add(1)?;
    // The fork server has descriptors of its own; they are not any actor's.
    CounterFrontend::spawn(0)?.stop()?;

    let before = open_descriptors()?;
    let counters: Vec<_> = (0..ACTORS).map(|_| CounterFrontend::spawn(0)).collect::<Result<_, _>>()?;
    for counter in &counters {
        counter.add(1)?;
    }
    let descriptors = f64::from(u32::try_from(open_descriptors()?.saturating_sub(before))?);

    let (ours, bare) = (counters[0].process().pid(), partner.child.pid.as_raw().unsigned_abs());
    let times = || Ok::<_, std::io::Error>((processor_time_ns(ours)?, processor_time_ns(bare)?));
    let (ours_before, bare_before) = times()?;
    thread::sleep(effort.idle_time);
    let (ours_after, bare_after) = times()?;
    let (our_unique, our_proportional) = memory_kib(ours)?;
    let (bare_unique, bare_proportional) = memory_kib(bare)?;

    let bare_name = || "forked process in read".to_owned();
    let mut row = |figure: &str, unit, ours, bare: Option<f64>, goal| {
        let bare = bare.map(|bare| (bare_name(), Series(vec![bare])));
        report.rows.push(Row { figure: figure.to_owned(), unit, ours: Series(vec![ours]), bare, goal });
    };
    row("idle backend, unique memory", Unit::Kibibytes, our_unique, Some(bare_unique), Goal::AtMost(64.0));
    row(
        "idle backend, proportional memory",
        Unit::Kibibytes,
        our_proportional,
        Some(bare_proportional),
        Goal::AtMost(300.0),
    );
    let seconds = effort.idle_time.as_secs_f64();
    let per_second_us = |before: u64, after: u64| after.abs_diff(before) as f64 / 1e3 / seconds;
    row(
        "idle backend, processor time a second",
        Unit::Microseconds,
        per_second_us(ours_before, ours_after),
        Some(per_second_us(bare_before, bare_after)),
        Goal::AtMost(0.0),
    );
    row(
        "descriptors in the program, an actor",
        Unit::Count,
        descriptors / f64::from(ACTORS),
        None,
        Goal::AtMost(4.0),
    );
    for counter in &counters {
        counter.stop()?;
    }
    Ok(())
}
