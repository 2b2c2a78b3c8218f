//! Stopping a pool: it waits for nobody who uses it, makes for it, or does not ask.
//! Not here: listeners that do it (`listeners`).
//! Layer: tests only, through the public surface.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use worker_core::{Pool, PoolError, TakeError};

use super::{WorkerFrontend, with_stuck_ones};
use crate::support::{eventually, has_processes, watchdog};

#[test]
fn stopping_waits_for_no_spare_that_a_map_begins_only_after_its_inputs() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = Pool::<WorkerFrontend>::builder().size(1).spare(1).spawn(WorkerFrontend::spawn_with).unwrap();
    eventually("the spare is ready", || pool.spares() == 1);
    let mut stopped = None;
    // The first input is deadly, the spare takes its place, and another spare is due while the map asks for more.
    let inputs = (0_u64..3).inspect(|n| {
        if *n == 1 {
            stopped = Some(pool.stop().expect("it stops"));
        }
    });
    let results: Vec<_> =
        pool.map(inputs, |worker, n| worker.double_or_die_async(n, 0)).in_flight(1).look_ahead(2).collect();
    assert!(matches!(results[0].as_ref().unwrap_err().exit(), Some(exit) if !exit.is_clean()), "{results:?}");
    assert!(stopped.is_some_and(|exits| !exits.is_empty()));
    assert!(results[1..].iter().all(Result::is_err), "nothing is run any more: {results:?}");
}

#[test]
fn stopping_waits_for_no_map_that_is_not_asked_for_results() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = with_stuck_ones(Pool::builder().min(1).max(3));
    let mut results = pool.map(0_u64.., |worker, n| worker.double_async(n));
    // It has begun two more processes by now, which never get ready.
    for n in 0..20 {
        assert_eq!(results.next().unwrap().unwrap(), 2 * n);
    }
    let exits = pool.stop().unwrap();
    assert_eq!(exits.len(), 3, "those in the making too: {exits:?}");
    assert!(exits[1..].iter().all(|exit| !exit.is_clean()), "by force: {exits:?}");
    let last = results.last().unwrap().unwrap_err();
    assert!(matches!(last.error, PoolError::Take(TakeError::Stopped)), "{last}");
}

#[test]
fn stopping_waits_for_no_task_that_is_not_polled() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = with_stuck_ones(Pool::builder().min(1).max(2));
    let lease = pool.take().unwrap();
    {
        let mut taking = pin!(pool.take_async());
        let mut context = Context::from_waker(Waker::noop());
        assert!(taking.as_mut().poll(&mut context).is_pending());
        let exits = pool.stop().unwrap();
        assert_eq!(exits.len(), 2, "{exits:?}");
        // Polled again at last, it is told.
        eventually("it is told", || match taking.as_mut().poll(&mut context) {
            Poll::Ready(taken) => {
                assert_eq!(taken.unwrap_err(), TakeError::Stopped);
                true
            }
            Poll::Pending => false,
        });
    }
    assert_eq!(pool.stop().unwrap().len(), 2, "the same again");
    drop(lease);
}

#[test]
fn stopping_ends_whoever_waits_for_a_constructor() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = with_stuck_ones(Pool::builder().min(1).max(2));
    let lease = pool.take().unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| pool.take().map(drop));
        let shared = scope.spawn(|| pool.least_loaded().map(drop));
        // One makes the process, the other stands in line.
        eventually("one stands in line", || format!("{pool:?}").contains("waiting: 1"));
        pool.stop().unwrap();
        assert_eq!(waits.join().unwrap(), Err(TakeError::Stopped));
        assert_eq!(shared.join().unwrap(), Err(TakeError::Stopped));
    });
    drop(lease);
}

#[test]
fn a_map_that_waits_is_told_when_its_pool_is_gone() {
    let _watchdog = watchdog();
    let pool = Pool::<WorkerFrontend>::builder().size(1).spawn(WorkerFrontend::spawn_with).unwrap();
    let lease = pool.take().unwrap();
    let mut results = pool.map(0..3_u64, |worker, n| worker.double_async(n));
    let waits = thread::spawn(move || results.next().unwrap().unwrap_err());
    eventually("the map stands in line", || format!("{pool:?}").contains("waiting: 1"));
    drop(pool);
    let error = waits.join().unwrap();
    assert!(matches!(error.error, PoolError::Take(TakeError::Stopped)), "{error}");
    // The lease goes on.
    assert_eq!(lease.double(4).unwrap(), 8);
}

#[tokio::test]
async fn a_dropped_pool_leaves_nothing_for_tasks_to_wait_for() {
    let _watchdog = watchdog();
    let pool = Pool::<WorkerFrontend>::builder().size(1).spawn(WorkerFrontend::spawn_with).unwrap();
    let lease = pool.take_async().await.unwrap();
    let mut results = pool.map_async(0..3_u64, |worker, n| worker.double_async(n));
    let mut pool = Some(pool);
    let mut first = pin!(results.next_async());
    let error = poll_fn(|context| {
        let polled = first.as_mut().poll(context);
        // It stands in line now, and must be woken.
        drop(pool.take());
        polled
    });
    assert!(matches!(error.await.unwrap().unwrap_err().error, PoolError::Take(TakeError::Stopped)));
    drop(lease);
}
