//! Figure 4: from the spawn to the first reply, in a small program and in a large one.
//! Not here: many actors at one time (`many`).
//! Layer: over `small` and `report`.

use std::error::Error;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::actor::CounterFrontend;
use crate::effort::Effort;
use crate::report::{Goal, Report, Row, Series, Unit};
use crate::small::{SmallProcess, time_fork_and_wait_us};

const PAGE_BYTES: usize = 4096;
/// Between spawns that come now and then: the next one is forked ahead still.
const NOW_AND_THEN: Duration = Duration::from_millis(80);
/// Long enough that nothing is left that was forked ahead.
const ALONE: Duration = Duration::from_millis(300);

pub fn measure(effort: &Effort, small: &mut SmallProcess, report: &mut Report) -> Result<(), Box<dyn Error>> {
    // The first one starts the fork server.
    spawn_and_call_us(3)?;
    let (mut ours, mut stops, mut bare) = (Series::default(), Series::default(), Series::default());
    let (mut ours_large, mut bare_large) = (Series::default(), Series::default());
    let mut bare_of_large_program = Series::default();
    let heap_bytes = heap_bytes(effort);
    for _ in 0..effort.rounds {
        let (spawn_us, stop_us) = spawn_and_call_us(effort.spawns)?;
        ours.0.push(spawn_us);
        stops.0.push(stop_us);
        bare.0.push(small.fork_and_wait_us(effort.spawns)?);

        let heap = touched(heap_bytes);
        ours_large.0.push(spawn_and_call_us(effort.spawns)?.0);
        bare_large.0.push(small.fork_and_wait_us(effort.spawns)?);
        bare_of_large_program.0.push(time_fork_and_wait_us(3)?);
        drop(heap);
    }
    let (ours_now_and_then, bare_now_and_then) = measure_paused(effort, small, NOW_AND_THEN)?;
    let (ours_alone, bare_alone) = measure_paused(effort, small, ALONE)?;
    let bare_name = "fork + waitpid of a small process".to_owned();
    let row = |figure: String, ours: Series, bare: Series| Row {
        figure,
        unit: Unit::Microseconds,
        ours,
        bare: Some((bare_name.clone(), bare)),
        goal: Goal::Times(1.2),
    };
    report.rows.push(row("spawn to first reply".to_owned(), ours, bare));
    let large = format!("the same, {} MiB touched", heap_bytes >> 20);
    report.details.push((
        format!("a program with {} MiB touched", heap_bytes >> 20),
        vec![("fork + waitpid of itself".to_owned(), bare_of_large_program.median())],
    ));
    report.rows.push(row(large, ours_large, bare_large));
    let figure = format!("the same, {} ms apart", NOW_AND_THEN.as_millis());
    report.rows.push(row(figure, ours_now_and_then, bare_now_and_then));
    report.rows.push(row("spawn to first reply, alone".to_owned(), ours_alone, bare_alone));
    report.rows.push(Row {
        figure: "stop, until reaped".to_owned(),
        unit: Unit::Microseconds,
        ours: stops,
        bare: None,
        goal: Goal::AtMost(300.0),
    });
    Ok(())
}

/// Ours and bare, each so long after the one before.
fn measure_paused(
    effort: &Effort,
    small: &mut SmallProcess,
    pause: Duration,
) -> Result<(Series, Series), Box<dyn Error>> {
    let (mut ours_paused, mut bare_paused) = (Series::default(), Series::default());
    for _ in 0..effort.rounds {
        let (mut ours, mut bare) = (Series::default(), Series::default());
        for _ in 0..effort.spawns.div_ceil(20) {
            thread::sleep(pause / 2);
            ours.0.push(spawn_and_call_us(1)?.0);
            thread::sleep(pause / 2);
            bare.0.push(small.fork_and_wait_us(1)?);
        }
        ours_paused.0.push(ours.median());
        bare_paused.0.push(bare.median());
    }
    Ok((ours_paused, bare_paused))
}

/// Medians of the time from a spawn to the first reply, and of a stop.
fn spawn_and_call_us(count: u32) -> Result<(f64, f64), Box<dyn Error>> {
    let (mut spawns, mut stops) = (Series::default(), Series::default());
    for _ in 0..count {
        let start = Instant::now();
        let counter = CounterFrontend::spawn(40)?;
        let answer = counter.add(2)?;
        spawns.0.push(start.elapsed().as_secs_f64() * 1e6);
        if answer != 42 {
            return Err(format!("a new counter answered {answer}").into());
        }
        let start = Instant::now();
        let exit = counter.stop()?;
        stops.0.push(start.elapsed().as_secs_f64() * 1e6);
        if !exit.is_clean() {
            return Err(exit.to_string().into());
        }
    }
    Ok((spawns.median(), stops.median()))
}

/// As much as is asked for, but no more than a third of what the machine has to give.
fn heap_bytes(effort: &Effort) -> usize {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix(" kB"));
    let available_kib: usize = available.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    effort.heap_bytes.min(available_kib * 1024 / 3)
}

/// Memory of which every page is there.
fn touched(bytes: usize) -> Vec<u8> {
    let mut heap = vec![0_u8; bytes];
    for page in heap.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    std::hint::black_box(heap)
}
