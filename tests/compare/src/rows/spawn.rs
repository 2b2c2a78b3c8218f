//! From a spawn to the first reply, in a small program and in a large one; stops.
//! Not here: many at one time (`scale`).
//! Layer: a figure.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::effort::Effort;
use crate::payload::digest;
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
    let mut large = [cell("worker-core", Sort::Ours), cell(FORK, Sort::Bare)];
    let mut stops = [cell("worker-core", Sort::Ours)];
    let has_crossmist = contenders.iter().any(|contender| contender.name == "crossmist");
    let others = effort.spawns.div_ceil(4);
    for _ in 0..effort.rounds {
        let (spawn_us, stop_us) = spawn_and_stop_us(effort.spawns)?;
        plain[0].series.0.push(spawn_us);
        stops[0].series.0.push(stop_us);
        plain[1].series.0.push(small.fork_and_wait_us(effort.spawns)?);
        plain[2]
            .series
            .0
            .push(median_us(others, || assert_one(Command::new("/bin/true").status()?.success()))?);
        plain[3].series.0.push(median_us(others, || assert_one(procspawn::spawn_and_ask()? == 42))?);
        if has_crossmist {
            plain[4].series.0.push(median_us(others, || assert_one(crossmist::spawn_and_ask()? == 42))?);
        }
        now_and_then[0].series.0.push(spawn_apart_us(others, NOW_AND_THEN)?);
        now_and_then[1].series.0.push(fork_apart_us(small, others, NOW_AND_THEN)?);
        alone[0].series.0.push(spawn_apart_us(others.min(7), ALONE)?);
        alone[1].series.0.push(fork_apart_us(small, others.min(7), ALONE)?);
        let heap = touched(effort.heap_bytes);
        large[0].series.0.push(spawn_and_stop_us(effort.spawns)?.0);
        large[1].series.0.push(small.fork_and_wait_us(effort.spawns)?);
        drop(heap);
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
    add(figure, Unit::Microseconds, &large, Goal::Times(1.2, FORK));
    add("stop, until reaped".to_owned(), Unit::Microseconds, &stops, Goal::AtMost(300.0));
    Ok(())
}

fn assert_one(right: bool) -> Outcome<()> {
    if right { Ok(()) } else { Err("a wrong answer".into()) }
}

fn median_us(count: u32, mut spawn: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut times_us = Series::default();
    for _ in 0..count {
        let start = Instant::now();
        spawn()?;
        times_us.0.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times_us.median())
}

fn spawn_and_stop_us(count: u32) -> Outcome<(f64, f64)> {
    let (mut spawns, mut stops) = (Series::default(), Series::default());
    for _ in 0..count {
        let start = Instant::now();
        let answerer = AnswererFrontend::spawn()?;
        let answer = answerer.ask(b"12345678")?;
        spawns.0.push(start.elapsed().as_secs_f64() * 1e6);
        assert_one(answer == digest(b"12345678"))?;
        let start = Instant::now();
        let exit = answerer.stop()?;
        stops.0.push(start.elapsed().as_secs_f64() * 1e6);
        assert_one(exit.is_clean())?;
    }
    Ok((spawns.median(), stops.median()))
}

/// Each so long after the one before.
fn spawn_apart_us(count: u32, pause: Duration) -> Outcome<f64> {
    let mut times_us = Series::default();
    for _ in 0..count {
        thread::sleep(pause);
        times_us.0.push(spawn_and_stop_us(1)?.0);
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
