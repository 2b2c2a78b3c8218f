//! The figures about pools: items a second beside threads and beside Python's pools, a map whose items kill, and how soon
//! the first result is there.
//!
//! `cargo bench -p tests --bench pool_figures -- [--quick] [items] [killers] [cold]`
//!
//! Times are told, not judged; the answers are judged. Work is processor time of the thread that does it, so it is the
//! same for all, whatever language they are in, and whoever else uses the machine.

#[path = "pool_figures/python.rs"]
mod python;
#[path = "figures/report.rs"]
#[allow(dead_code, reason = "the other benchmark uses all of it")]
mod report;
#[path = "pool_figures/worker.rs"]
mod worker;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use worker_core::Pool;

use report::{Goal, Report, Row, Series, Unit};
use worker::{WorkerFrontend, answer, work};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
struct Effort {
    rounds: usize,
    /// Processor time that the items of one round take together.
    work: Duration,
    items_with_killers: u64,
    cold_starts: usize,
}

const FULL: Effort =
    Effort { rounds: 7, work: Duration::from_secs(2), items_with_killers: 10_000, cold_starts: 20 };
const QUICK: Effort =
    Effort { rounds: 1, work: Duration::from_millis(100), items_with_killers: 500, cold_starts: 2 };

/// One item in so many kills its process.
const KILLERS: u64 = 100;
/// Processor time of an item of the map with killers.
const KILLER_ITEM: Duration = Duration::from_micros(100);
/// What a constructor takes, where that is to be hidden.
const CONSTRUCTOR: Duration = Duration::from_millis(50);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    // Without `--bench`, which `cargo bench` gives, this is a test that everything runs: quick.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    let known = [&["--bench", "--quick"][..], &PARTS].concat();
    if let Some(unknown) = arguments.iter().find(|argument| !known.contains(&argument.as_str())) {
        eprintln!("pool_figures: unknown option `{unknown}`; [--quick] [items] [killers] [cold]");
        return ExitCode::from(2);
    }
    let effort = if has("--bench") && !has("--quick") { FULL } else { QUICK };
    let is_all = !PARTS.iter().any(|part| has(part));
    match run(&effort, |part| is_all || has(part)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pool_figures: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What can be measured by itself.
const PARTS: [&str; 3] = ["items", "killers", "cold"];

fn run(effort: &Effort, wants: impl Fn(&str) -> bool) -> Outcome<()> {
    println!("{}", report::machine());
    let workers = std::thread::available_parallelism()?.get();
    println!("{workers} processes or threads; work is processor time\n");
    let mut report = Report::default();
    for item in [10, 1000, 100_000].map(Duration::from_micros).into_iter().filter(|_| wants("items")) {
        throughput(effort, workers, item, &mut report)?;
    }
    if wants("killers") {
        killers(effort, workers, &mut report)?;
    }
    if wants("cold") {
        cold_start(effort, &mut report)?;
    }
    println!("{report}");
    Ok(())
}

/// Time for an item: ours, threads, and Python's two pools.
fn throughput(effort: &Effort, workers: usize, item: Duration, report: &mut Report) -> Outcome<()> {
    let items = u64::try_from(effort.work.as_nanos() / item.as_nanos())?.max(2 * workers as u64);
    let pool = Pool::<WorkerFrontend>::builder().size(workers).spawn(WorkerFrontend::spawn_with)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(workers).build()?;
    let (mut ours, mut rayon) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ours.push(per_item(items, || {
            let mut sum = 0_u64;
            for (_, result) in pool.map_unordered(0..items, |worker, n| worker.work_async(n, item)) {
                sum += result.map_err(|error| error.to_string())?;
            }
            Ok(sum)
        })?);
        rayon.push(per_item(items, || {
            Ok(threads.install(|| (0..items).into_par_iter().map(|n| work(n, item)).sum()))
        })?);
    }
    pool.stop()?;
    let (ours, rayon) = (Series(ours), Series(rayon));
    let mut told = vec![("a pool of processes", ours.median()), ("threads, rayon", rayon.median())];
    let python = python::measure(workers, items, item)?;
    told.extend(python.iter().map(|(name, micros)| (name.as_str(), *micros)));
    println!("items of {item:?}:");
    for (name, micros) in told {
        println!("  {name:40} {:>10.0} items/s", 1e6 / micros);
    }
    println!();
    let goal = if item == Duration::from_millis(1) { Goal::Times(1.1) } else { Goal::None };
    report.rows.push(Row {
        figure: format!("an item of {item:?}"),
        unit: Unit::Microseconds,
        ours,
        bare: Some(("threads, rayon".to_owned(), rayon)),
        goal,
    });
    Ok(())
}

