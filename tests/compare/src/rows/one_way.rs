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
    for round in 0..effort.rounds {
        for turn in 0..contenders.len() {
            let at = (turn + round) % contenders.len();
            if let Some(rate) = rate(contenders[at], effort)? {
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
fn rate(contender: &mut Contender, effort: &Effort) -> Outcome<Option<f64>> {
    let pid = contender.pid.filter(|_| contender.polls).map(Pid::from_raw);
    if let Some(pid) = pid {
        kill(pid, Signal::SIGCONT)?;
    }
    let rate = awake_rate(contender, effort);
    if let Some(pid) = pid {
        kill(pid, Signal::SIGSTOP)?;
    }
    rate
}

fn awake_rate(contender: &mut Contender, effort: &Effort) -> Outcome<Option<f64>> {
    // Each message counts one.
    let mut message = [0; 32];
    message[0] = 1;
    let Some(before) = contender.peer.throw(&message)?.then(|| contender.peer.caught()) else {
        return Ok(None);
    };
    let (before, start) = (before?, Instant::now());
    let mut sent = 0;
    while start.elapsed() < effort.slice {
        for _ in 0..BATCH {
            contender.peer.throw(&message)?;
        }
        sent += BATCH;
    }
    let caught = contender.peer.caught()? - before;
    let time = start.elapsed();
    if caught != sent {
        return Err(format!("{}: {sent} messages were sent and {caught} arrived", contender.name).into());
    }
    Ok(Some(sent as f64 / time.as_secs_f64()))
}
