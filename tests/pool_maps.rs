//! Maps over a pool: every input has one result, and a process that dies costs the one input that it worked on.
//! Not here: leases (`pools`).
//! Layer: tests only, through the public surface.

#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use support::{eventually, has_processes, scratch_file, watchdog};
use worker_core::{
    Builder, CallError, DepartureReason, ItemError, Link, Pool, PoolBuilder, PoolError, SpawnError,
    TakeError, process_actor,
};

/// Works on inputs, and notes in a file which ones it began.
pub struct Worker {
    journal: Option<PathBuf>,
    hoard: Vec<u8>,
}

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self { journal: None, hoard: Vec::new() }
    }

    pub fn noting(journal: &Path) -> Self {
        Self { journal: Some(journal.to_owned()), hoard: Vec::new() }
    }

    pub fn slow(time: Duration) -> Self {
        thread::sleep(time);
        Self::new()
    }

    pub fn failing() -> Result<Self, String> {
        Err("no".to_owned())
    }

    fn note(&self, n: u64) {
        if let Some(journal) = &self.journal {
            let mut file = OpenOptions::new().append(true).create(true).open(journal).expect("the journal");
            // One write: whole lines, whoever else writes.
            file.write_all(format!("{n}\n").as_bytes()).expect("a line");
        }
    }

    pub fn double(&self, n: u64) -> u64 {
        self.note(n);
        2 * n
    }

    /// Needs more memory with every input, up to a bound.
    pub fn hoard(&mut self, n: u64) -> u64 {
        self.note(n);
        if self.hoard.len() < 64 << 20 {
            self.hoard.resize(self.hoard.len() + (64 << 10), 1);
        }
        2 * n
    }

    pub fn double_slowly(&self, n: u64, time: Duration) -> u64 {
        self.note(n);
        thread::sleep(time);
        2 * n
    }

    /// Dies in as many ways as there are, of every input that `every` divides.
    pub fn risky(&self, n: u64, every: u64) -> u64 {
        self.note(n);
        if n.is_multiple_of(every) {
            match n / every % 4 {
                0 => std::process::abort(),
                1 => std::process::exit(0),
                2 => loop_without_end(0),
                _ => std::process::exit(7),
            };
        }
        2 * n
    }

    /// Dies of an input the first time.
    pub fn flaky(&self, n: u64, marks: &Path) -> u64 {
        let mark = marks.with_extension(n.to_string());
        if !mark.exists() {
            fs::write(mark, b"").expect("a mark");
            std::process::abort();
        }
        2 * n
    }

    pub fn hang(&self, n: u64, on: u64) -> u64 {
        self.note(n);
        if n == on {
            loop {
                thread::park();
            }
        }
        2 * n
    }

    pub fn fail(&self, n: u64) -> Result<u64, String> {
        match n % 3 {
            0 => Ok(n),
            1 => Err(format!("{n} is no good")),
            _ => panic!("{n} is worse"),
        }
    }

    pub fn length(&self, bytes: &[u8], time: Duration) -> usize {
        thread::sleep(time);
        bytes.len()
    }

    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    pub fn abort(&self) {
        std::process::abort();
    }
}

/// Uses up the stack.
#[allow(unconditional_recursion, reason = "that is what it is for")]
fn loop_without_end(depth: u64) -> u64 {
    let room = [depth; 64];
    std::hint::black_box(&room).len() as u64 + loop_without_end(depth + 1)
}

type Workers = Pool<WorkerFrontend>;

fn builder(size: usize) -> PoolBuilder<WorkerFrontend> {
    Pool::builder().size(size).process(Builder::new().name("worker"))
}

fn spawn(builder: PoolBuilder<WorkerFrontend>) -> Workers {
    builder.spawn(WorkerFrontend::spawn_with).expect("a pool")
}

