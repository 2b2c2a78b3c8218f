//! A map while its processes are recycled, by calls, age and memory: no input is lost, and none is run twice.
//! Not here: processes that die (`deaths`).
//! Layer: tests only, through the public surface.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use worker_core::{DepartureReason, PoolBuilder};

use super::{WorkerFrontend, builder, noting};
use crate::support::{has_processes, watchdog};

#[test]
fn no_item_is_lost_while_processes_are_recycled() {
    let _watchdog = watchdog();
    let departures = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&departures);
    let (pool, journal) = noting(
        builder(2)
            .max_calls(50)
            .on_departure(move |departure| noted.lock().unwrap().push(departure.reason.clone())),
    );
    let doubles: Vec<_> = pool
        .map(0..2000_u64, |worker, n| worker.double_async(n))
        .in_flight(8)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(doubles, (0..2000).map(|n| 2 * n).collect::<Vec<_>>());
    assert_eq!(journal.begun(), (0..2000).map(|n| (n, 1)).collect());
    let departures = departures.lock().unwrap();
    assert!(departures.len() >= 3, "{}", departures.len());
    assert!(departures.iter().all(|reason| matches!(reason, DepartureReason::Calls(calls) if *calls >= 50)));
}

/// Maps until three processes have gone for the reason that is meant, and then counts what was begun.
fn map_while_recycled(builder: PoolBuilder<WorkerFrontend>, is_meant: impl Fn(&DepartureReason) -> bool) {
    let departures = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&departures);
    let (pool, journal) =
        noting(builder.on_departure(move |departure| noted.lock().unwrap().push(departure.reason.clone())));
    let mut results = pool.map(0_u64.., |worker, n| worker.hoard_async(n)).in_flight(8);
    let mut count = 0;
    while departures.lock().unwrap().len() < 3 {
        assert_eq!(results.next().unwrap().unwrap(), 2 * count);
        count += 1;
    }
    drop(results);
    pool.stop().unwrap();
    let begun = journal.begun();
    assert!(begun.values().all(|&times| times == 1), "none was begun twice: {begun:?}");
    assert!((0..count).all(|n| begun.contains_key(&n)), "each has left its line: {begun:?}");
    let departures = departures.lock().unwrap();
    assert!(departures.iter().all(is_meant), "{departures:?}");
}

#[test]
fn no_item_is_lost_while_processes_are_recycled_by_age() {
    let _watchdog = watchdog();
    let age = Duration::from_millis(20);
    map_while_recycled(
        builder(2).max_age(age),
        |reason| matches!(reason, DepartureReason::Age(lived) if *lived >= age),
    );
}

#[test]
fn no_item_is_lost_while_processes_are_recycled_by_memory() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let limit = 8 << 20;
    map_while_recycled(
        builder(2).max_memory(limit),
        |reason| matches!(reason, DepartureReason::Memory(bytes) if *bytes > limit),
    );
}
