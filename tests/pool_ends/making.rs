//! What is being made while nobody waits for it any more, or cannot be made.
//! Not here: pools that end meanwhile (`stopping`).
//! Layer: tests only, through the public surface.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use worker_core::{DepartureReason, Pool, PoolError, SpawnError, TakeError};

use super::{Lot, WorkerFrontend, with_lots_and_then, with_stuck_ones};
use crate::support::executors::one_thread;
use crate::support::{eventually, has_processes, watchdog};

#[test]
fn a_spare_that_a_map_put_off_is_begun_all_the_same() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = Pool::<WorkerFrontend>::builder().size(1).spare(1).spawn(WorkerFrontend::spawn_with).unwrap();
    eventually("the spare is ready", || pool.spares() == 1);
    let mut results = pool.map(0_u64..3, |worker, n| worker.double_or_die_async(n, 0)).in_flight(1);
    assert!(results.next().unwrap().is_err());
    assert_eq!((results.next(), results.next()), (Some(Ok(2)), Some(Ok(4))));
    eventually("another spare is ready", || pool.spares() == 1);
}

#[test]
fn a_task_is_told_that_no_process_can_be_made_also_after_a_spare_that_failed() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool =
        with_lots_and_then(Pool::builder().min(1).max(2).spare(1), [Lot::Good, Lot::BadLater], Lot::BadLater);
    let runtime = one_thread();
    let held = runtime.block_on(pool.take_async()).unwrap();
    // It waits for the spare first, and then for a process of its own.
    match runtime.block_on(pool.take_async()) {
        Err(TakeError::Spawn(why)) => assert!(why.contains("a bad lot"), "{why}"),
        other => panic!("{other:?}"),
    }
    drop(held);
    assert_eq!(runtime.block_on(pool.call_async(|worker| worker.double_async(2))), Ok(4));
}

#[test]
fn a_map_is_told_that_no_process_can_be_made_also_after_a_spare_that_failed() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool =
        with_lots_and_then(Pool::builder().size(1).spare(1), [Lot::Good, Lot::BadLater], Lot::BadLater);
    let results: Vec<_> =
        pool.map(0..3_u64, |worker, n| worker.double_or_die_async(n, 0)).in_flight(1).collect();
    assert!(results[0].as_ref().unwrap_err().exit().is_some(), "{results:?}");
    for result in &results[1..] {
        match &result.as_ref().unwrap_err().error {
            PoolError::Take(TakeError::Spawn(why)) => assert!(why.contains("a bad lot"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_map_that_tells_of_a_failure_keeps_nobody_from_the_pool() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let made = AtomicUsize::new(0);
    let pool = Pool::<WorkerFrontend>::builder()
        .min(0)
        .max(1)
        .spawn(move |builder| match made.fetch_add(1, Ordering::SeqCst) {
            1 => Err(SpawnError::Io(std::io::Error::other("not this one"))),
            _ => WorkerFrontend::spawn_with(builder),
        })
        .unwrap();
    let lease = pool.take().unwrap();
    let mut results = pool.map(0..2_u64, |worker, n| worker.double_async(n));
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let error = results.next().unwrap().unwrap_err();
            assert!(matches!(error.error, PoolError::Take(TakeError::Spawn(_))), "{error}");
            // Nobody is before us now.
            drop(pool.try_take().unwrap());
            assert_eq!((results.next(), results.next()), (Some(Ok(2)), None));
        });
        eventually("the map stands in line", || format!("{pool:?}").contains("waiting: 1"));
        lease.process().kill().unwrap();
        lease.process().wait();
        drop(lease);
        waits.join().unwrap();
    });
}

