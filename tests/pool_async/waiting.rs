//! Tasks that wait for a process of the pool: side by side, in line, given up, and woken.
//! Not here: what they do with it (`maps`, `calls`).
//! Layer: tests only, through the public surface.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::Stream;

use super::{WorkerFrontend, Workers, all, ask_once, builder, everywhere, spawn};
use crate::support::{eventually, watchdog};

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
