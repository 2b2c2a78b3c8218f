//! From a spawn to the first reply, in a small program and in a large one; stops.
//! Not here: many at one time (`scale`).
//! Layer: a figure.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::effort::Effort;
use crate::payload::{digest, numbers};
use crate::peers::ours::AnswererFrontend;
use crate::peers::{Contender, Outcome, Sort, crossmist, procspawn};
use crate::report::Series;
use crate::small::SmallProcess;
use crate::table::{Cell, Goal, Row, Unit};

const PAGE_BYTES: usize = 4096;
/// Between spawns that come now and then: the next one is forked ahead still.
const NOW_AND_THEN: Duration = Duration::from_millis(60);
/// A little longer than a process that is forked ahead waits for its order.
const ALONE: Duration = Duration::from_millis(300);
const FORK: &str = "bare fork + waitpid";
const WITHOUT: &str = "worker-core, nothing touched";

fn cell(name: &str, sort: Sort) -> Cell {
    Cell { name: name.to_owned(), sort, series: Series::default() }
}

pub fn measure(
    contenders: &[Contender],
    small: &mut SmallProcess,
    effort: &Effort,
    rows: &mut Vec<Row>,
) -> Outcome<()> {
    let mut plain = [
        cell("worker-core", Sort::Ours),
        cell(FORK, Sort::Bare),
        cell("std::process, /bin/true", Sort::Public),
        cell("procspawn", Sort::Public),
        cell("crossmist", Sort::Public),
    ];
    let mut now_and_then = [cell("worker-core", Sort::Ours), cell(FORK, Sort::Bare)];
    let mut alone = [cell("worker-core", Sort::Ours), cell(FORK, Sort::Bare)];
    let mut large =
        [cell("worker-core", Sort::Ours), cell(WITHOUT, Sort::OursOtherwise), cell(FORK, Sort::Bare)];
    let mut stops = [cell("worker-core", Sort::Ours)];
    let has_crossmist = contenders.iter().any(|contender| contender.name == "crossmist");
    let others = effort.spawns.div_ceil(4);
    let mut number = numbers();
    for round in 0..effort.rounds {
        // Each round begins with another one, so that none always follows the same.
        for turn in 0..plain.len() {
            let at = (turn + round) % plain.len();
            let median_us = match at {
                0 => {
                    let (spawn_us, stop_us) = spawn_and_stop_us(effort.spawns, &mut number)?;
                    stops[0].series.0.push(stop_us);
                    spawn_us
                }
                1 => small.fork_and_wait_us(effort.spawns)?,
                2 => median_us(others, || Ok(Command::new("/bin/true").status()?.success()), assert_one)?,
                3 => {
                    let spawn = || next(&mut number).and_then(|n| Ok((n, procspawn::spawn_and_ask(n)?)));
                    median_us(others, spawn, |(n, answer)| assert_one(answer == n + 2))?
                }
                _ if has_crossmist => {
                    let spawn = || next(&mut number).and_then(|n| Ok((n, crossmist::spawn_and_ask(n)?)));
                    median_us(others, spawn, |(n, (answer, child))| {
                        child.join()?;
                        assert_one(answer == n + 2)
                    })?
                }
                _ => continue,
            };
            plain[at].series.0.push(median_us);
        }
        for turn in 0..2 {
            let at = (turn + round) % 2;
            let (now_and_then_us, alone_us) = if at == 0 {
                (
                    spawn_apart_us(others, NOW_AND_THEN, &mut number)?,
                    spawn_apart_us(others.min(7), ALONE, &mut number)?,
                )
            } else {
                (fork_apart_us(small, others, NOW_AND_THEN)?, fork_apart_us(small, others.min(7), ALONE)?)
            };
            now_and_then[at].series.0.push(now_and_then_us);
            alone[at].series.0.push(alone_us);
        }
        for turn in 0..large.len() {
            let at = (turn + round) % large.len();
            let heap = touched(if at == 1 { 0 } else { effort.heap_bytes });
            let median_us = match at {
                2 => small.fork_and_wait_us(effort.spawns)?,
                _ => spawn_and_stop_us(effort.spawns, &mut number)?.0,
            };
            drop(heap);
            large[at].series.0.push(median_us);
        }
    }
    let mut add = |figure: String, unit, cells: &[Cell], goal| {
        let row = Row { figure, unit, cells: cells.to_vec(), goal };
        println!("{row}");
        rows.push(row);
    };
    add("spawn to the first reply".to_owned(), Unit::Microseconds, &plain, Goal::Times(1.2, FORK));
    let figure = "spawn to the first reply, now and then: 60 ms after the one before".to_owned();
    add(figure, Unit::Microseconds, &now_and_then, Goal::Times(1.2, FORK));
    let figure = "spawn to the first reply, alone: 300 ms after the one before".to_owned();
    add(figure, Unit::Microseconds, &alone, Goal::Times(1.2, FORK));
    let figure =
        format!("spawn to the first reply, with {} MiB touched in the program", effort.heap_bytes >> 20);
    add(figure, Unit::Microseconds, &large, Goal::Times(1.1, WITHOUT));
    add("stop, until reaped".to_owned(), Unit::Microseconds, &stops, Goal::AtMost(300.0));
    Ok(())
}

