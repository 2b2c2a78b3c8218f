//! A call and its reply: by placement of the two processes, and by size of the payload.
//! Not here: many callers (`threads`) and no reply (`one_way`).
//! Layer: a figure.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::effort::Effort;
use crate::payload::{check, digest, numbers, pattern, stamp};
use crate::peers::python::{KINDS, Python};
use crate::peers::{Contender, KIB, MIB, Outcome, Sort};
use crate::report::Series;
use crate::system::{allowed_processors, run_on};
use crate::table::{Cell, Goal, Row, Unit};

const PAUSE: Duration = Duration::from_millis(1);
/// Calls that are not counted: both sides learn where they are, and pages come to be.
const WARM_UP_CALLS: u32 = 64;

#[derive(Clone, Copy, PartialEq)]
enum Placement {
    Free,
    FromIdle,
    OneProcessor,
    TwoProcessors,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Ask,
    Echo,
}

struct Case {
    figure: &'static str,
    placement: Placement,
    shape: Shape,
    bytes: usize,
    goal: Goal,
}

const fn case(figure: &'static str, placement: Placement, shape: Shape, bytes: usize, goal: Goal) -> Case {
    Case { figure, placement, shape, bytes, goal }
}

const FUTEX: &str = "bare spin, then futex";
const FUTEX_EACH: &str = "bare spin, then futex each time";
const CASES: [Case; 15] = {
    use Placement::{Free, FromIdle, OneProcessor, TwoProcessors};
    use Shape::{Ask, Echo};
    [
        case("call, 8 B, busy, free to move", Free, Ask, 8, Goal::Times(1.5, FUTEX_EACH)),
        case("call, 8 B, after 1 ms idle", FromIdle, Ask, 8, Goal::TimesSleeping(1.2)),
        case("call, 8 B, pinned to one processor", OneProcessor, Ask, 8, Goal::TimesSleeping(1.2)),
        case("call, 8 B, pinned to two processors", TwoProcessors, Ask, 8, Goal::Times(1.5, "bare spin")),
        case("request of 1 KiB", Free, Ask, KIB, Goal::None),
        case("request of 64 KiB", Free, Ask, 64 * KIB, Goal::Times(2.0, FUTEX)),
        case("request of 1 MiB", Free, Ask, MIB, Goal::Times(1.3, FUTEX)),
        case("request of 16 MiB", Free, Ask, 16 * MIB, Goal::Times(1.2, FUTEX)),
        case("request of 64 KiB, after 1 ms idle", FromIdle, Ask, 64 * KIB, Goal::None),
        case("request of 1 MiB, after 1 ms idle", FromIdle, Ask, MIB, Goal::None),
        case("request of 16 MiB, after 1 ms idle", FromIdle, Ask, 16 * MIB, Goal::None),
        case("echo of 1 KiB", Free, Echo, KIB, Goal::None),
        case("echo of 64 KiB", Free, Echo, 64 * KIB, Goal::Times(1.5, FUTEX)),
        case("echo of 1 MiB", Free, Echo, MIB, Goal::None),
        case("echo of 16 MiB", Free, Echo, 16 * MIB, Goal::None),
    ]
};

pub fn measure(
    contenders: &mut [Contender],
    python: &mut Option<Python>,
    effort: &Effort,
    rows: &mut Vec<Row>,
) -> Outcome<()> {
    let processors = allowed_processors();
    let mut number = numbers();
    for case in &CASES {
        if case.placement == Placement::TwoProcessors && processors.len() < 2 {
            continue;
        }
        let mut cells: Vec<Cell> = contenders
            .iter()
            .map(|contender| Cell {
                name: contender.name.to_owned(),
                sort: contender.sort,
                series: Series::default(),
            })
            .collect();
        let free = matches!(case.placement, Placement::Free | Placement::FromIdle);
        let pythons = if python.is_some() && free { KINDS.as_slice() } else { &[] };
        cells.extend(pythons.iter().map(|(_, name)| Cell {
            name: (*name).to_owned(),
            sort: Sort::Public,
            series: Series::default(),
        }));
        let mut payload = pattern(case.bytes);
        for round in 0..effort.rounds {
            // Each round begins with another one, so that none always follows the same.
            for turn in 0..cells.len() {
                let at = (turn + round) % cells.len();
                let median_us = match contenders.get_mut(at) {
                    Some(contender) if takes_part(contender, case) => {
                        if round == 0 && case.shape == Shape::Echo {
                            compare(contender, &mut payload, &mut number)?;
                        }
                        sample(contender, case, &processors, &mut payload, &mut number, effort)?
                    }
                    Some(_) => continue,
                    None => {
                        let Some(python) = python else { continue };
                        python_us(python, KINDS[at - contenders.len()].0, case, effort)?
                    }
                };
                cells[at].series.0.push(median_us);
            }
        }
        cells.retain(|cell| !cell.series.0.is_empty());
        let row = Row { figure: case.figure.to_owned(), unit: Unit::Microseconds, cells, goal: case.goal };
        println!("{row}");
        rows.push(row);
    }
    Ok(())
}

