//! Processes that die, hang, or cannot be replaced while a map runs: each costs the one input it worked on.
//! Not here: processes that go because it is time (`recycling`).
//! Layer: tests only, through the public surface.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use worker_core::{Builder, CallError, ItemError, Link, PoolError, SpawnError, TakeError};

use super::{WorkerFrontend, builder, noting, spawn};
use crate::support::{eventually, has_processes, scratch_file, watchdog};

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
