//! Awaited maps that end early: dropped, or with their pool.
//! Not here: processes that end (`maps`).
//! Layer: tests only, through the public surface.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use worker_core::{CallError, DepartureReason, PoolError, TakeError};

use super::{all, builder, everywhere, spawn};
use crate::support::{eventually, has_processes, watchdog};

#[test]
fn a_map_that_is_dropped_sends_nothing_more_and_leaves_the_pool_usable() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(2));
        let taken = AtomicUsize::new(0);
        let inputs = (0_u64..).inspect(|_| {
            taken.fetch_add(1, Ordering::SeqCst);
        });
        let mut results = pool.map_async(inputs, |worker, n| worker.double_async(n)).look_ahead(10);
        for n in 0..50 {
            assert_eq!(results.next_async().await.unwrap().unwrap(), 2 * n);
            assert!(taken.load(Ordering::SeqCst) as u64 <= n + 11);
        }
        drop(results);
        drop([pool.take_async().await.unwrap(), pool.take_async().await.unwrap()]);
        assert_eq!(pool.idle(), 2);
    });
}

#[test]
fn a_map_that_is_dropped_can_kill_what_runs() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    everywhere(|| async {
        let departures = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&departures);
        let listener = move |departure: &worker_core::Departure| {
            noted.lock().unwrap().push(departure.reason.clone());
        };
        let pool = spawn(builder(2).on_departure(listener));
        let mut results = pool
            .map_unordered_async([0_u64, 1, 1, 1], |worker, n| worker.hang_async(n, 1))
            .in_flight(1)
            .kill_on_drop();
        assert_eq!(results.next_async().await.unwrap().1.unwrap(), 0);
        drop(results);
        // Without the kill two processes would hang for ever.
        drop([pool.take_async().await.unwrap(), pool.take_async().await.unwrap()]);
        eventually("both ends are told", || departures.lock().unwrap().len() == 2);
        let departures = departures.lock().unwrap();
        assert!(
            departures.iter().all(|reason| matches!(reason, DepartureReason::Ended(_))),
            "{departures:?}"
        );
    });
}

#[test]
fn a_pool_that_is_stopped_or_gone_ends_its_maps() {
    let _watchdog = watchdog();
    everywhere(|| async {
        for stops in [true, false] {
            let pool = spawn(builder(2));
            let mut results = pool.map_async(0_u64.., |worker, n| worker.double_async(n));
            assert_eq!(results.next_async().await.unwrap().unwrap(), 0);
            if stops {
                pool.stop().unwrap();
            }
            drop(pool);
            let last = all(results).await.pop().unwrap().unwrap_err();
            assert!(
                matches!(
                    last.error,
                    PoolError::Take(TakeError::Stopped) | PoolError::Call(CallError::NotSent(_))
                ),
                "{last}"
            );
        }
    });
}
