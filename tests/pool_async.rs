//! Pools from tasks: the async twins of maps, calls and broadcasts, on tokio and on an executor that nobody knows.
//! Not here: what a map is (`pool_maps`), and taking (`pools`).
//! Layer: tests only, through the public surface.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use futures_util::Stream;
use support::{eventually, has_processes, watchdog};
use worker_core::{
    Builder, CallError, DepartureReason, ItemError, Link, Pool, PoolBuilder, PoolError, TakeError,
    process_actor,
};

pub struct Worker;

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self
    }

    pub fn slow(time: Duration) -> Self {
        thread::sleep(time);
        Self
    }

    pub fn double(&self, n: u64) -> u64 {
        2 * n
    }

    pub fn double_slowly(&self, n: u64, time: Duration) -> u64 {
        thread::sleep(time);
        2 * n
    }

    /// Dies of every input that `every` divides.
    pub fn risky(&self, n: u64, every: u64) -> u64 {
        if n.is_multiple_of(every) {
            std::process::exit(3);
        }
        2 * n
    }

    pub fn hang(&self, n: u64, on: u64) -> u64 {
        if n == on {
            loop {
                thread::park();
            }
        }
        2 * n
    }

    pub fn length(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    pub fn abort(&self) {
        std::process::abort();
    }
}

type Workers = Pool<WorkerFrontend>;

fn builder(size: usize) -> PoolBuilder<WorkerFrontend> {
    Pool::builder().size(size).process(Builder::new().name("worker"))
}

fn spawn(builder: PoolBuilder<WorkerFrontend>) -> Workers {
    builder.spawn(WorkerFrontend::spawn_with).expect("a pool")
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor there is.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

fn on_tokio<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Runs the same on tokio, and on an executor that the library does not know.
fn everywhere<F: Future<Output = ()>>(test: impl Fn() -> F) {
    on_tokio(test());
    block_on(test());
}

/// What any stream adapter does.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

async fn all<S: Stream + Unpin>(mut stream: S) -> Vec<S::Item> {
    let mut items = Vec::new();
    while let Some(item) = next(&mut stream).await {
        items.push(item);
    }
    items
}

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
    on_tokio(async {
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
        if round % 2 == 0 { on_tokio(take) } else { block_on(take) }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let spawned = runtime.spawn(async move {
        let results = pool.map_unordered_async(0..200_u64, |worker, n| worker.double_async(n));
        all(results).await.len()
    });
    assert_eq!(runtime.block_on(spawned).unwrap(), 200);
}

#[test]
fn several_maps_share_a_thread_and_a_pool_with_leases() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(1));
        let map = |start: u64| {
            let results = pool.map_async(start..start + 100, |worker, n| worker.double_async(n));
            async move {
                for (n, result) in (start..).zip(all(results).await) {
                    assert_eq!(result.unwrap(), 2 * n);
                }
            }
        };
        let leases = async {
            for _ in 0..10 {
                let lease = pool.take_async().await.unwrap();
                assert_eq!(lease.double_async(4).await.unwrap(), 8);
            }
        };
        // Whoever blocked the thread would keep the others from giving back what they have.
        join([Box::pin(map(0)) as Pin<Box<dyn Future<Output = ()>>>, Box::pin(map(1000)), Box::pin(leases)])
            .await;
        assert_eq!(pool.idle(), 1);
    });
}

/// Runs all side by side.
async fn join<const N: usize>(mut futures: [Pin<Box<dyn Future<Output = ()> + '_>>; N]) {
    let mut done = [false; N];
    poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            *done = *done || future.as_mut().poll(context).is_ready();
        }
        if done.iter().all(|done| *done) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[test]
fn a_map_waits_for_what_is_leased_and_gives_its_place_up_when_it_is_dropped() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(1));
        let lease = pool.take().unwrap();
        let mut abandoned = pool.map_async(0..3_u64, |worker, n| worker.double_async(n));
        let mut results = pool.map_async(0..3_u64, |worker, n| worker.double_async(n));
        // Both stand in line, one behind the other.
        poll_fn(|context| {
            assert!(Pin::new(&mut abandoned).poll_next(context).is_pending());
            assert!(Pin::new(&mut results).poll_next(context).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(format!("{pool:?}").contains("waiting: 2"), "{pool:?}");
        drop(abandoned);
        assert!(format!("{pool:?}").contains("waiting: 1"), "{pool:?}");
        let mut lease = Some(lease);
        poll_fn(|context| {
            let polled = Pin::new(&mut results).poll_next(context);
            // Only now: it must be woken.
            drop(lease.take());
            polled.map(|result| assert_eq!(result.unwrap().unwrap(), 0))
        })
        .await;
        assert_eq!(all(results).await, [Ok(2), Ok(4)]);
    });
}

/// Asks once, and waits no longer.
async fn ask_once<F: Future>(asked: F) -> Poll<F::Output> {
    let mut asked = pin!(asked);
    poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await
}

