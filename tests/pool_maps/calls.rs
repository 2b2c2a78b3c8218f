//! Calls of a pool without a lease: to whoever has the least to do, and to all.
//! Not here: maps.
//! Layer: tests only, through the public surface.

use std::collections::BTreeSet;

use worker_core::{CallError, PoolError};

use super::{builder, spawn};
use crate::support::{eventually, has_processes, watchdog};

#[test]
fn a_call_goes_to_the_process_with_the_least_to_do() {
    let _watchdog = watchdog();
    let pool = spawn(builder(3));
    let shares: Vec<_> = (0..3).map(|_| pool.least_loaded().unwrap()).collect();
    let names: BTreeSet<_> = shares.iter().map(|share| share.process().name().to_owned()).collect();
    assert_eq!(names.len(), 3);
    let fourth = pool.least_loaded().unwrap();
    assert!(names.contains(fourth.process().name()));
    drop(shares);
    // The one with a use left is not the one with the least to do.
    assert_ne!(pool.least_loaded().unwrap().process().name(), fourth.process().name());
}

#[test]
fn a_call_is_made_again_if_it_was_not_begun_and_only_then() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder(1));
    for _ in 0..5 {
        let process = pool.least_loaded().unwrap().process().clone();
        process.kill().unwrap();
        process.wait();
        assert_eq!(pool.call(|worker| worker.double_async(1)).unwrap(), 2);
        assert!(matches!(
            pool.call(|worker| worker.abort_async()),
            Err(PoolError::Call(CallError::Exited(_)))
        ));
    }
    eventually("another one is there", || pool.len() == 1);
}

#[test]
fn a_broadcast_reaches_everybody() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2).spare(1));
    eventually("the spare is ready", || pool.spares() == 1);
    let lease = pool.take().unwrap();
    let results = pool.broadcast(|worker| worker.double_async(21));
    assert_eq!(results, [Ok(42), Ok(42), Ok(42)]);
    drop(lease);
}
