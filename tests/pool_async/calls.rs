//! Awaited calls of a pool without a lease: to whoever has the least to do, and to all.
//! Not here: maps.
//! Layer: tests only, through the public surface.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use worker_core::{CallError, PoolError};

use super::{builder, everywhere, spawn};
use crate::support::{eventually, has_processes, watchdog};

#[test]
fn a_call_goes_to_the_process_with_the_least_to_do_and_again_only_if_it_was_not_begun() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(2));
        let shares = [pool.least_loaded_async().await.unwrap(), pool.least_loaded_async().await.unwrap()];
        let names: BTreeSet<_> = shares.iter().map(|share| share.process().name().to_owned()).collect();
        assert_eq!(names.len(), 2);
        drop(shares);
        if !has_processes() {
            return;
        }
        for _ in 0..3 {
            let process = pool.least_loaded_async().await.unwrap().process().clone();
            process.kill().unwrap();
            process.wait();
            assert_eq!(pool.call_async(|worker| worker.double_async(1)).await.unwrap(), 2);
            let outcome = pool.call_async(|worker| worker.abort_async()).await;
            assert!(matches!(outcome, Err(PoolError::Call(CallError::Exited(_)))), "{outcome:?}");
        }
    });
}

#[test]
fn a_broadcast_reaches_everybody_and_is_sent_at_once() {
    let _watchdog = watchdog();
    everywhere(|| async {
        let pool = spawn(builder(2).spare(1));
        eventually("the spare is ready", || pool.spares() == 1);
        let lease = pool.take_async().await.unwrap();
        let sent = AtomicUsize::new(0);
        let results = pool.broadcast_async(|worker| {
            sent.fetch_add(1, Ordering::SeqCst);
            worker.double_async(21)
        });
        assert_eq!(sent.load(Ordering::SeqCst), 3);
        assert_eq!(results.await, [Ok(42), Ok(42), Ok(42)]);
        drop(pool.broadcast_async(|worker| worker.double_async(21)));
        drop(lease);
    });
}
