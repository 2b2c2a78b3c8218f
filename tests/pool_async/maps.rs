//! Maps whose results are awaited: their order, deaths and deadlines, and the thread that stays free.
//! Not here: who waits for a process (`waiting`).
//! Layer: tests only, through the public surface.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use worker_core::{Builder, CallError, ItemError, Link, PoolError};

use super::{WorkerFrontend, all, ask_once, builder, everywhere, next, spawn};
use crate::support::executors::{block_on, one_thread};
use crate::support::{has_processes, watchdog};

fn poisons<T: std::fmt::Debug>(results: &[Result<T, ItemError>]) -> Vec<usize> {
    let poison = |result: &Result<T, ItemError>| match result {
        Ok(_) => None,
        Err(ItemError { index, attempts: 1, error: PoolError::Call(CallError::Exited(_)), .. }) => {
            Some(*index)
        }
        other => panic!("{other:?}"),
    };
    results.iter().filter_map(poison).collect()
}

#[test]
fn results_come_in_the_order_of_the_inputs() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(3));
        let results = all(pool.map_async(0..500_u64, |worker, n| {
            let time = if n % 50 == 0 { Duration::from_millis(3) } else { Duration::ZERO };
            worker.double_slowly_async(n, time)
        }));
        let doubles: Vec<u64> = results.await.into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(doubles, (0..500).map(|n| 2 * n).collect::<Vec<_>>());
        // Beyond its end it stays there.
        let mut none = pool.map_async(std::iter::empty::<u64>(), |worker, n| worker.double_async(n));
        assert!(none.next_async().await.is_none() && none.next_async().await.is_none());
    });
}

#[test]
fn results_out_of_order_say_whose_they_are() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(2));
        let mut results = pool.map_unordered_async(0..20_u64, |worker, n| {
            let time = if n == 0 { Duration::from_millis(300) } else { Duration::from_millis(1) };
            worker.double_slowly_async(n, time)
        });
        let first = next(&mut results).await.unwrap();
        assert_ne!(first.0, 0);
        let mut seen: Vec<_> = all(results).await;
        seen.push(first);
        let mut seen: Vec<_> = seen.into_iter().map(|(index, result)| (index, result.unwrap())).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).map(|n| (n, 2 * n as u64)).collect::<Vec<_>>());
    });
}

#[test]
fn a_crash_costs_the_input_it_was_run_on_and_no_other() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    everywhere(|| async {
        for link in [Link::SharedMemory, Link::Socket] {
            let pool = spawn(builder(2).spare(1).process(Builder::new().link(link)));
            let results =
                all(pool.map_async(1..=200_u64, |worker, n| worker.risky_async(n, 40)).in_flight(5)).await;
            assert_eq!(poisons(&results), [39, 79, 119, 159, 199]);
            for (index, result) in results.iter().enumerate().filter(|(_, result)| result.is_ok()) {
                assert_eq!(*result.as_ref().unwrap(), 2 * (index as u64 + 1));
            }
        }
    });
}

#[test]
fn a_deadline_kills_and_the_rest_goes_on() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    everywhere(|| async {
        let pool = spawn(builder(2));
        let results = pool
            .map_async(0..60_u64, |worker, n| worker.hang_async(n, 7))
            .in_flight(8)
            .deadline(Duration::from_secs(2));
        for (index, result) in all(results).await.into_iter().enumerate() {
            match result {
                Ok(value) => assert!(index != 7 && value == 2 * index as u64),
                Err(error) => {
                    assert_eq!((index, error.index), (7, 7));
                    assert_eq!(error.error, PoolError::Call(CallError::TimedOut { killed: true }));
                }
            }
        }
        assert_eq!(pool.call_async(|worker| worker.double_async(4)).await.unwrap(), 8);
    });
}

#[test]
fn a_task_that_gives_up_waiting_loses_no_result() {
    let _watchdog = watchdog();
    one_thread().block_on(async {
        let pool = spawn(builder(2));
        let mut results =
            pool.map_async(0..40_u64, |worker, n| worker.double_slowly_async(n, Duration::from_millis(2)));
        let (mut doubles, mut given_up) = (Vec::new(), 0);
        loop {
            match tokio::time::timeout(Duration::from_micros(500), results.next_async()).await {
                Ok(Some(result)) => doubles.push(result.unwrap()),
                Ok(None) => break,
                Err(_) => given_up += 1,
            }
        }
        assert!(given_up > 0, "the timeout is shorter than any item");
        assert_eq!(doubles, (0..40).map(|n| 2 * n).collect::<Vec<_>>());
    });
}

#[test]
fn a_map_moves_between_tasks_and_threads_while_it_runs() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    let mut results =
        pool.map_async(0..200_u64, |worker, n| worker.double_slowly_async(n, Duration::from_micros(200)));
    // On one executor after the other, each with its own way to wait.
    for round in 0..10_u64 {
        let take = async {
            for n in 0..20 {
                assert_eq!(results.next_async().await.unwrap().unwrap(), 2 * (20 * round + n));
            }
        };
        if round % 2 == 0 { one_thread().block_on(take) } else { block_on(take) }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let spawned = runtime.spawn(async move {
        let results = pool.map_unordered_async(0..200_u64, |worker, n| worker.double_async(n));
        all(results).await.len()
    });
    assert_eq!(runtime.block_on(spawned).unwrap(), 200);
}

#[test]
fn a_deadline_is_kept_in_another_runtime_than_the_one_it_began_in() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder(1));
    let mut results =
        pool.map_async([1_u64], |worker, n| worker.hang_async(n, 1)).deadline(Duration::from_millis(300));
    // That runtime is gone afterwards, with its timers.
    assert!(one_thread().block_on(ask_once(results.next_async())).is_pending());
    let error = one_thread().block_on(results.next_async()).unwrap().unwrap_err();
    assert_eq!(error.error, PoolError::Call(CallError::TimedOut { killed: true }));
}

#[test]
fn inputs_without_room_keep_no_task_of_the_thread_waiting() {
    let _watchdog = watchdog();
    one_thread().block_on(async {
        let pool = spawn(builder(1));
        let large = vec![1_u8; 40 << 20];
        let ticks = AtomicUsize::new(0);
        let over = AtomicBool::new(false);
        let lengths = async {
            let results = pool.map_async(0..4, |worker, _| worker.length_async(&large)).in_flight(3);
            let results = all(results).await;
            over.store(true, Ordering::SeqCst);
            results
        };
        let others = async {
            while !over.load(Ordering::SeqCst) {
                ticks.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        };
        let (results, ()) = tokio::join!(lengths, others);
        assert!(results.iter().all(|result| *result.as_ref().unwrap() == large.len()));
        assert!(ticks.load(Ordering::SeqCst) > 4, "the thread was free in between");
    });
}

#[test]
fn a_map_grows_a_pool_without_waiting_for_its_constructors() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let slow = Duration::from_millis(300);
        let pool =
            builder(1).max(3).spawn(move |builder| WorkerFrontend::spawn_slow_with(builder, slow)).unwrap();
        let start = Instant::now();
        let time = Duration::from_millis(5);
        let mut results = pool.map_async(0_u64.., |worker, n| worker.double_slowly_async(n, time));
        assert_eq!(results.next_async().await.unwrap().unwrap(), 0);
        let mut n = 1;
        while pool.len() < 3 {
            assert_eq!(results.next_async().await.unwrap().unwrap(), 2 * n);
            n += 1;
        }
        // The first ones came while nobody waited for the new ones.
        assert!(n > 10 && start.elapsed() >= slow, "{n} in {:?}", start.elapsed());
    });
}