fn takes_part(contender: &Contender, case: &Case) -> bool {
    // One that polls, on the processor that the other side needs, measures the scheduler's clock.
    let fits = match case.placement {
        Placement::Free | Placement::FromIdle => true,
        Placement::OneProcessor => contender.pid.is_some() && !contender.polls,
        Placement::TwoProcessors => contender.pid.is_some(),
    };
    fits && case.bytes <= contender.largest && (case.shape == Shape::Echo || !contender.peer.only_echoes())
}

/// Stops the other process when it goes, if it would keep a processor busy.
struct Awake(Option<Pid>);

impl Awake {
    fn new(contender: &Contender) -> Outcome<Self> {
        let pid = contender.pid.filter(|_| contender.polls).map(Pid::from_raw);
        if let Some(pid) = pid {
            kill(pid, Signal::SIGCONT)?;
        }
        Ok(Self(pid))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill(pid, Signal::SIGSTOP);
        }
    }
}

/// Stops everybody who would keep a processor busy.
pub fn quieten(contenders: &[Contender]) -> Outcome<()> {
    contenders.iter().try_for_each(|contender| Awake::new(contender).map(drop))
}

/// Looks at every byte of an echo, once and with no clock running: the calls that are timed look at the length and both ends.
fn compare(contender: &mut Contender, payload: &mut [u8], number: &mut u64) -> Outcome<()> {
    let _awake = Awake::new(contender)?;
    *number += 1;
    stamp(payload, *number);
    let name = contender.name;
    let same = |reply: &[u8]| {
        if reply == payload { Ok(()) } else { Err(format!("{name}: another payload came back").into()) }
    };
    contender.peer.echo(payload, &mut { same })
}

/// Median time of a call in microseconds.
fn sample(
    contender: &mut Contender,
    case: &Case,
    processors: &[usize],
    payload: &mut [u8],
    number: &mut u64,
    effort: &Effort,
) -> Outcome<f64> {
    let _awake = Awake::new(contender)?;
    let (ours, theirs) = match case.placement {
        Placement::Free | Placement::FromIdle => (processors, processors),
        Placement::OneProcessor => (&processors[..1], &processors[..1]),
        Placement::TwoProcessors => (&processors[..1], &processors[1..2]),
    };
    pin(contender, ours, theirs)?;
    let result = times(contender, case, payload, number, effort);
    pin(contender, processors, processors)?;
    Ok(result?.median())
}

fn pin(contender: &Contender, ours: &[usize], theirs: &[usize]) -> Outcome<()> {
    run_on(0, ours)?;
    if let Some(pid) = contender.pid {
        // Every thread of the other side.
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            if let Some(task) = task?.file_name().to_str().and_then(|name| name.parse().ok()) {
                run_on(task, theirs)?;
            }
        }
    }
    Ok(())
}

fn times(
    contender: &mut Contender,
    case: &Case,
    payload: &mut [u8],
    number: &mut u64,
    effort: &Effort,
) -> Outcome<Series> {
    let mut times_us = Series::default();
    if case.placement == Placement::FromIdle {
        call(contender, case, payload, number)?;
        let calls = if case.bytes > MIB { effort.idle_calls.div_ceil(6) } else { effort.idle_calls };
        for _ in 0..calls {
            thread::sleep(PAUSE);
            let start = Instant::now();
            call(contender, case, payload, number)?;
            times_us.0.push(start.elapsed().as_secs_f64() * 1e6);
        }
        return Ok(times_us);
    }
    // The clock takes a tenth of the shortest call.
    let batch: u32 = if case.bytes <= KIB { 64 } else { 1 };
    let warm_up = if case.bytes <= MIB { WARM_UP_CALLS } else { 2 };
    let begun = Instant::now();
    for _ in 0..warm_up {
        call(contender, case, payload, number)?;
        if begun.elapsed() > effort.slice {
            break;
        }
    }
    let end = Instant::now() + effort.slice;
    let mut start = Instant::now();
    while start < end || times_us.0.len() < 3 {
        for _ in 0..batch {
            call(contender, case, payload, number)?;
        }
        let now = Instant::now();
        times_us.0.push((now - start).as_secs_f64() * 1e6 / f64::from(batch));
        start = now;
    }
    Ok(times_us)
}

/// One call, with a payload that no other call has, and its reply checked.
#[inline]
fn call(contender: &mut Contender, case: &Case, payload: &mut [u8], number: &mut u64) -> Outcome<()> {
    *number += 1;
    stamp(payload, *number);
    let expected = digest(payload);
    match case.shape {
        Shape::Ask => check(contender.name, contender.peer.ask(payload)?, expected),
        Shape::Echo => {
            let name = contender.name;
            contender.peer.echo(payload, &mut |reply| check(name, digest(reply), expected))
        }
    }
}

fn python_us(python: &mut Python, kind: &str, case: &Case, effort: &Effort) -> Outcome<f64> {
    let what = if case.shape == Shape::Ask { "ask" } else { "echo" };
    let (calls, pause_us) = match case.placement {
        Placement::FromIdle if case.bytes > MIB => (2, 1000),
        Placement::FromIdle => (effort.idle_calls, 1000),
        _ if case.bytes > MIB => (2, 0),
        _ if case.bytes > 64 * KIB => (8, 0),
        _ => (effort.idle_calls * 4, 0),
    };
    python.median_us(kind, what, case.bytes, calls, pause_us)
}
