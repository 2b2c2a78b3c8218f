//! Figure 8: one wait of a select, with few sources and with many.
//! Not here: what the values cost (`channels`).
//! Layer: over `report`.

use std::error::Error;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use worker_core::{Receiver, Select, Sender, channel};

use crate::effort::Effort;
use crate::report::{Goal, Report, Row, Series, Unit};

const COUNTS: [usize; 3] = [1, 100, 1000];

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 14), hard)?;
    let waits = effort.values / 10;
    for count in COUNTS {
        let ends: Vec<_> = (0..count).map(|_| channel::<u64>()).collect::<Result<_, _>>()?;
        let (mut ours, mut bare) = (Series::default(), Series::default());
        for _ in 0..effort.rounds {
            ours.0.push(select_us(&ends, waits)?);
            bare.0.push(poll_us(&ends, waits)?);
        }
        report.rows.push(Row {
            figure: format!("select, a value from one of {count}"),
            unit: Unit::Microseconds,
            ours,
            bare: Some(("poll over all of them".to_owned(), bare)),
            goal: Goal::Times(if count == 1 { 1.5 } else { 1.0 }),
        });
    }
    Ok(())
}

/// Sources that differ from one wait to the next, each as often as any other.
fn next_index(wait: u32, count: usize) -> usize {
    wait as usize * 7919 % count
}

fn select_us(ends: &[(Sender<u64>, Receiver<u64>)], waits: u32) -> Result<f64, Box<dyn Error>> {
    let mut select = Select::new();
    let keys: Vec<_> = ends.iter().map(|(_, receiver)| select.add(receiver)).collect();
    let start = Instant::now();
    for wait in 0..waits {
        let index = next_index(wait, ends.len());
        ends[index].0.send(u64::from(wait))?;
        assert_eq!(select.wait()?, keys[index]);
        assert_eq!(ends[index].1.try_recv()?, Some(u64::from(wait)));
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(waits))
}

fn poll_us(ends: &[(Sender<u64>, Receiver<u64>)], waits: u32) -> Result<f64, Box<dyn Error>> {
    let polled = ends.iter().map(|(_, receiver)| PollFd::new(receiver.as_fd(), PollFlags::POLLIN));
    let mut polled: Vec<_> = polled.collect();
    let start = Instant::now();
    for wait in 0..waits {
        let index = next_index(wait, ends.len());
        ends[index].0.send(u64::from(wait))?;
        poll(&mut polled, PollTimeout::NONE)?;
        let found = polled.iter().position(|entry| entry.any().unwrap_or(false));
        assert_eq!(found, Some(index));
        assert_eq!(ends[index].1.try_recv()?, Some(u64::from(wait)));
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(waits))
}