fn assert_one(right: bool) -> Outcome<()> {
    if right { Ok(()) } else { Err("a wrong answer".into()) }
}

/// Median time in microseconds of what is spawned; what it gave is looked at, and ended, with no clock running.
fn median_us<T>(
    count: u32,
    mut spawn: impl FnMut() -> Outcome<T>,
    mut end: impl FnMut(T) -> Outcome<()>,
) -> Outcome<f64> {
    let mut times_us = Series::default();
    for _ in 0..count {
        let start = Instant::now();
        let spawned = spawn()?;
        times_us.0.push(start.elapsed().as_secs_f64() * 1e6);
        end(spawned)?;
    }
    Ok(times_us.median())
}

/// The next number, for a process that adds two to it.
fn next(number: &mut u64) -> Outcome<i64> {
    *number += 1;
    Ok(i64::try_from(*number)?)
}
fn spawn_and_stop_us(count: u32, number: &mut u64) -> Outcome<(f64, f64)> {
    let (mut spawns, mut stops) = (Series::default(), Series::default());
    for _ in 0..count {
        *number += 1;
        let payload = number.to_le_bytes();
        let start = Instant::now();
        let answerer = AnswererFrontend::spawn()?;
        let answer = answerer.ask(&payload)?;
        spawns.0.push(start.elapsed().as_secs_f64() * 1e6);
        assert_one(answer == digest(&payload))?;
        let start = Instant::now();
        let exit = answerer.stop()?;
        stops.0.push(start.elapsed().as_secs_f64() * 1e6);
        assert_one(exit.is_clean())?;
    }
    Ok((spawns.median(), stops.median()))
}

/// Each so long after the one before.
fn spawn_apart_us(count: u32, pause: Duration, number: &mut u64) -> Outcome<f64> {
    let mut times_us = Series::default();
    for _ in 0..count {
        thread::sleep(pause);
        times_us.0.push(spawn_and_stop_us(1, number)?.0);
    }
    Ok(times_us.median())
}

/// The bare primitive after the same pauses: it too finds its processor asleep.
fn fork_apart_us(small: &mut SmallProcess, count: u32, pause: Duration) -> Outcome<f64> {
    let mut times_us = Series::default();
    for _ in 0..count {
        thread::sleep(pause);
        times_us.0.push(small.fork_and_wait_us(1)?);
    }
    Ok(times_us.median())
}

/// Memory of which every page is there.
fn touched(bytes: usize) -> Vec<u8> {
    let mut heap = vec![0_u8; bytes];
    for page in heap.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    std::hint::black_box(heap)
}