/// A pool whose processes note what they begin.
fn noting(builder: PoolBuilder<WorkerFrontend>) -> (Workers, Journal) {
    let journal = Journal(scratch_file("journal"));
    let path = journal.0.clone();
    (
        builder.spawn(move |builder| WorkerFrontend::spawn_noting_with(builder, &path)).expect("a pool"),
        journal,
    )
}

struct Journal(PathBuf);

impl Journal {
    /// How often each input was begun.
    fn begun(&self) -> BTreeMap<u64, u32> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let mut begun = BTreeMap::new();
        for line in text.lines() {
            *begun.entry(line.parse().expect("a number")).or_default() += 1;
        }
        begun
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The input that a process died of, by the index in the error.
fn poison<T: std::fmt::Debug>(result: &Result<T, ItemError>) -> Option<usize> {
    match result {
        Err(error @ ItemError { error: PoolError::Call(CallError::Exited(_)), attempts: 1, .. }) => {
            assert!(error.exit().is_some());
            Some(error.index)
        }
        Ok(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn results_come_in_the_order_of_the_inputs() {
    let _watchdog = watchdog();
    let pool = spawn(builder(3));
    let results = pool.map(0..500_u64, |worker, n| {
        let time = if n % 50 == 0 { Duration::from_millis(5) } else { Duration::ZERO };
        worker.double_slowly_async(n, time)
    });
    let doubles: Vec<u64> = results.collect::<Result<_, _>>().unwrap();
    assert_eq!(doubles, (0..500).map(|n| 2 * n).collect::<Vec<_>>());
}

#[test]
fn results_out_of_order_say_whose_they_are() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    // The first input is done last: it waits for what is done after it.
    let mut results = pool.map_unordered(0..20_u64, |worker, n| {
        let time = if n == 0 { Duration::from_millis(300) } else { Duration::from_millis(1) };
        worker.double_slowly_async(n, time)
    });
    let first = results.next().unwrap();
    assert_ne!(first.0, 0);
    let mut all: Vec<_> =
        results.by_ref().chain([first]).map(|(index, result)| (index, result.unwrap())).collect();
    assert!(results.next().is_none());
    all.sort_unstable();
    assert_eq!(all, (0..20).map(|n| (n, 2 * n as u64)).collect::<Vec<_>>());
}

#[test]
fn no_inputs_no_results() {
    let _watchdog = watchdog();
    let pool = spawn(builder(1));
    assert!(pool.map(std::iter::empty::<u64>(), |worker, n| worker.double_async(n)).next().is_none());
}

#[test]
fn inputs_without_end_are_taken_as_they_are_needed() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    let taken = AtomicUsize::new(0);
    let inputs = (0_u64..).inspect(|_| {
        taken.fetch_add(1, Ordering::SeqCst);
    });
    let mut results = pool.map(inputs, |worker, n| worker.double_async(n)).look_ahead(10);
    for n in 0..300 {
        assert_eq!(results.next().unwrap().unwrap(), 2 * n);
        let ahead = taken.load(Ordering::SeqCst) as u64 - n;
        assert!(ahead <= 11, "{ahead} ahead of result {n}");
    }
}

#[test]
fn a_crash_costs_the_input_it_was_run_on_and_no_other() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    // One at a time, a few, and many behind one another on each process.
    for in_flight in [1, 2, 5, 32] {
        let (pool, journal) = noting(builder(2));
        let results: Vec<_> =
            pool.map(1..=400_u64, |worker, n| worker.risky_async(n, 40)).in_flight(in_flight).collect();
        assert_eq!(results.len(), 400);
        let poisons: Vec<_> = results.iter().filter_map(poison).collect();
        assert_eq!(poisons, (39..400).step_by(40).collect::<Vec<_>>(), "in flight: {in_flight}");
        for (index, result) in results.iter().enumerate().filter(|(_, result)| result.is_ok()) {
            assert_eq!(*result.as_ref().unwrap(), 2 * (index as u64 + 1));
        }
        let once = (1..=400).map(|n| (n, 1)).collect();
        assert_eq!(journal.begun(), once, "each begun once, in flight: {in_flight}");
        eventually("both are there again", || pool.len() == 2);
    }
}

#[test]
fn a_crash_costs_one_input_over_a_socket_too() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let process = Builder::new().link(Link::Socket);
    let (pool, journal) = noting(builder(2).process(process));
    let results: Vec<_> =
        pool.map(1..=100_u64, |worker, n| worker.risky_async(n, 20)).in_flight(16).collect();
    let poisons: Vec<_> = results.iter().filter_map(poison).collect();
    assert_eq!(poisons, [19, 39, 59, 79, 99]);
    assert_eq!(journal.begun(), (1..=100).map(|n| (n, 1)).collect());
}