#[test]
fn a_map_that_a_task_does_not_wait_for_any_more_keeps_nobody_from_the_pool() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(1));
        let lease = pool.take().unwrap();
        let mut ordered = pool.map_async(0..2_u64, |worker, n| worker.double_async(n));
        let mut unordered = pool.map_unordered_async(0..2_u64, |worker, n| worker.double_async(n));
        assert!(ask_once(ordered.next_async()).await.is_pending());
        assert!(ask_once(unordered.next_async()).await.is_pending());
        assert!(format!("{pool:?}").contains("waiting: 0"), "{pool:?}");
        drop(lease);
        drop(pool.try_take().unwrap());
        drop(pool.take_async().await.unwrap());
        // They have lost nothing by it.
        assert_eq!(all(ordered).await, [Ok(0), Ok(2)]);
        let mut doubles = all(unordered).await;
        doubles.sort_by_key(|(index, _)| *index);
        assert_eq!(doubles, [(0, Ok(0)), (1, Ok(2))]);
    });
}

#[test]
fn a_process_that_a_map_does_not_wait_for_any_more_is_for_the_next_one() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let slow = Duration::from_millis(200);
        let pool =
            builder(1).min(0).spawn(move |builder| WorkerFrontend::spawn_slow_with(builder, slow)).unwrap();
        let mut results = pool.map_async(0..2_u64, |worker, n| worker.double_async(n));
        assert!(ask_once(results.next_async()).await.is_pending());
        // It takes the only place there is.
        let lease = pool.try_take().unwrap();
        assert_eq!(lease.double_async(4).await.unwrap(), 8);
        drop(lease);
        assert_eq!(all(results).await, [Ok(0), Ok(2)]);
    });
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
    assert!(on_tokio(ask_once(results.next_async())).is_pending());
    let error = on_tokio(results.next_async()).unwrap().unwrap_err();
    assert_eq!(error.error, PoolError::Call(CallError::TimedOut { killed: true }));
}

/// An executor that looks at the pool as soon as it is woken.
struct Curious(Workers, AtomicUsize);

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        assert!(format!("{:?}", self.0).contains("waiting"));
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn whoever_is_woken_may_use_the_pool_at_once() {
    let _watchdog = watchdog();
    let pool = spawn(builder(1));
    let curious = Arc::new(Curious(pool.clone(), AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&curious));
    let mut context = Context::from_waker(&waker);
    let lease = pool.take().unwrap();
    {
        let mut taking = pin!(pool.take_async());
        assert!(taking.as_mut().poll(&mut context).is_pending());
        drop(lease);
        assert!(curious.1.load(Ordering::SeqCst) > 0);
        let mut taken = None;
        eventually("it is taken", || match taking.as_mut().poll(&mut context) {
            Poll::Ready(lease) => {
                taken = Some(lease.unwrap());
                true
            }
            Poll::Pending => false,
        });
        let woken = curious.1.load(Ordering::SeqCst);
        let mut results = pool.map_async(0..2_u64, |worker, n| worker.double_async(n));
        assert!(Pin::new(&mut results).poll_next(&mut context).is_pending());
        drop(taken);
        assert!(curious.1.load(Ordering::SeqCst) > woken);
        pool.stop().unwrap();
    }
}

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
fn inputs_without_room_keep_no_task_of_the_thread_waiting() {
    let _watchdog = watchdog();
    on_tokio(async {
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

#[test]
fn a_call_goes_to_the_process_with_the_least_to_do_and_again_only_if_it_was_not_begun() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(2));
        let shares = [pool.least_loaded_async().await.unwrap(), pool.least_loaded_async().await.unwrap()];
        let names: BTreeSet<_> = shares.iter().map(|share| share.process().name().to_owned()).collect();
        assert_eq!(names.len(), 2);
        drop(shares);
        if !has_processes() {
            return;
        }
        for _ in 0..3 {
            let process = pool.least_loaded_async().await.unwrap().process().clone();
            process.kill().unwrap();
            process.wait();
            assert_eq!(pool.call_async(|worker| worker.double_async(1)).await.unwrap(), 2);
            let outcome = pool.call_async(|worker| worker.abort_async()).await;
            assert!(matches!(outcome, Err(PoolError::Call(CallError::Exited(_)))), "{outcome:?}");
        }
    });
}

#[test]
fn a_broadcast_reaches_everybody_and_is_sent_at_once() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(2).spare(1));
        eventually("the spare is ready", || pool.spares() == 1);
        let lease = pool.take_async().await.unwrap();
        let sent = AtomicUsize::new(0);
        let results = pool.broadcast_async(|worker| {
            sent.fetch_add(1, Ordering::SeqCst);
            worker.double_async(21)
        });
        assert_eq!(sent.load(Ordering::SeqCst), 3);
        assert_eq!(results.await, [Ok(42), Ok(42), Ok(42)]);
        drop(pool.broadcast_async(|worker| worker.double_async(21)));
        drop(lease);
    });
}
