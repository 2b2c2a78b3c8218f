//! Ends of pools: what is still being made, what waits, and what nobody waits for any more.
//! Not here: leases and their hooks (`pools`), and what ends one process (`death`).
//! Layer: tests only, through the public surface.

#[path = "support/mod.rs"]
mod support;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use support::{eventually, has_processes, watchdog};
use worker_core::{Builder, DepartureReason, Pool, PoolBuilder, PoolError, TakeError, process_actor};

pub struct Worker;

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self
    }

    /// Is there at once, or never.
    pub fn stuck(stuck: bool) -> Self {
        if stuck {
            loop {
                thread::park();
            }
        }
        Self
    }

    pub fn double(&self, n: u64) -> u64 {
        2 * n
    }

    pub fn double_slowly(&self, n: u64, time: Duration) -> u64 {
        thread::sleep(time);
        2 * n
    }
}

/// A pool of which only the first process ever gets through its constructor.
fn with_stuck_ones(builder: PoolBuilder<WorkerFrontend>) -> Pool<WorkerFrontend> {
    let made = AtomicUsize::new(0);
    builder
        .process(Builder::new().stop_timeout(Duration::from_millis(50)))
        .spawn(move |builder| {
            let is_first = made.fetch_add(1, Ordering::SeqCst) == 0;
            WorkerFrontend::spawn_stuck_with(builder, !is_first)
        })
        .expect("a pool")
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
