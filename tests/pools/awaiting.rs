//! Leases beside tasks: taken without blocking, of actors that have async methods.
//! Not here: maps in tasks (`pool_async`).
//! Layer: tests only, through the public surface.

use std::time::Duration;

use worker_core::{Pool, TakeError, process_actor};

use super::{builder, spawn};
use crate::support::watchdog;

/// Has a method that takes its time beside others.
pub struct Patient {
    steps: std::cell::RefCell<Vec<&'static str>>,
}

#[process_actor]
impl Patient {
    pub fn new() -> Self {
        Self { steps: std::cell::RefCell::default() }
    }

    #[activate]
    fn fresh(&mut self) {
        self.steps.borrow_mut().push("activate");
    }

    #[deactivate]
    fn idle(&mut self) {
        self.steps.borrow_mut().push("deactivate");
    }

    pub async fn work(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.steps.borrow_mut().push("worked");
    }

    pub fn steps(&self) -> Vec<String> {
        self.steps.borrow().iter().map(|step| (*step).to_owned()).collect()
    }
}

#[test]
fn hooks_of_an_actor_with_async_methods_run_alone() {
    let _watchdog = watchdog();
    let pool = Pool::builder().size(1).spawn(PatientFrontend::spawn_with).unwrap();
    let first = pool.take().unwrap();
    let pending = first.work_async(Duration::from_millis(50));
    drop(first);
    let second = pool.take().unwrap();
    assert_eq!(second.steps().unwrap(), ["activate", "worked", "deactivate", "activate"]);
    pending.wait().unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_task_takes_a_process_without_blocking() {
    let _watchdog = watchdog();
    let pool = spawn(builder().min(1).max(2));
    let (one, other) = (pool.take_async().await.unwrap(), pool.take_async().await.unwrap());
    assert_eq!(one.steps_async().await.unwrap(), ["activate session-1"]);
    assert_eq!(other.steps_async().await.unwrap(), ["activate session-2"]);
    // All are in use. On this one thread, whoever blocked would keep the others from giving theirs back.
    let wait = async { pool.take_async().await.unwrap().steps_async().await.unwrap() };
    let (impatient, steps, ()) =
        tokio::join!(tokio::time::timeout(Duration::from_millis(20), pool.take_async()), wait, async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            drop(one);
        });
    assert!(impatient.is_err(), "it gave up, and its place with it");
    assert_eq!(steps, ["activate session-1", "deactivate", "activate session-1"]);
    drop(other);
    let stopped = pool.clone();
    let held = [pool.take_async().await.unwrap(), pool.take_async().await.unwrap()];
    let waiting = tokio::spawn(async move { stopped.take_async().await.map(drop) });
    tokio::task::yield_now().await;
    pool.stop().unwrap();
    assert_eq!(waiting.await.unwrap(), Err(TakeError::Stopped));
    drop(held);
}
