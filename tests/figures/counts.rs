//! What a call costs in things that are counted, and that nothing else counts: sleeps while both sides are busy, page faults.
//! Not here: instructions and system calls (`guard`), and allocations (`costs`, an ordinary test).
//! Layer: over `report`.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use worker_core::process_actor;

use crate::effort::Effort;
use crate::report::{Goal, Report, Row, Series, Unit};

/// Tells what its process has cost.
pub struct Counted;

#[process_actor]
impl Counted {
    /// Has cost nothing yet.
    pub fn new() -> Self {
        Self
    }

    /// One more.
    pub fn next(&self, n: u64) -> u64 {
        n + 1
    }

    /// How many they are.
    pub fn length(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    /// Gives them back.
    pub fn echo(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    /// Sleeps and page faults of its process so far.
    pub fn so_far(&self) -> Result<(u64, u64), String> {
        so_far().map_err(|error| error.to_string())
    }
}

const CALLS: u64 = 100_000;
const LENGTH: usize = 16 << 20;
const ECHOES: u64 = 10;
/// Beyond half an extension: it goes in pieces.
const LONG: usize = 64 << 20;

fn so_far() -> nix::Result<(u64, u64)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((usage.voluntary_context_switches().unsigned_abs(), usage.minor_page_faults().unsigned_abs()))
}

/// Sleeps and page faults of both sides while something runs.
fn of_both(
    counted: &CountedFrontend,
    run: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(f64, f64), Box<dyn Error>> {
    let (here, there) = (so_far()?, counted.so_far()?);
    run()?;
    let (now_here, now_there) = (so_far()?, counted.so_far()?);
    let both = |before: (u64, u64), now: (u64, u64)| (now.0 - before.0, now.1 - before.1);
    let (here, there) = (both(here, now_here), both(there, now_there));
    Ok(((here.0 + there.0) as f64, (here.1 + there.1) as f64))
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (mut sleeps, mut fresh, mut fresh_us, mut again) =
        (Series::default(), Series::default(), Series::default(), Series::default());
    let (mut pieces_us, mut copy_us) = (Series::default(), Series::default());
    let payload = vec![7; LENGTH];
    for _ in 0..effort.rounds {
        let counted = CountedFrontend::spawn()?;
        (0..CALLS / 10).try_for_each(|n| counted.next(n).map(drop))?;
        let (its_sleeps, _) = of_both(&counted, || {
            for n in 0..CALLS {
                assert_eq!(counted.next(n)?, n + 1);
            }
            Ok(())
        })?;
        sleeps.0.push(its_sleeps * 1000.0 / CALLS as f64);
        let echo = || -> Result<(), Box<dyn Error>> {
            assert_eq!(counted.echo(&payload)?.len(), LENGTH);
            Ok(())
        };
        let start = Instant::now();
        fresh.0.push(of_both(&counted, echo)?.1);
        fresh_us.0.push(start.elapsed().as_secs_f64() * 1e6);
        // The vectors of both sides find their place in the heap, and a second region its pages.
        (0..4).try_for_each(|_| echo())?;
        let (_, faults) = of_both(&counted, || (0..ECHOES).try_for_each(|_| echo()))?;
        again.0.push(faults / ECHOES as f64);
        let (long, mut copy) = (vec![7; LONG], vec![0; LONG]);
        assert_eq!(counted.length(&long)?, LONG);
        let start = Instant::now();
        assert_eq!(counted.length(&long)?, LONG);
        pieces_us.0.push(start.elapsed().as_secs_f64() * 1e6);
        let start = Instant::now();
        black_box(&mut copy).copy_from_slice(&long);
        copy_us.0.push(start.elapsed().as_secs_f64() * 1e6);
        counted.stop()?;
    }
    let mut row = |figure: &str, unit, ours, goal| {
        report.rows.push(Row { figure: figure.to_owned(), unit, ours, bare: None, goal });
    };
    row("sleeps of both sides in 1000 busy calls", Unit::Count, sleeps, Goal::None);
    row("page faults of a first echo of 16 MiB", Unit::Count, fresh, Goal::None);
    row("the same in time", Unit::Microseconds, fresh_us, Goal::None);
    row("page faults of a later one", Unit::Count, again, Goal::AtMost(10.0));
    let (figure, bare) =
        ("call with 64 MiB, in pieces".to_owned(), Some(("one copy, to new pages".to_owned(), copy_us)));
    report.rows.push(Row { figure, unit: Unit::Microseconds, ours: pieces_us, bare, goal: Goal::None });
    Ok(())
}
