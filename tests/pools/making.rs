//! How many processes there are, how they are made and called, and what cannot be made.
//! Not here: what takes the place of one that was there (`replacing`).
//! Layer: tests only, through the public surface.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use worker_core::{DepartureReason, Pool, SpawnError, TakeError};

use super::{SessionFrontend, builder, spawn, watched};
use crate::support::{eventually, has_processes, processes, rerun, watchdog};

#[test]
fn all_are_made_early_and_numbered() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(3));
    assert_eq!((pool.len(), pool.idle()), (3, 3));
    let leases: Vec<_> = (0..3).map(|_| pool.take().unwrap()).collect();
    let names: BTreeSet<_> = leases.iter().map(|lease| lease.process().name().to_owned()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["session-1", "session-2", "session-3"]);
    assert_eq!((pool.len(), pool.idle()), (3, 0));
    assert_eq!(pool.try_take().unwrap_err(), TakeError::Busy);
    assert_eq!(pool.take_timeout(Duration::from_millis(5)).unwrap_err(), TakeError::Busy);
    drop(leases);
    assert_eq!(pool.idle(), 3);
    drop(pool.try_take().unwrap());
}

#[test]
fn a_name_that_nobody_gave_is_that_of_the_type() {
    let _watchdog = watchdog();
    let pool = spawn(Pool::builder().size(1));
    assert_eq!(pool.take().unwrap().process().name(), "Session-1");
}

#[test]
fn it_grows_when_all_are_in_use_and_shrinks_when_they_are_not() {
    let _watchdog = watchdog();
    let (pool, departures) = watched(builder().min(1).max(3).idle_timeout(Duration::from_millis(50)));
    assert_eq!(pool.len(), 1);
    let leases: Vec<_> = (0..3).map(|_| pool.take().unwrap()).collect();
    assert_eq!(pool.len(), 3);
    assert_eq!(pool.try_take().unwrap_err(), TakeError::Busy);
    drop(leases);
    eventually("only the smallest number is left", || pool.len() == 1);
    // Nobody used the pool meanwhile; and what is in use does not go.
    eventually("both departures are told", || departures.lock().unwrap().len() == 2);
    let departures = departures.lock().unwrap();
    assert!(
        departures.iter().all(|departure| matches!(departure.reason, DepartureReason::Idle(_))),
        "{departures:?}"
    );
    drop(pool.take().unwrap());
}

#[test]
fn constructors_run_side_by_side_and_their_errors_have_their_type() {
    let _watchdog = watchdog();
    let time = Duration::from_secs(1);
    let start = Instant::now();
    let pool = Pool::builder()
        .size(10)
        .spawn(move |builder| SessionFrontend::spawn_slow_with(builder, time))
        .unwrap();
    assert_eq!(pool.len(), 10);
    assert!(start.elapsed() < 8 * time, "one after the other would be {:?}", 10 * time);
    let failed = Pool::builder()
        .size(2)
        .spawn(|builder| SessionFrontend::spawn_failing_with(builder, "no licence".to_owned()));
    assert!(matches!(failed, Err(SpawnError::Constructor(error)) if error == "no licence"));
}

#[test]
fn a_closure_that_uses_another_builder_works_all_the_same() {
    let _watchdog = watchdog();
    let pool = Pool::builder().size(2).spawn(|_| SessionFrontend::spawn()).unwrap();
    assert_eq!(pool.take().unwrap().steps().unwrap(), ["activate Session"]);
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    for builder in [builder().size(0), builder().min(3).max(2)] {
        match builder.spawn(SessionFrontend::spawn_with) {
            Err(SpawnError::Io(error)) => assert!(error.to_string().contains("`max` must be"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_process_that_cannot_be_made_is_an_error_of_who_needs_it_and_no_other() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let left = Arc::new(AtomicU32::new(1));
    let count = Arc::clone(&left);
    let pool = builder()
        .size(1)
        .spawn(move |builder| match count.load(Ordering::SeqCst) {
            0 => SessionFrontend::spawn_failing_with(builder, "the licence has run out".to_owned()),
            _ => Ok(SessionFrontend::spawn_with(builder).expect("a process")),
        })
        .unwrap();
    left.store(0, Ordering::SeqCst);
    let lease = pool.take().unwrap();
    let _ = lease.abort();
    drop(lease);
    for _ in 0..3 {
        match pool.take() {
            Err(TakeError::Spawn(why)) => assert!(why.contains("its constructor returned an error"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    left.store(1, Ordering::SeqCst);
    assert_eq!(pool.take().unwrap().steps().unwrap().len(), 1);
}

#[test]
fn a_pool_starts_no_thread_unless_it_is_asked_for_an_idle_timeout() {
    rerun::alone("making::a_pool_starts_no_thread_unless_it_is_asked_for_an_idle_timeout", || {
        if !has_processes() {
            return;
        }
        let before = processes::threads();
        let pool = spawn(builder().size(2).spare(1).max_calls(1).max_age(Duration::ZERO));
        drop(pool.take().unwrap());
        drop(pool.take().unwrap());
        assert_eq!(processes::threads(), before);
        let watched = spawn(builder().size(1).idle_timeout(Duration::from_secs(3600)));
        assert_eq!(processes::threads(), before + 1);
        drop(watched);
        assert_eq!(processes::threads(), before, "it ends with its pool");
        drop(pool);
    });
}
