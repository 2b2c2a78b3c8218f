//! Who is told of the end of each life: once, and whatever the listener does.
//! Not here: what comes after it (`lives`).
//! Layer: tests only, through the public surface.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use worker_core::CallError;

use super::{WorkerFrontend, kill, restarting};
use crate::support::executors::one_thread;
use crate::support::watchdog;

#[test]
fn every_end_is_told_once() {
    let _watchdog = watchdog();
    let (sender, exits) = mpsc::channel();
    let builder = restarting().on_exit(move |exit| sender.send(exit.pid).unwrap());
    let worker = WorkerFrontend::spawn_with(&builder, 0).unwrap();
    let mut pids = Vec::new();
    for _ in 0..5 {
        pids.push(worker.process().pid());
        kill(&worker);
        worker.add(1).unwrap();
    }
    pids.push(worker.process().pid());
    worker.stop().unwrap();
    worker.stop().unwrap();
    assert_eq!(exits.try_iter().collect::<Vec<_>>(), pids);
}

#[test]
fn a_listener_may_call_the_actor_whose_end_it_is_told() {
    let _watchdog = watchdog();
    let slot = Arc::new(std::sync::OnceLock::<WorkerFrontend>::new());
    let answer = Arc::new(AtomicU64::new(0));
    let builder = {
        let (slot, answer) = (Arc::clone(&slot), Arc::clone(&answer));
        restarting().on_exit(move |_| {
            let total = slot.get().unwrap().add(1).unwrap();
            answer.store(total.unsigned_abs(), Ordering::SeqCst);
        })
    };
    let worker = WorkerFrontend::spawn_with(&builder, 41).unwrap();
    slot.set(worker.clone()).unwrap();
    assert!(matches!(worker.abort(), Err(CallError::Exited(_))));
    assert_eq!(answer.load(Ordering::SeqCst), 42);
}

#[test]
fn a_listener_that_panics_ends_nothing_else() {
    let _watchdog = watchdog();
    let (sender, exits) = mpsc::channel();
    let builder = restarting().on_exit(move |exit| {
        sender.send(exit.pid).unwrap();
        panic!("the listener panics, on purpose");
    });
    let worker = WorkerFrontend::spawn_with(&builder, 0).unwrap();
    for _ in 0..3 {
        kill(&worker);
        assert_eq!(worker.add(1).unwrap(), 1);
    }
    // In a task the end is found on a thread that sends for it.
    let runtime = one_thread();
    runtime.block_on(async {
        for _ in 0..3 {
            kill(&worker);
            let (first, second) = (worker.add_async(1), worker.add_async(1));
            assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
        }
    });
    worker.stop().unwrap();
    assert_eq!(exits.try_iter().count(), 7);
}
