//! The end of a pool: stopped, or dropped; what waits then, and what is left of it.
//! Not here: the end of one process (`replacing`).
//! Layer: tests only, through the public surface.

use std::thread;
use std::time::{Duration, Instant};

use worker_core::{Builder, CallError, Pool, TakeError};

use super::{LingererFrontend, builder, spawn};
use crate::support::processes::{self, rounds_leave_nothing};
use crate::support::{eventually, has_processes, rerun, watchdog};

#[test]
fn stopping_ends_all_in_the_time_of_the_slowest_also_what_is_leased() {
    let _watchdog = watchdog();
    let second = Duration::from_secs(1);
    let pool =
        Pool::builder().size(6).spawn(move |builder| LingererFrontend::spawn_with(builder, second)).unwrap();
    let leased = pool.take().unwrap();
    let waits = pool.clone();
    let start = Instant::now();
    let exits = pool.stop().unwrap();
    let taken = start.elapsed();
    assert_eq!(exits.len(), 6);
    assert!(exits.iter().all(|exit| exit.is_clean()));
    // Side by side: one after the other would be six seconds at least.
    assert!(taken >= second && taken < 5 * second, "{taken:?}");
    assert!(matches!(leased.hang(), Err(CallError::NotSent(_))));
    assert_eq!(waits.take().unwrap_err(), TakeError::Stopped);
    assert_eq!(pool.stop().unwrap(), exits, "the same again");
}

#[test]
fn stopping_forces_several_stuck_ones_side_by_side() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let timeout = Duration::from_secs(2);
    let process = Builder::new().stop_timeout(timeout);
    let pool = Pool::builder()
        .size(6)
        .process(process)
        .spawn(|builder| LingererFrontend::spawn_with(builder, Duration::ZERO))
        .unwrap();
    let leases: Vec<_> = (0..6).map(|_| pool.take().unwrap()).collect();
    let hanging: Vec<_> = leases.iter().map(|lease| lease.hang_async()).collect();
    let start = Instant::now();
    let exits = pool.stop().unwrap();
    assert_eq!(exits.len(), 6);
    assert!(exits.iter().all(|exit| !exit.is_clean()));
    // Each alone needs its timeout; six of them one after the other would need twelve seconds.
    assert!(start.elapsed() >= timeout && start.elapsed() < 5 * timeout, "{:?}", start.elapsed());
    assert!(hanging.into_iter().all(|pending| matches!(pending.wait(), Err(CallError::Exited(_)))));
}

#[test]
fn stopping_wakes_whoever_waits() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let _held = pool.take().unwrap();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..3).map(|_| scope.spawn(|| pool.take().map(drop))).collect();
        eventually("they wait", || format!("{pool:?}").contains("waiting: 3"));
        pool.stop().unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Err(TakeError::Stopped));
        }
    });
}

#[test]
fn a_dropped_pool_ends_what_is_idle_and_leaves_what_is_leased() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(2));
    let (one, other) = (pool.take().unwrap(), pool.take().unwrap());
    let (leased, idle) = (one.pid().unwrap(), other.pid().unwrap());
    drop(other);
    let also = pool.clone();
    drop(pool);
    let lease = also.take().unwrap();
    assert_eq!(lease.pid().unwrap(), idle, "a clone is the pool");
    drop(lease);
    drop(also);
    if has_processes() {
        eventually("the idle one has ended", || !processes::runs(idle));
    }
    assert_eq!(one.steps().unwrap().len(), 1);
    assert_eq!(one.pid().unwrap(), leased);
    drop(one);
    if has_processes() {
        eventually("the leased one has ended with its lease", || !processes::runs(leased));
    }
}

#[test]
fn nothing_is_left_of_a_pool() {
    rerun::alone("stopping::nothing_is_left_of_a_pool", || {
        if !has_processes() {
            return;
        }
        // What was recycled ends by itself, a moment later.
        rounds_leave_nothing(10, || {
            let pool = spawn(builder().size(3).spare(2).max_calls(2));
            for _ in 0..10 {
                let lease = pool.take().unwrap();
                lease.pid().unwrap();
            }
            let _ = pool.take().unwrap().abort();
            pool.stop().unwrap();
        });
    });
}
