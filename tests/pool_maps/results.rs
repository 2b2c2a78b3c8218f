//! What comes out of a map: results in order or as they come, errors of the items, progress.
//! Not here: processes that end (`deaths`).
//! Layer: tests only, through the public surface.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use worker_core::{CallError, ItemError, PoolError};

use super::{builder, spawn};
use crate::support::{has_processes, watchdog};

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