#[test]
fn a_process_to_be_recycled_serves_until_its_replacement_is_ready() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    // The replacement never is: if the old one went first, the next use would wait for ever.
    let pool = with_stuck_ones(Pool::builder().size(1).max_calls(1));
    for n in 0..50 {
        assert_eq!(pool.take().unwrap().double(n).unwrap(), 2 * n);
        assert_eq!(pool.call(|worker| worker.double_async(n)).unwrap(), 2 * n);
    }
    for (n, double) in (0..50).zip(pool.map(0..50, |worker, n| worker.double_async(n))) {
        assert_eq!(double.unwrap(), 2 * n);
    }
    let exits = pool.stop().unwrap();
    assert_eq!(exits.len(), 2, "one replacement was begun, and no more: {exits:?}");

    // By age, which is past all the time.
    let pool = with_stuck_ones(Pool::builder().size(1).max_age(Duration::ZERO));
    for n in 0..50 {
        assert_eq!(pool.take().unwrap().double(n).unwrap(), 2 * n);
    }
    assert_eq!(pool.stop().unwrap().len(), 2);

    // And by memory, of which any process has more.
    let pool = with_stuck_ones(Pool::builder().size(1).max_memory(1));
    for n in 0..50 {
        assert_eq!(pool.take().unwrap().double(n).unwrap(), 2 * n);
    }
    assert_eq!(pool.stop().unwrap().len(), 2);
}

#[test]
fn a_short_map_begins_no_more_processes_than_it_has_inputs_and_they_become_idle() {
    let _watchdog = watchdog();
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let idle = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&idle);
    let pool = Pool::<WorkerFrontend>::builder()
        .min(1)
        .max(8)
        .idle_timeout(Duration::from_millis(50))
        .on_departure(move |departure| {
            assert!(matches!(departure.reason, DepartureReason::Idle(_)), "{departure}");
            noted.fetch_add(1, Ordering::SeqCst);
        })
        .spawn(move |builder| {
            count.fetch_add(1, Ordering::SeqCst);
            WorkerFrontend::spawn_with(builder)
        })
        .unwrap();
    let doubles: Vec<_> = pool.map(0..3_u64, |worker, n| worker.double_async(n)).collect();
    assert_eq!(doubles, [Ok(0), Ok(2), Ok(4)]);
    let more = made.load(Ordering::SeqCst) - 1;
    assert!(more <= 2, "{more} for two inputs that wait");
    // What it began and did not use takes a place, and goes when nobody has used it for so long.
    eventually("all but one have gone", || idle.load(Ordering::SeqCst) == more && pool.len() == 1);
    eventually("none is left over", || pool.spares() == 0);
}

#[test]
fn a_take_that_gives_up_leaves_a_process_that_becomes_idle() {
    let _watchdog = watchdog();
    let idle = Arc::new(Mutex::new(0));
    let noted = Arc::clone(&idle);
    let pool = Pool::<WorkerFrontend>::builder()
        .min(1)
        .max(4)
        .idle_timeout(Duration::from_millis(20))
        .on_departure(move |_| *noted.lock().unwrap() += 1)
        .spawn(WorkerFrontend::spawn_with)
        .unwrap();
    let lease = pool.take().unwrap();
    drop({
        let mut taking = Box::pin(pool.take_async());
        // Begun, and given up.
        let _ = taking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        taking
    });
    eventually("what it began has gone", || *idle.lock().unwrap() == 1);
    drop(lease);
}

#[test]
fn a_map_that_lacks_a_process_gets_each_one_that_comes_back() {
    let _watchdog = watchdog();
    let pool = Pool::<WorkerFrontend>::builder().size(2).spawn(WorkerFrontend::spawn_with).unwrap();
    // Leases come and go all the time; whenever one is back the map must see it, or it would wait for ever.
    let long = Duration::from_secs(3600);
    let mut blocked = pool.map_unordered([0_u64, 1], |worker, n| match n {
        0 => worker.double_slowly_async(n, long),
        _ => worker.double_async(n),
    });
    for round in 0..200_u32 {
        let lease = pool.take().unwrap();
        let mut results = pool.map(0..2_u64, |worker, n| worker.double_async(n)).in_flight(1);
        thread::scope(|scope| {
            scope.spawn(move || {
                // Sooner or later than the map looks.
                for _ in 0..round % 50 {
                    std::hint::spin_loop();
                }
                drop(lease);
            });
            assert_eq!((results.next(), results.next()), (Some(Ok(0)), Some(Ok(2))));
        });
    }
    if has_processes() {
        // And with one process busy for good, so that the map has work in hand and stands beside the line.
        blocked = blocked.in_flight(1).kill_on_drop();
        let lease = pool.take().unwrap();
        let returned = thread::spawn(move || drop(lease));
        assert_eq!(blocked.next().unwrap(), (1, Ok(2)));
        returned.join().unwrap();
    }
    drop(blocked);
}