#[test]
fn kills_from_outside_cost_at_most_one_input_each_and_none_is_run_twice() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (pool, journal) = noting(builder(3));
    let over = AtomicBool::new(false);
    let kills = AtomicUsize::new(0);
    let results = thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                // Beside the map, by no rule.
                if let Ok(share) = pool.least_loaded() {
                    kills.fetch_add(1, Ordering::SeqCst);
                    share.process().kill().unwrap();
                }
                if over.load(Ordering::SeqCst) {
                    break;
                }
                thread::sleep(Duration::from_millis(3));
            }
        });
        let results: Vec<_> =
            pool.map(0..3000_u64, |worker, n| worker.double_async(n)).in_flight(16).collect();
        over.store(true, Ordering::SeqCst);
        results
    });
    let poisons = results.iter().filter_map(poison).count();
    let kills = kills.load(Ordering::SeqCst);
    assert!(kills > 0 && poisons <= kills, "{poisons} of {kills}");
    for (index, result) in results.iter().enumerate() {
        if let Ok(value) = result {
            assert_eq!(*value, 2 * index as u64);
        }
    }
    assert!(journal.begun().values().all(|&count| count == 1), "at most once");
}

#[test]
fn every_input_may_be_poison() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder(2));
    let results: Vec<_> = pool.map(1..=30_u64, |worker, n| worker.risky_async(n, 1)).in_flight(4).collect();
    assert_eq!(results.iter().filter_map(poison).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
    assert_eq!(pool.call(|worker| worker.double_async(4)).unwrap(), 8);
}

#[test]
fn errors_and_panics_are_the_items_own_and_cost_no_process() {
    let _watchdog = watchdog();
    let pool = spawn(builder(1));
    let pid = pool.call(|worker| worker.pid_async()).unwrap();
    for (n, result) in pool.map(0..9_u64, |worker, n| worker.fail_async(n)).enumerate() {
        match (n % 3, result) {
            (0, Ok(value)) => assert_eq!(value, n as u64),
            (1, Err(ItemError { index, error: PoolError::Call(CallError::Actor(error)), .. })) => {
                assert_eq!((index, error), (n, format!("{n} is no good")));
            }
            (2, Err(ItemError { index, error: PoolError::Call(CallError::Panicked(report)), .. })) => {
                assert_eq!((index, report.message), (n, format!("{n} is worse")));
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    assert_eq!(pool.call(|worker| worker.pid_async()).unwrap(), pid);
}

#[test]
fn a_deadline_kills_and_the_rest_goes_on() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for in_flight in [1, 8] {
        let (pool, journal) = noting(builder(2));
        let results: Vec<_> = pool
            .map(0..60_u64, |worker, n| worker.hang_async(n, 7))
            .in_flight(in_flight)
            .deadline(Duration::from_secs(2))
            .collect();
        for (index, result) in results.iter().enumerate() {
            match result {
                Ok(value) => assert_eq!(*value, 2 * index as u64),
                Err(error) => {
                    assert_eq!((index, error.index), (7, 7));
                    assert_eq!(error.error, PoolError::Call(CallError::TimedOut { killed: true }));
                }
            }
        }
        assert!(results[7].is_err());
        assert_eq!(journal.begun(), (0..60).map(|n| (n, 1)).collect(), "each begun once");
        eventually("both are there again", || pool.len() == 2);
    }
}

#[test]
fn a_thread_that_hangs_is_left_alone_and_replaced() {
    let _watchdog = watchdog();
    let pool = spawn(builder(1).process(Builder::new().start(worker_core::StartMethod::Thread)));
    let results: Vec<_> =
        pool.map(0..5_u64, |worker, n| worker.hang_async(n, 1)).deadline(Duration::from_secs(2)).collect();
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].index, 1);
    assert_eq!(failed[0].error, PoolError::Call(CallError::TimedOut { killed: false }));
}

