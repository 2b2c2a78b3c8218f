//! Processes that die, panic in a hook, or are recycled: another takes the place of each.
//! Not here: processes that are stopped (`stopping`).
//! Layer: tests only, through the public surface.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use worker_core::{CallError, Departure, DepartureReason, Pool, PoolBuilder, TakeError, process_actor};

use super::{SessionFrontend, builder, spawn, watched};
use crate::support::{eventually, has_processes, watchdog};

/// Begins with a panic.
pub struct Touchy;

#[process_actor]
impl Touchy {
    pub fn new() -> Self {
        Self
    }

    #[activate]
    fn never(&mut self) {
        panic!("not today");
    }
}

#[test]
fn a_dead_process_is_replaced_whether_it_died_idle_or_leased() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (pool, departures) = watched(builder().size(1));
    let lease = pool.take().unwrap();
    let first = lease.pid().unwrap();
    assert!(matches!(lease.abort(), Err(CallError::Exited(_))));
    drop(lease);
    let second = pool.take().unwrap().pid().unwrap();
    assert_ne!(first, second);
    let process = pool.take().unwrap().process().clone();
    process.kill().unwrap();
    process.wait();
    let third = pool.take().unwrap();
    assert_eq!(third.steps().unwrap().len(), 1, "a fresh one, activated");
    assert!(![first, second].contains(&third.pid().unwrap()));
    assert_eq!(pool.len(), 1);
    let departures = departures.lock().unwrap();
    let pids: Vec<_> = departures.iter().map(|departure| departure.pid).collect();
    assert_eq!(pids, [first, second]);
    assert!(departures.iter().all(|departure| matches!(departure.reason, DepartureReason::Ended(_))));
}

#[test]
fn a_panic_in_activate_is_told_to_the_taker_and_the_process_goes() {
    let _watchdog = watchdog();
    let pool = Pool::builder().size(1).spawn(TouchyFrontend::spawn_with).unwrap();
    for _ in 0..3 {
        match pool.take() {
            Err(TakeError::Activate(CallError::Panicked(report))) => assert_eq!(report.message, "not today"),
            other => panic!("{other:?}"),
        }
    }
    let (pool, departures) = watched(builder().size(1));
    pool.take().unwrap().fragile("activate panic").unwrap();
    match pool.take() {
        Err(TakeError::Activate(CallError::Panicked(report))) => assert_eq!(report.message, "at activate"),
        other => panic!("{other:?}"),
    }
    assert_eq!(pool.take().unwrap().steps().unwrap(), ["activate session-2"], "another one");
    assert!(matches!(
        &departures.lock().unwrap()[..],
        [Departure { reason: DepartureReason::Panicked(_), .. }]
    ));
}

