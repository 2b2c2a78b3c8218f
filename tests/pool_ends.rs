//! Ends of pools: what is still being made, what waits, and what nobody waits for any more.
//! Not here: leases and their hooks (`pools`), and what ends one process (`death`).
//! Layer: tests only, through the public surface.

#[path = "support/mod.rs"]
mod support;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use support::executors::one_thread;
use support::{eventually, has_processes, watchdog};
use worker_core::{
    Builder, DepartureReason, Pool, PoolBuilder, PoolError, SpawnError, TakeError, process_actor,
};

pub struct Worker;

#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub enum Lot {
    Good,
    Bad,
    /// As [`Lot::Bad`], but later than anybody who has just come looks for it.
    BadLater,
    Stuck,
}

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

    /// Is there at once, fails, or is never there.
    pub fn lot(lot: Lot) -> Self {
        match lot {
            Lot::Good => Self,
            Lot::Bad => panic!("a bad lot"),
            Lot::BadLater => {
                thread::sleep(Duration::from_millis(200));
                panic!("a bad lot")
            }
            Lot::Stuck => Self::stuck(true),
        }
    }

    pub fn double(&self, n: u64) -> u64 {
        2 * n
    }

    /// Dies of one input.
    pub fn double_or_die(&self, n: u64, deadly: u64) -> u64 {
        if n == deadly {
            std::process::exit(3);
        }
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

/// A pool whose processes have these lots, in the order in which they are made; all further ones are good.
fn with_lots<const N: usize>(builder: PoolBuilder<WorkerFrontend>, lots: [Lot; N]) -> Pool<WorkerFrontend> {
    with_lots_and_then(builder, lots, Lot::Good)
}

/// As [`with_lots`], with the lot of all further ones.
fn with_lots_and_then<const N: usize>(
    builder: PoolBuilder<WorkerFrontend>,
    lots: [Lot; N],
    then: Lot,
) -> Pool<WorkerFrontend> {
    let made = AtomicUsize::new(0);
    builder
        .process(Builder::new().stop_timeout(Duration::from_millis(50)))
        .spawn(move |builder| {
            let lot = lots.get(made.fetch_add(1, Ordering::SeqCst)).copied();
            WorkerFrontend::spawn_lot_with(builder, lot.unwrap_or(then))
        })
        .expect("a pool")
}

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
fn a_listener_may_stop_the_pool_while_other_spares_are_not_ready() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (given, told) = (Arc::new(OnceLock::<Pool<WorkerFrontend>>::new()), Arc::new(AtomicUsize::new(0)));
    let (ours, noted) = (Arc::clone(&given), Arc::clone(&told));
    let builder = Pool::builder().size(1).spare(2).on_departure(move |departure| {
        if matches!(departure.reason, DepartureReason::NotMade(_)) {
            assert_eq!(ours.get().expect("looked at by the pool alone").stop().unwrap().len(), 2);
            noted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let pool = with_lots(builder, [Lot::Good, Lot::Bad, Lot::Stuck]);
    given.set(pool.clone()).unwrap();
    eventually("the listener has stopped it", || pool.spares() == 0 && told.load(Ordering::SeqCst) == 1);
    assert_eq!(pool.take().map(drop), Err(TakeError::Stopped));
}

#[test]
fn a_listener_that_panics_keeps_nobody_from_stopping() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Pool::builder().size(1).spare(3).on_departure(|departure| {
        assert!(!matches!(departure.reason, DepartureReason::NotMade(_)), "a listener's own panic");
    });
    let pool = with_lots(builder, [Lot::Good, Lot::Bad, Lot::Stuck, Lot::Stuck]);
    eventually("the listener has panicked", || catch_unwind(AssertUnwindSafe(|| pool.spares())).is_err());
    let exits = pool.stop().unwrap();
    assert!(exits.len() >= 3, "the stuck ones too: {exits:?}");
}

#[test]
fn a_listener_that_panics_is_told_of_all_the_others_too() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (told, made) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (noted, spawned) = (Arc::clone(&told), Arc::clone(&made));
    let pool = Pool::builder()
        .size(1)
        .spare(3)
        .on_departure(move |departure| {
            noted.lock().unwrap().push(departure.pid);
            panic!("a listener's own panic");
        })
        .spawn(move |builder| {
            let mut spawned = spawned.lock().unwrap();
            let lot = if (1..=3).contains(&spawned.len()) { Lot::BadLater } else { Lot::Good };
            let worker = WorkerFrontend::spawn_lot_with(builder, lot)?;
            spawned.push(worker.process().clone());
            Ok::<_, SpawnError>(worker)
        })
        .unwrap();
    let bad = made.lock().unwrap()[1..=3].to_vec();
    // All three have failed before anybody looks.
    let mut bad: Vec<_> = bad.iter().map(|process| process.wait().pid).collect();
    assert!(catch_unwind(AssertUnwindSafe(|| pool.spares())).is_err(), "its panic goes on");
    let mut told = told.lock().unwrap().clone();
    told.sort();
    bad.sort();
    assert_eq!(told, bad);
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
fn a_listener_may_stop_the_pool_while_several_spares_are_begun() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (given, is_armed) =
        (Arc::new(OnceLock::<Pool<WorkerFrontend>>::new()), Arc::new(AtomicBool::new(false)));
    let (ours, armed) = (Arc::clone(&given), Arc::clone(&is_armed));
    let made = AtomicUsize::new(0);
    let pool = Pool::<WorkerFrontend>::builder()
        .size(1)
        .spare(2)
        .on_departure(move |departure| {
            if matches!(departure.reason, DepartureReason::NotMade(_)) && armed.load(Ordering::SeqCst) {
                ours.get().expect("given").stop().unwrap();
            }
        })
        .spawn(move |builder| match made.fetch_add(1, Ordering::SeqCst) {
            0..3 => WorkerFrontend::spawn_with(builder),
            _ => Err(SpawnError::Io(std::io::Error::other("there are enough"))),
        })
        .unwrap();
    given.set(pool.clone()).unwrap();
    eventually("both spares are ready", || pool.spares() == 2);
    // Of the two spares none is left, and none can be begun; so two at once are due when the pool tries again.
    for _ in 0..2 {
        let lease = pool.take().unwrap();
        lease.process().kill().unwrap();
        lease.process().wait();
        drop(lease);
    }
    is_armed.store(true, Ordering::SeqCst);
    eventually("the listener has stopped it", || {
        pool.is_empty() && pool.try_take().is_err_and(|error| error == TakeError::Stopped)
    });
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