#[test]
fn only_what_is_harmless_to_repeat_is_tried_again() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let marks = scratch_file("marks");
    let pool = spawn(builder(2));
    let once: Vec<_> = pool.map(0..10_u64, |worker, n| worker.flaky_async(n, &marks)).collect();
    assert_eq!(once.iter().filter_map(poison).count(), 10);
    let clear = || (0..10).for_each(|n| fs::remove_file(marks.with_extension(n.to_string())).unwrap());
    clear();
    let twice: Result<Vec<_>, _> =
        pool.map(0..10_u64, |worker, n| worker.flaky_async(n, &marks)).idempotent(1).collect();
    assert_eq!(twice.unwrap(), (0..10).map(|n| 2 * n).collect::<Vec<_>>());
    clear();
    let stubborn = pool.map([4_u64], |worker, n| worker.risky_async(n, 4)).idempotent(2).next();
    let error = stubborn.unwrap().unwrap_err();
    assert_eq!((error.index, error.attempts), (0, 3));
}

#[test]
fn a_map_that_is_dropped_sends_nothing_more_and_leaves_the_pool_usable() {
    let _watchdog = watchdog();
    let (pool, journal) = noting(builder(2));
    let mut results = pool.map(0_u64.., |worker, n| worker.double_async(n)).in_flight(3);
    for n in 0..10 {
        assert_eq!(results.next().unwrap().unwrap(), 2 * n);
    }
    drop(results);
    let leases = [pool.take().unwrap(), pool.take().unwrap()];
    // What was in flight is done, and there is nothing else.
    let begun = journal.begun().len();
    assert!((10..=10 + 24 + 6).contains(&begun), "{begun}");
    drop(leases);
    let again: Vec<_> = pool.map(0..5_u64, |worker, n| worker.double_async(n)).collect();
    assert!(again.iter().all(Result::is_ok));
    assert_eq!(journal.begun().len(), begun.max(5));
}

#[test]
fn a_map_that_is_dropped_can_kill_what_runs() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder(2));
    let mut results =
        pool.map_unordered([0_u64, 1, 1, 1], |worker, n| worker.hang_async(n, 1)).in_flight(1).kill_on_drop();
    assert_eq!(results.next().unwrap().1.unwrap(), 0);
    drop(results);
    // Without the kill two processes would hang for ever.
    drop([pool.take().unwrap(), pool.take().unwrap()]);
}

#[test]
fn progress_is_told_after_every_item() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder(2));
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let results = pool
        .map(1..=50_u64, |worker, n| worker.risky_async(n, 25))
        .on_progress(move |progress| noted.lock().unwrap().push(*progress));
    assert_eq!(results.filter(Result::is_err).count(), 2);
    let told = told.lock().unwrap();
    assert_eq!(told.iter().map(|progress| progress.done).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    let last = told.last().unwrap();
    assert_eq!((last.failed, last.deaths, last.total), (2, 2, Some(50)));
}

