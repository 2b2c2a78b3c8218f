//! Calls that are awaited, many at once: on which threads, beside which other callers, and what stays.
//! Not here: deaths (`deaths`), and calls without room (`room`).
//! Layer: tests only, through the public surface.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::task::JoinSet;
use worker_core::{CallError, Link, Pending};

use super::{LINKS, clerk, many_threads, poll_once};
use crate::support::executors::one_thread;
use crate::support::{eventually, has_processes, processes, rerun, watchdog};

#[test]
fn calls_are_awaited_and_their_errors_too() {
    let _watchdog = watchdog();
    for link in LINKS {
        let clerk = clerk(link);
        one_thread().block_on(async {
            for question in 0..1000 {
                assert_eq!(clerk.answer_async(question).await, Ok(!question));
            }
            let error = clerk.refuse_async("no".to_owned()).await.unwrap_err();
            assert_eq!(error, CallError::Actor("no".to_owned()));
            assert_eq!(clerk.long_answer_async(7, 1 << 20).await.unwrap(), vec![!7; 1 << 20]);
        });
        assert!(clerk.stop().unwrap().is_clean());
    }
}

#[test]
fn no_thread_is_started_for_calls() {
    let _watchdog = watchdog();
    rerun::alone("awaited::no_thread_is_started_for_calls", || {
        for link in LINKS {
            let clerk = clerk(link);
            clerk.answer(1).unwrap();
            let before = processes::threads();
            one_thread().block_on(async {
                let pending: Vec<_> = (0..100).map(|question| clerk.answer_async(question)).collect();
                for (question, pending) in (0..).zip(pending) {
                    assert_eq!(pending.await, Ok(!question));
                }
                assert_eq!(clerk.sleep_async(20).await, Ok(20));
                assert_eq!(processes::threads(), before, "over {link:?}");
            });
        }
    });
}

#[test]
fn ten_thousand_calls_are_outstanding() {
    let _watchdog = watchdog();
    for link in LINKS {
        for runtime in [one_thread(), many_threads()] {
            let clerk = clerk(link);
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for question in 0..10_000 {
                    let pending = clerk.answer_async(question);
                    tasks.spawn(async move { assert_eq!(pending.await, Ok(!question)) });
                }
                while let Some(done) = tasks.join_next().await {
                    done.unwrap();
                }
                assert_eq!(clerk.calls_async().await, Ok(10_000));
            });
        }
    }
}

#[test]
fn a_dropped_future_leaves_the_actor_usable_and_its_late_reply_behind() {
    let _watchdog = watchdog();
    for link in LINKS {
        let clerk = clerk(link);
        one_thread().block_on(async {
            for question in 0..200 {
                // Suspended, then dropped with the call in flight: before, while and after it is answered.
                let late = tokio::time::timeout(Duration::from_micros(question), clerk.answer_async(1)).await;
                assert!(late.is_err() || late == Ok(Ok(!1)));
                assert_eq!(clerk.answer_async(question).await, Ok(!question));
            }
            let late = tokio::time::timeout(Duration::from_millis(1), clerk.sleep_async(50)).await;
            assert!(late.is_err());
            assert_eq!(clerk.answer_async(3).await, Ok(!3));
            assert_eq!(clerk.calls_async().await, Ok(401), "a call that was given up was run all the same");
        });
    }
}