#[test]
fn a_panic_in_deactivate_costs_the_process_and_nobody_else() {
    let _watchdog = watchdog();
    let (pool, departures) = watched(builder().size(1));
    pool.take().unwrap().fragile("deactivate panic").unwrap();
    let next = pool.take().unwrap();
    assert_eq!(next.steps().unwrap(), ["activate session-2"]);
    match &departures.lock().unwrap()[..] {
        [Departure { name, reason: DepartureReason::Panicked(report), .. }] => {
            assert_eq!((name.as_str(), report.message.as_str()), ("session-1", "at deactivate"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_process_that_ends_in_a_hook_is_replaced() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (pool, departures) = watched(builder().size(1));
    pool.take().unwrap().fragile("deactivate abort").unwrap();
    pool.take().unwrap().fragile("activate abort").unwrap();
    // It was good the last time, so it is not this taker who is told.
    assert_eq!(pool.take().unwrap().steps().unwrap(), ["activate session-3"]);
    let departures = departures.lock().unwrap();
    assert_eq!(departures.len(), 2);
    assert!(departures.iter().all(|departure| matches!(departure.reason, DepartureReason::Ended(_))));
}

#[test]
fn a_spare_takes_the_place_of_a_dead_one_without_waiting_for_a_constructor() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let slow = Duration::from_millis(300);
    let pool = builder()
        .size(1)
        .spare(1)
        .spawn(move |builder| SessionFrontend::spawn_slow_with(builder, slow))
        .unwrap();
    for _ in 0..3 {
        eventually("a spare is ready", || pool.spares() == 1);
        let lease = pool.take().unwrap();
        let _ = lease.abort();
        drop(lease);
        let next = pool.try_take().unwrap();
        assert_eq!(next.steps().unwrap().len(), 1);
    }
}

#[test]
fn a_process_is_recycled_after_so_many_calls_once_its_replacement_is_ready() {
    let _watchdog = watchdog();
    let (pool, departures) = watched(builder().size(1).max_calls(10));
    let mut names = Vec::new();
    // How many calls it takes depends on when each replacement is ready.
    while names.len() < 4 {
        let lease = pool.take().unwrap();
        names.push(lease.process().name().to_owned());
        names.dedup();
        lease.pid().unwrap();
        lease.pid().unwrap();
        drop(lease);
        assert_eq!(pool.len(), 1);
    }
    let departures = departures.lock().unwrap();
    assert_eq!(departures.len() + 1, names.len());
    for departure in departures.iter() {
        assert!(matches!(departure.reason, DepartureReason::Calls(calls) if calls >= 10), "{departure}");
    }
}

#[test]
fn a_process_that_grew_is_recycled() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (pool, departures) = watched(builder().size(1).max_memory(64 << 20));
    let lease = pool.take().unwrap();
    lease.grow(100 << 20).unwrap();
    drop(lease);
    eventually("another process is in service", || pool.take().unwrap().process().name() != "session-1");
    match &departures.lock().unwrap()[..] {
        [Departure { name, reason: DepartureReason::Memory(bytes), .. }] => {
            assert_eq!(name, "session-1");
            assert!(*bytes > 100 << 20);
        }
        other => panic!("{other:?}"),
    };
}

#[test]
fn an_old_process_is_recycled_also_while_nobody_comes() {
    let _watchdog = watchdog();
    let age = Duration::from_millis(100);
    let (pool, departures) = watched(builder().size(1).max_age(age));
    eventually("another process is in service", || pool.take().unwrap().process().name() != "session-1");
    assert!(matches!(departures.lock().unwrap()[0].reason, DepartureReason::Age(lived) if lived >= age));
    let (pool, departures) = watched(builder().size(1).max_age(age).idle_timeout(Duration::from_secs(3600)));
    eventually("three have gone of age by themselves", || departures.lock().unwrap().len() >= 3);
    assert_eq!(pool.len(), 1);
}

/// Six threads lease from a pool of three until ten processes have gone, all for the reason that is meant.
fn lease_under_load(builder: PoolBuilder<SessionFrontend>, is_meant: impl Fn(&DepartureReason) -> bool) {
    let (pool, departures) = watched(builder.size(3));
    let ready = Barrier::new(6);
    let gone = || departures.lock().unwrap().len();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                ready.wait();
                while done.load(Ordering::SeqCst) < 1200 || gone() <= 10 {
                    let lease = pool.take().unwrap();
                    // Never one that somebody else has, or that is going: every call is answered.
                    let pid = lease.pid().unwrap();
                    lease.grow(1 << 20).unwrap();
                    assert_eq!(lease.steps().unwrap().last().unwrap().split(' ').next(), Some("activate"));
                    assert_eq!(lease.pid().unwrap(), pid);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    // Before the list is locked: this may part with a process, and tell of it.
    assert_eq!(pool.len(), 3);
    for departure in departures.lock().unwrap().iter() {
        assert!(is_meant(&departure.reason), "{departure}");
    }
}

#[test]
fn no_work_is_lost_while_processes_are_recycled_under_load() {
    let _watchdog = watchdog();
    lease_under_load(builder().max_calls(20), |reason| matches!(reason, DepartureReason::Calls(_)));
    let age = Duration::from_millis(5);
    lease_under_load(builder().max_age(age), |reason| matches!(reason, DepartureReason::Age(_)));
    if has_processes() {
        // Each has more than that after its first lease.
        lease_under_load(builder().max_memory(1 << 20), |reason| {
            matches!(reason, DepartureReason::Memory(_))
        });
    }
}

#[test]
fn leases_survive_kills_at_every_step() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder().size(3).spare(1));
    thread::scope(|scope| {
        let users: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    while answered < 50 {
                        let lease = pool.take().expect("another process, whatever happened to one");
                        match lease.pid() {
                            Ok(_) => answered += 1,
                            Err(CallError::Exited(_) | CallError::NotSent(_)) => {}
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        let mut kills = 0_u32;
        while users.iter().any(|user| !user.is_finished()) {
            let lease = pool.take().expect("another process");
            let process = lease.process().clone();
            // Leased, on its way back, or idle: in turns.
            match kills % 3 {
                0 => process.kill().unwrap(),
                1 => {
                    drop(lease);
                    process.kill().unwrap();
                }
                _ => {
                    let _ = lease.doze(Duration::from_millis(1));
                    drop(lease);
                    process.kill().unwrap();
                    process.wait();
                }
            }
            kills += 1;
        }
        assert!(kills > 0);
    });
    assert!(pool.len() <= 3);
    drop(pool.take().unwrap());
    pool.stop().unwrap();
}
