//! Maps that end early: dropped, or with their pool; and what is left of them.
//! Not here: processes that end (`deaths`).
//! Layer: tests only, through the public surface.

use std::time::Duration;

use worker_core::{CallError, PoolError, TakeError};

use super::{builder, noting, spawn};
use crate::support::processes::rounds_leave_nothing;
use crate::support::{has_processes, rerun, watchdog};

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
fn maps_leave_nothing_behind() {
    rerun::alone("ends::maps_leave_nothing_behind", || {
        if !has_processes() {
            return;
        }
        rounds_leave_nothing(10, || {
            let pool = spawn(builder(2));
            let results = pool.map(1..=60_u64, |worker, n| worker.risky_async(n, 20)).in_flight(4);
            assert_eq!(results.filter(Result::is_err).count(), 3);
            let mut dropped = pool.map(0_u64.., |worker, n| worker.double_async(n));
            assert_eq!(dropped.next().unwrap().unwrap(), 0);
            drop(dropped);
            pool.stop().unwrap();
        });
    });
}
