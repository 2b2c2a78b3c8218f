//! Leases: who gets which process, in which order, and what is done to it in between.
//! Not here: processes that come and go (`making`, `replacing`).
//! Layer: tests only, through the public surface.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use worker_core::{Frontend, Pool, TakeError};

use super::{LingererFrontend, builder, spawn};
use crate::support::{eventually, watchdog};

#[test]
fn two_users_in_turn_get_the_same_process_with_its_hooks_in_between() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let first = pool.take().unwrap();
    let pid = first.pid().unwrap();
    assert_eq!(first.steps().unwrap(), ["activate session-1"]);
    // What was sent before the return is done before the hook.
    first.doze(Duration::from_millis(20)).unwrap();
    drop(first);
    let second = pool.take().unwrap();
    assert_eq!(second.pid().unwrap(), pid);
    assert_eq!(second.steps().unwrap(), ["activate session-1", "deactivate", "activate session-1"]);
}

#[test]
fn a_panic_while_leased_returns_the_process() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let pid = pool.take().unwrap().pid().unwrap();
    let user = pool.clone();
    let panicked = thread::spawn(move || {
        let _lease = user.take().unwrap();
        panic!("a user of a lease");
    });
    assert!(panicked.join().is_err());
    let lease = pool.take().unwrap();
    assert_eq!(lease.pid().unwrap(), pid);
    let steps = lease.steps().unwrap();
    assert_eq!(steps.iter().filter(|step| *step == "deactivate").count(), 2);
}

#[test]
fn who_waits_is_served_in_the_order_of_coming() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let held = pool.take().unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let waiters: Vec<_> = (0..6)
        .map(|number| {
            // One after the other: each stands in line before the next one comes.
            let (user, served) = (pool.clone(), Arc::clone(&served));
            let waiter = thread::spawn(move || {
                let lease = user.take().unwrap();
                served.lock().unwrap().push(number);
                drop(lease);
            });
            eventually("the waiter stands in line", || {
                format!("{pool:?}").contains(&format!("waiting: {}", number + 1))
            });
            waiter
        })
        .collect();
    assert_eq!(pool.try_take().unwrap_err(), TakeError::Busy);
    drop(held);
    for waiter in waiters {
        waiter.join().unwrap();
    }
    assert_eq!(*served.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn one_that_gives_up_waiting_leaves_its_place_to_the_next() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let held = pool.take().unwrap();
    let waits = |count: usize| {
        eventually("somebody waits", || format!("{pool:?}").contains(&format!("waiting: {count}")));
    };
    thread::scope(|scope| {
        let impatient = scope.spawn(|| pool.take_timeout(Duration::from_secs(2)).map(drop));
        waits(1);
        let patient = scope.spawn(|| pool.take().map(drop));
        assert_eq!(impatient.join().unwrap(), Err(TakeError::Busy));
        waits(1);
        drop(held);
        assert_eq!(patient.join().unwrap(), Ok(()));
    });
}

#[test]
fn several_pools_of_different_actors_stand_side_by_side() {
    let _watchdog = watchdog();
    let sessions = spawn(builder().size(2));
    let lingerers = Pool::builder()
        .size(1)
        .spawn(|builder| LingererFrontend::spawn_with(builder, Duration::ZERO))
        .unwrap();
    let session = sessions.take().unwrap();
    let lingerer = lingerers.take().unwrap();
    assert_ne!(session.process().name(), lingerer.process().name());
    assert!(lingerers.stop().unwrap().iter().all(|exit| exit.is_clean()));
    assert_eq!(session.steps().unwrap().len(), 1);
}

fn _frontends_of_any_actor<F: Frontend>(pool: &Pool<F>) -> usize {
    pool.len()
}