#[test]
fn a_lease_is_had_beside_a_map_that_never_ends() {
    let _watchdog = watchdog();
    let pool = spawn(builder(1));
    // On the same thread: the map is at rest, with results that nobody has asked for.
    let mut results = pool.map(0_u64.., |worker, n| worker.double_async(n));
    for n in 0..20 {
        assert_eq!(results.next().unwrap().unwrap(), 2 * n);
        let lease = pool.take().unwrap();
        assert_eq!(lease.double(100).unwrap(), 200);
    }
    // And while the map runs on another one.
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for result in pool.map(0_u64.., |worker, n| worker.double_async(n)) {
                result.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                if over.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        // Both get on, however many leases there are.
        for round in 1.. {
            let lease = pool.take().unwrap();
            assert_eq!(lease.double(100).unwrap(), 200);
            if round >= 20 && count.load(Ordering::SeqCst) >= 20 {
                break;
            }
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_map_uses_what_is_returned_while_it_waits() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    let lease = pool.take().unwrap();
    let leased = lease.pid().unwrap();
    let holder = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        drop(lease);
    });
    // One process has an item that takes long; the other is returned meanwhile.
    let mut results = pool
        .map_unordered(0..3_u64, |worker, n| {
            let time = if n == 0 { Duration::from_millis(800) } else { Duration::ZERO };
            worker.double_slowly_async(n, time)
        })
        .in_flight(1);
    let order: Vec<_> = results.by_ref().map(|(index, _)| index).collect();
    holder.join().unwrap();
    assert_eq!(order, [1, 2, 0], "process {leased} took those that the first one had no time for");
}

#[test]
fn a_pool_grows_for_a_map() {
    let _watchdog = watchdog();
    let pool = spawn(builder(1).max(3));
    let time = Duration::from_millis(20);
    let pids: BTreeSet<_> = pool
        .map(0..30_u64, |worker, n| worker.double_slowly_async(n, time))
        .map(|result| {
            result.unwrap();
            pool.len()
        })
        .collect();
    assert_eq!(pids.last(), Some(&3));
}

#[test]
fn others_go_on_while_a_slow_constructor_replaces_a_dead_one() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    // The first two are there at once, and what replaces them never: the results themselves are the proof.
    let made = AtomicUsize::new(0);
    let process = Builder::new().stop_timeout(Duration::from_millis(50));
    let pool = builder(2)
        .process(process)
        .spawn(move |builder| {
            let is_good = made.fetch_add(1, Ordering::SeqCst) < 2;
            let time = if is_good { Duration::ZERO } else { Duration::from_secs(3600) };
            WorkerFrontend::spawn_slow_with(builder, time)
        })
        .unwrap();
    let mut results = pool.map_unordered(1..=40_u64, |worker, n| worker.risky_async(n, 39)).in_flight(2);
    // The death comes with the last but one; what was behind it goes to the other process at once.
    let all: Vec<_> = results.by_ref().map(|(index, result)| (index, result.is_ok(), pool.len())).collect();
    assert_eq!(all.iter().filter(|(_, is_ok, _)| !is_ok).map(|(index, ..)| *index).collect::<Vec<_>>(), [38]);
    assert_eq!(all.len(), 40);
    assert!(all.iter().all(|&(_, _, size)| size <= 2));
    drop(results);
    assert_eq!(pool.stop().unwrap().len(), 2, "the one that is left and the one in the making");
}

#[test]
fn no_item_is_lost_while_processes_are_recycled() {
    let _watchdog = watchdog();
    let departures = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&departures);
    let (pool, journal) = noting(
        builder(2)
            .max_calls(50)
            .on_departure(move |departure| noted.lock().unwrap().push(departure.reason.clone())),
    );
    let doubles: Vec<_> = pool
        .map(0..2000_u64, |worker, n| worker.double_async(n))
        .in_flight(8)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(doubles, (0..2000).map(|n| 2 * n).collect::<Vec<_>>());
    assert_eq!(journal.begun(), (0..2000).map(|n| (n, 1)).collect());
    let departures = departures.lock().unwrap();
    assert!(departures.len() >= 3, "{}", departures.len());
    assert!(departures.iter().all(|reason| matches!(reason, DepartureReason::Calls(calls) if *calls >= 50)));
}

