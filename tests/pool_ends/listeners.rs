//! Listeners of departures that stop the pool, or panic.
//! Not here: what they are told (`pools`).
//! Layer: tests only, through the public surface.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use worker_core::{DepartureReason, Pool, SpawnError, TakeError};

use super::{Lot, WorkerFrontend, with_lots};
use crate::support::{eventually, has_processes, watchdog};

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
