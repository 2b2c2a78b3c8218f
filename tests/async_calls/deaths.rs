//! Tasks and deaths: every one is woken, and goes on with the next life where there is one.
//! Not here: requests that never left (`room`).
//! Layer: tests only, through the public surface.

use tokio::task::JoinSet;
use worker_core::{Builder, CallError, Restart};

use super::{ClerkFrontend, LINKS, clerk, many_threads};
use crate::support::executors::one_thread;
use crate::support::{has_processes, watchdog};

#[test]
fn a_death_wakes_every_task() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        for runtime in [one_thread(), many_threads()] {
            let clerk = clerk(link);
            runtime.block_on(async {
                let abort = clerk.abort_async();
                let mut tasks = JoinSet::new();
                for question in 0..500 {
                    tasks.spawn(clerk.answer_async(question));
                }
                match abort.await.unwrap_err() {
                    CallError::Exited(exit) => assert_eq!(exit.pid, clerk.process().pid()),
                    other => panic!("{other:?}"),
                }
                while let Some(done) = tasks.join_next().await {
                    let error = done.unwrap().unwrap_err();
                    assert!(matches!(error, CallError::Exited(_) | CallError::NotSent(_)), "{error:?}");
                }
                let error = clerk.answer_async(1).await.unwrap_err();
                assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
            });
        }
    }
}

#[test]
fn a_death_is_seen_by_a_task_that_was_suspended_long_before() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let clerk = clerk(link);
        one_thread().block_on(async {
            let pending = clerk.sleep_async(100_000);
            let killer = async {
                tokio::task::yield_now().await;
                clerk.process().kill().unwrap();
            };
            let (result, ()) = tokio::join!(pending, killer);
            assert!(matches!(result, Err(CallError::Exited(_))), "{result:?}");
        });
    }
}

#[test]
fn a_restarted_actor_is_awaited_again() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Builder::new().restart(Restart::on_crash());
    let clerk = ClerkFrontend::spawn_with(&builder).unwrap();
    many_threads().block_on(async {
        for life in 0..5 {
            assert_eq!(clerk.answer_async(life).await, Ok(!life));
            let lost = clerk.answer_async(0);
            assert!(matches!(clerk.abort_async().await, Err(CallError::Exited(_))));
            // Sent before its end, answered before its end.
            assert_eq!(lost.await, Ok(!0));
        }
        assert_eq!(clerk.answer_async(9).await, Ok(!9));
    });
    assert_eq!(clerk.process().restarts(), 5);
}

#[test]
fn a_restart_is_waited_for_without_the_runtime() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Builder::new().restart(Restart::on_crash());
    let clerk = ClerkFrontend::spawn_with(&builder).unwrap();
    one_thread().block_on(async {
        for life in 1..=3 {
            clerk.process().kill().unwrap();
            clerk.process().wait();
            let pending: Vec<_> = (1..=100).map(|number| clerk.note_async(number)).collect();
            for noted in pending {
                assert_eq!(noted.await, Ok(true), "life {life}");
            }
        }
    });
    assert_eq!(clerk.process().restarts(), 3);
}