/// Maps until three processes have gone for the reason that is meant, and then counts what was begun.
fn map_while_recycled(builder: PoolBuilder<WorkerFrontend>, is_meant: impl Fn(&DepartureReason) -> bool) {
    let departures = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&departures);
    let (pool, journal) =
        noting(builder.on_departure(move |departure| noted.lock().unwrap().push(departure.reason.clone())));
    let mut results = pool.map(0_u64.., |worker, n| worker.hoard_async(n)).in_flight(8);
    let mut count = 0;
    while departures.lock().unwrap().len() < 3 {
        assert_eq!(results.next().unwrap().unwrap(), 2 * count);
        count += 1;
    }
    drop(results);
    pool.stop().unwrap();
    let begun = journal.begun();
    assert!(begun.values().all(|&times| times == 1), "none was begun twice: {begun:?}");
    assert!((0..count).all(|n| begun.contains_key(&n)), "each has left its line: {begun:?}");
    let departures = departures.lock().unwrap();
    assert!(departures.iter().all(is_meant), "{departures:?}");
}

#[test]
fn no_item_is_lost_while_processes_are_recycled_by_age() {
    let _watchdog = watchdog();
    let age = Duration::from_millis(20);
    map_while_recycled(
        builder(2).max_age(age),
        |reason| matches!(reason, DepartureReason::Age(lived) if *lived >= age),
    );
}

#[test]
fn no_item_is_lost_while_processes_are_recycled_by_memory() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let limit = 8 << 20;
    map_while_recycled(
        builder(2).max_memory(limit),
        |reason| matches!(reason, DepartureReason::Memory(bytes) if *bytes > limit),
    );
}

#[test]
fn a_pool_that_is_stopped_ends_its_maps() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    let mut results = pool.map(0_u64.., |worker, n| worker.double_slowly_async(n, Duration::from_millis(1)));
    assert_eq!(results.next().unwrap().unwrap(), 0);
    pool.stop().unwrap();
    let mut last = None;
    // A map of inputs without end has an end all the same.
    for result in results {
        last = Some(result);
    }
    let error = last.unwrap().unwrap_err();
    assert!(
        matches!(error.error, PoolError::Take(TakeError::Stopped) | PoolError::Call(CallError::NotSent(_))),
        "{error}"
    );
}

#[test]
fn processes_that_cannot_be_made_any_more_are_errors_of_the_items() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let pool = builder(2)
        .spawn(move |builder| match is_broken.load(Ordering::SeqCst) {
            true => WorkerFrontend::spawn_failing_with(builder),
            false => WorkerFrontend::spawn_with(builder)
                .map_err(|error| SpawnError::Constructor(error.to_string())),
        })
        .unwrap();
    broken.store(true, Ordering::SeqCst);
    let results: Vec<_> = pool.map(1..=20_u64, |worker, n| worker.risky_async(n, 2)).in_flight(1).collect();
    assert_eq!(results.len(), 20);
    let not_made = |error: &ItemError| matches!(&error.error, PoolError::Take(TakeError::Spawn(why)) if why.contains("its constructor returned an error"));
    let deaths =
        results.iter().filter(|result| matches!(result, Err(error) if error.exit().is_some())).count();
    assert_eq!(deaths, 2, "each of the two processes died once");
    assert!(results.iter().skip(6).all(|result| result.as_ref().is_err_and(not_made)), "{results:?}");
}

#[test]
fn inputs_that_fill_a_link_keep_no_other_process_waiting() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    let large = vec![1_u8; 24 << 20];
    let small = [1_u8; 10];
    let inputs: Vec<&[u8]> = (0..12).map(|n| if n % 3 == 0 { &large[..] } else { &small[..] }).collect();
    let time = Duration::from_millis(5);
    let lengths: Vec<_> = pool
        .map(inputs.iter().copied(), |worker, bytes| worker.length_async(bytes, time))
        .in_flight(8)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(lengths, inputs.iter().map(|bytes| bytes.len()).collect::<Vec<_>>());
}