/// Microseconds for an item, if the answers are right.
fn per_item(items: u64, run: impl FnOnce() -> Result<u64, String>) -> Outcome<f64> {
    let start = Instant::now();
    let sum = run()?;
    let taken = start.elapsed();
    let wanted: u64 = (0..items).map(answer).sum();
    if sum != wanted {
        return Err(format!("{items} items give {sum}, not {wanted}").into());
    }
    Ok(micros(taken) / items as f64)
}

/// A map with items that kill, beside the same without: every other item has its result.
fn killers(effort: &Effort, workers: usize, report: &mut Report) -> Outcome<()> {
    let items = effort.items_with_killers;
    let pool = Pool::<WorkerFrontend>::builder().size(workers).spare(1).spawn(WorkerFrontend::spawn_with)?;
    let measure = |every: u64| -> Outcome<(f64, u64)> {
        let start = Instant::now();
        let mut failed = 0;
        for (index, result) in
            pool.map_unordered(0..items, |worker, n| worker.risky_async(n, KILLER_ITEM, every))
        {
            let is_killer = every > 0 && index as u64 % every == every - 1;
            match result {
                Ok(value) if !is_killer && value == answer(index as u64) => {}
                Err(error) if is_killer && error.exit().is_some() => failed += 1,
                other => return Err(format!("item {index} came back with {other:?}").into()),
            }
        }
        Ok((micros(start.elapsed()), failed))
    };
    let (mut clean, mut deadly, mut deaths) = (Vec::new(), Vec::new(), 0);
    for _ in 0..effort.rounds.min(3) {
        clean.push(measure(0)?.0);
        let (time, failed) = measure(KILLERS)?;
        deadly.push(time);
        deaths = failed;
        if failed != items / KILLERS {
            return Err(format!("{failed} of {items} items died, not {}", items / KILLERS).into());
        }
    }
    pool.stop()?;
    let restart = restart_time(effort)?;
    println!(
        "{items} items, {deaths} of them deadly: all others have their results; a restart takes {restart:.0} us, and \
         {workers} go side by side\n"
    );
    // While one restarts the others work on: that much of the time of all of them is lost.
    let restarts = restart * deaths as f64 / workers as f64;
    let clean_and_restarts = Series(clean.iter().map(|time| time + restarts).collect());
    report.rows.push(Row {
        figure: format!("{items} items, one in {KILLERS} kills"),
        unit: Unit::Microseconds,
        ours: Series(deadly.clone()),
        bare: Some(("without killers, plus restarts".to_owned(), clean_and_restarts)),
        goal: Goal::Times(1.3),
    });
    report.rows.push(Row {
        figure: "the same".to_owned(),
        unit: Unit::Microseconds,
        ours: Series(deadly),
        bare: Some(("without killers".to_owned(), Series(clean))),
        goal: Goal::None,
    });
    Ok(())
}

/// Microseconds from a death to the next answer, in a pool of one.
fn restart_time(effort: &Effort) -> Outcome<f64> {
    let pool = Pool::<WorkerFrontend>::builder().size(1).spawn(WorkerFrontend::spawn_with)?;
    let times: Vec<f64> = (0..effort.cold_starts).map(|_| after_death(&pool)).collect::<Result<_, _>>()?;
    pool.stop()?;
    Ok(Series(times).median())
}

/// Time to the first result of a new process, whose constructor takes a while, with and without a spare.
fn cold_start(effort: &Effort, report: &mut Report) -> Outcome<()> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for (spares, times) in [(0, &mut without), (1, &mut with)] {
        let pool = Pool::<WorkerFrontend>::builder()
            .size(1)
            .spare(spares)
            .spawn(|builder| WorkerFrontend::spawn_slow_with(builder, CONSTRUCTOR))?;
        for _ in 0..effort.cold_starts {
            while pool.spares() < spares {
                std::thread::sleep(Duration::from_millis(1));
            }
            times.push(after_death(&pool)?);
        }
        pool.stop()?;
    }
    report.rows.push(Row {
        figure: format!("first result, spare kept, constructor of {CONSTRUCTOR:?}"),
        unit: Unit::Microseconds,
        ours: Series(with),
        bare: Some(("without a spare".to_owned(), Series(without))),
        goal: Goal::Times(0.1),
    });
    Ok(())
}

/// Kills the one process, and sees how long the next result takes.
fn after_death(pool: &Pool<WorkerFrontend>) -> Outcome<f64> {
    let process = pool.take()?.process().clone();
    process.kill()?;
    process.wait();
    let start = Instant::now();
    let value = pool.take()?.work(7, Duration::ZERO)?;
    let taken = start.elapsed();
    if value == answer(7) { Ok(micros(taken)) } else { Err(format!("the answer is {value}").into()) }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
