//! A map beside other users of its pool, and among its processes: none keeps another waiting.
//! Not here: single calls (`calls`).
//! Layer: tests only, through the public surface.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{builder, spawn};
use crate::support::watchdog;

#[test]
fn a_lease_is_had_beside_a_map_that_never_ends() {
    let _watchdog = watchdog();
    let pool = spawn(builder(1));
    // On the same thread: the map is at rest, with results that nobody has asked for.
    let mut results = pool.map(0_u64.., |worker, n| worker.double_async(n));
    for n in 0..20 {
        assert_eq!(results.next().unwrap().unwrap(), 2 * n);
        let lease = pool.take().unwrap();
        assert_eq!(lease.double(100).unwrap(), 200);
    }
    // And while the map runs on another one.
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for result in pool.map(0_u64.., |worker, n| worker.double_async(n)) {
                result.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                if over.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        // Both get on, however many leases there are.
        for round in 1.. {
            let lease = pool.take().unwrap();
            assert_eq!(lease.double(100).unwrap(), 200);
            if round >= 20 && count.load(Ordering::SeqCst) >= 20 {
                break;
            }
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_map_uses_what_is_returned_while_it_waits() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    let lease = pool.take().unwrap();
    let leased = lease.pid().unwrap();
    let holder = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        drop(lease);
    });
    // One process has an item that takes long; the other is returned meanwhile.
    let mut results = pool
        .map_unordered(0..3_u64, |worker, n| {
            let time = if n == 0 { Duration::from_millis(800) } else { Duration::ZERO };
            worker.double_slowly_async(n, time)
        })
        .in_flight(1);
    let order: Vec<_> = results.by_ref().map(|(index, _)| index).collect();
    holder.join().unwrap();
    assert_eq!(order, [1, 2, 0], "process {leased} took those that the first one had no time for");
}

#[test]
fn a_pool_grows_for_a_map() {
    let _watchdog = watchdog();
    let pool = spawn(builder(1).max(3));
    let time = Duration::from_millis(20);
    let pids: BTreeSet<_> = pool
        .map(0..30_u64, |worker, n| worker.double_slowly_async(n, time))
        .map(|result| {
            result.unwrap();
            pool.len()
        })
        .collect();
    assert_eq!(pids.last(), Some(&3));
}

#[test]
fn inputs_that_fill_a_link_keep_no_other_process_waiting() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    let large = vec![1_u8; 24 << 20];
    let small = [1_u8; 10];
    let inputs: Vec<&[u8]> = (0..12).map(|n| if n % 3 == 0 { &large[..] } else { &small[..] }).collect();
    let time = Duration::from_millis(5);
    let lengths: Vec<_> = pool
        .map(inputs.iter().copied(), |worker, bytes| worker.length_async(bytes, time))
        .in_flight(8)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(lengths, inputs.iter().map(|bytes| bytes.len()).collect::<Vec<_>>());
}

#[test]
fn several_maps_share_a_pool() {
    let _watchdog = watchdog();
    let pool = spawn(builder(2));
    thread::scope(|scope| {
        for start in [0_u64, 10_000, 20_000] {
            let pool = &pool;
            scope.spawn(move || {
                let results = pool.map(start..start + 500, |worker, n| worker.double_async(n));
                for (n, result) in results.enumerate() {
                    assert_eq!(result.unwrap(), 2 * (start + n as u64));
                }
            });
        }
    });
    assert_eq!(pool.idle(), 2);
}