#[test]
fn a_process_that_hangs_without_room_for_more_is_killed_all_the_same() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder(1));
    let large = vec![1_u8; 40 << 20];
    let results: Vec<_> = pool
        .map(0..4_u64, |worker, n| match n {
            0 => worker.length_async(&large, Duration::from_secs(3600)),
            _ => worker.length_async(&large, Duration::ZERO),
        })
        .in_flight(4)
        .deadline(Duration::from_secs(5))
        .collect();
    assert_eq!(results[0].as_ref().unwrap_err().error, PoolError::Call(CallError::TimedOut { killed: true }));
    assert!(results[1..].iter().all(|result| *result.as_ref().unwrap() == large.len()));
}

#[test]
fn several_maps_share_a_pool() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    thread::scope(|scope| {
        for start in [0_u64, 10_000, 20_000] {
            let pool = &pool;
            scope.spawn(move || {
                let results = pool.map(start..start + 500, |worker, n| worker.double_async(n));
                for (n, result) in results.enumerate() {
                    assert_eq!(result.unwrap(), 2 * (start + n as u64));
                }
            });
        }
    });
    assert_eq!(pool.idle(), 2);
}

#[test]
fn a_call_goes_to_the_process_with_the_least_to_do() {
    let _watchdog = watchdog();
    let pool = spawn(builder(3));
    let shares: Vec<_> = (0..3).map(|_| pool.least_loaded().unwrap()).collect();
    let names: BTreeSet<_> = shares.iter().map(|share| share.process().name().to_owned()).collect();
    assert_eq!(names.len(), 3);
    let fourth = pool.least_loaded().unwrap();
    assert!(names.contains(fourth.process().name()));
    drop(shares);
    // The one with a use left is not the one with the least to do.
    assert_ne!(pool.least_loaded().unwrap().process().name(), fourth.process().name());
}

#[test]
fn a_call_is_made_again_if_it_was_not_begun_and_only_then() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder(1));
    for _ in 0..5 {
        let process = pool.least_loaded().unwrap().process().clone();
        process.kill().unwrap();
        process.wait();
        assert_eq!(pool.call(|worker| worker.double_async(1)).unwrap(), 2);
        assert!(matches!(
            pool.call(|worker| worker.abort_async()),
            Err(PoolError::Call(CallError::Exited(_)))
        ));
    }
    eventually("another one is there", || pool.len() == 1);
}

#[test]
fn a_broadcast_reaches_everybody() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2).spare(1));
    eventually("the spare is ready", || pool.spares() == 1);
    let lease = pool.take().unwrap();
    let results = pool.broadcast(|worker| worker.double_async(21));
    assert_eq!(results, [Ok(42), Ok(42), Ok(42)]);
    drop(lease);
}

#[test]
fn maps_leave_nothing_behind() {
    support::rerun::alone("maps_leave_nothing_behind", || {
        if !has_processes() {
            return;
        }
        let cycle = || {
            let pool = spawn(builder(2));
            let results = pool.map(1..=60_u64, |worker, n| worker.risky_async(n, 20)).in_flight(4);
            assert_eq!(results.filter(Result::is_err).count(), 3);
            let mut dropped = pool.map(0_u64.., |worker, n| worker.double_async(n));
            assert_eq!(dropped.next().unwrap().unwrap(), 0);
            drop(dropped);
            pool.stop().unwrap();
        };
        let count = || {
            let processes = support::processes::descendants(std::process::id()).len();
            let threads = support::processes::threads();
            (
                support::processes::descriptors().len(),
                support::processes::shared_mappings(),
                processes,
                threads,
            )
        };
        cycle();
        eventually("the first pool is gone", || count().2 == 1);
        let before = count();
        for _ in 0..10 {
            cycle();
        }
        eventually("all are gone", || count() == before);
    });
}