/// The leader that steps down, the task that goes to sleep and the reply that comes meet in every order.
#[test]
fn threads_that_block_and_tasks_share_an_actor() {
    let _watchdog = watchdog();
    for link in LINKS {
        let clerk = clerk(link);
        let runtime = many_threads();
        let done = AtomicU64::new(0);
        thread::scope(|scope| {
            for thread in 0..4 {
                let (clerk, done) = (&clerk, &done);
                scope.spawn(move || {
                    for number in 0..5000 {
                        let question = thread << 32 | number;
                        assert_eq!(clerk.answer(question), Ok(!question));
                        if number % 7 == 0 {
                            let pending = clerk.answer_async(question);
                            let _ = pending.is_ready();
                            assert_eq!(pending.wait(), Ok(!question));
                        }
                    }
                    // Relaxed: it is read after all have been joined.
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for task in 0..8_u64 {
                    let clerk = clerk.clone();
                    tasks.spawn(async move {
                        for number in 0..2500 {
                            let question = 1 << 48 | task << 32 | number;
                            assert_eq!(clerk.answer_async(question).await, Ok(!question));
                        }
                    });
                }
                while let Some(result) = tasks.join_next().await {
                    result.unwrap();
                }
            });
        });
        assert_eq!(done.into_inner(), 4);
    }
}

/// A thread that sleeps at the doorbell for a reply that takes long leads; tasks come and go meanwhile.
#[test]
fn a_task_outlives_the_thread_that_led_for_it() {
    let _watchdog = watchdog();
    for link in LINKS {
        let clerk = clerk(link);
        let runtime = one_thread();
        for _ in 0..50 {
            thread::scope(|scope| {
                let first = clerk.sleep_async(2);
                let second = clerk.sleep_async(4);
                scope.spawn(move || first.wait().unwrap());
                runtime.block_on(async { assert_eq!(second.await, Ok(4)) });
            });
        }
    }
}

#[test]
fn each_runtime_watches_for_itself() {
    let _watchdog = watchdog();
    for link in LINKS {
        let clerk = clerk(link);
        let (first, second) = (one_thread(), many_threads());
        assert_eq!(first.block_on(clerk.answer_async(1)), Ok(!1));
        assert_eq!(second.block_on(clerk.answer_async(2)), Ok(!2));
        // Polled in one, which is not driven any more, and awaited in the other.
        let mut moved = clerk.sleep_async(20);
        first.block_on(async { assert!(poll_once(&mut moved).is_pending()) });
        assert_eq!(second.block_on(&mut moved), Ok(20));
        drop(first);
        assert_eq!(second.block_on(clerk.answer_async(3)), Ok(!3));
        drop(second);
        assert_eq!(one_thread().block_on(clerk.answer_async(4)), Ok(!4));
        assert_eq!(clerk.answer(5), Ok(!5));
    }
}

#[test]
fn a_future_may_be_waited_for_after_all() {
    let _watchdog = watchdog();
    let clerk = clerk(Link::SharedMemory);
    let runtime = one_thread();
    let mut pending: Vec<Pending<u64>> = (0..10).map(|question| clerk.answer_async(question)).collect();
    let slow = clerk.sleep_async(20);
    runtime.block_on(async {
        pending.iter_mut().for_each(|pending| {
            // Ready or not, which is a matter of luck, it gives its result once.
            if let Poll::Ready(result) = poll_once(pending) {
                *pending = clerk.answer_async(!result.unwrap());
            }
        });
    });
    for (question, pending) in (0..).zip(pending) {
        assert_eq!(pending.wait(), Ok(!question));
    }
    assert_eq!(slow.wait(), Ok(20));
}

#[test]
fn nothing_is_left_of_an_actor_that_was_awaited() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    rerun::alone("awaited::nothing_is_left_of_an_actor_that_was_awaited", || {
        let runtime = one_thread();
        runtime.block_on(async {
            assert_eq!(clerk(Link::SharedMemory).answer_async(1).await, Ok(!1));
            tokio::task::yield_now().await;
        });
        let before = processes::descriptors().len();
        for link in LINKS {
            runtime.block_on(async {
                let clerk = clerk(link);
                assert_eq!(clerk.answer_async(1).await, Ok(!1));
                let pid = clerk.process().pid();
                drop(clerk);
                // The last frontend is gone, whatever the runtime still watches.
                while processes::runs(pid) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            });
        }
        eventually("the descriptors of the links are closed", || {
            runtime.block_on(tokio::task::yield_now());
            processes::descriptors().len() <= before
        });
    });
}

#[test]
fn a_frontend_is_awaited_behind_an_arc_and_in_spawned_tasks() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let _watchdog = watchdog();
    let clerk = Arc::new(clerk(Link::SharedMemory));
    many_threads().block_on(async {
        let task = tokio::spawn(is_send({
            let clerk = Arc::clone(&clerk);
            async move { clerk.answer_async(1).await }
        }));
        assert_eq!(task.await.unwrap(), Ok(!1));
    });
}
