//! Messages of 32 bytes without a reply: how many a second, and that all of them came.
//! Not here: calls.
//! Layer: a figure.

use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::effort::Effort;
use crate::peers::{Contender, Outcome};
use crate::report::Series;
use crate::table::{Cell, Goal, Row, Unit};

const BATCH: u64 = 512;

pub fn measure(contenders: &mut [&mut Contender], effort: &Effort, rows: &mut Vec<Row>) -> Outcome<()> {
    let cell = |contender: &&mut Contender| Cell {
        name: contender.name.to_owned(),
        sort: contender.sort,
        series: Series::default(),
    };
    let mut cells: Vec<Cell> = contenders.iter().map(cell).collect();
    let mut number = 0;
    for round in 0..effort.rounds {
        for turn in 0..contenders.len() {
            let at = (turn + round) % contenders.len();
            if let Some(rate) = rate(contenders[at], &mut number, effort)? {
                cells[at].series.0.push(rate);
            }
        }
    }
    cells.retain(|cell| !cell.series.0.is_empty());
    let figure = "one-way messages of 32 B, one sender".to_owned();
    let row = Row { figure, unit: Unit::PerSecond, cells, goal: Goal::AtLeast(5e6) };
    println!("{row}");
    rows.push(row);
    Ok(())
}

/// Messages a second, from the first that is sent to the last that has arrived; `None` if it has no such thing.
fn rate(contender: &mut Contender, number: &mut u64, effort: &Effort) -> Outcome<Option<f64>> {
    let pid = contender.pid.filter(|_| contender.polls).map(Pid::from_raw);
    if let Some(pid) = pid {
        kill(pid, Signal::SIGCONT)?;
    }
    let rate = awake_rate(contender, number, effort);
    if let Some(pid) = pid {
        kill(pid, Signal::SIGSTOP)?;
    }
    rate
}

fn awake_rate(contender: &mut Contender, number: &mut u64, effort: &Effort) -> Outcome<Option<f64>> {
    if throw(contender, number)?.is_none() {
        return Ok(None);
    }
    let (before, start) = (contender.peer.caught()?, Instant::now());
    let (mut sent, mut sum) = (0, 0);
    while start.elapsed() < effort.slice {
        for _ in 0..BATCH {
            sum += throw(contender, number)?.unwrap_or(0);
        }
        sent += BATCH;
    }
    let caught = contender.peer.caught()? - before;
    let time = start.elapsed();
    if caught != sum {
        let name = contender.name;
        return Err(format!(
            "{name}: {sent} messages were sent, and their numbers are {sum} in all; what arrived is {caught}"
        )
        .into());
    }
    Ok(Some(sent as f64 / time.as_secs_f64()))
}

/// Throws a message with a number that no other has, and gives it; the other side adds them up.
#[inline]
fn throw(contender: &mut Contender, number: &mut u64) -> Outcome<Option<u64>> {
    *number += 1;
    let mut message = [0; 32];
    message[..8].copy_from_slice(&number.to_le_bytes());
    Ok(contender.peer.throw(&message)?.then_some(*number))
}
