//! Calls and processes as sources: results as they come, and ends.
//! Not here: what a call is told when its process ends (`death`).
//! Layer: tests only, through the public surface.

use std::collections::{BTreeSet, HashMap};
use std::thread;
use std::time::Duration;

use worker_core::select::Key;
use worker_core::{Builder, CallError, Restart, Select, Sender, channel};

use super::{LINKS, SOON, SlowFrontend, builders, next, nothing};
use crate::support::{has_processes, watchdog};

#[test]
fn results_are_told_in_the_order_in_which_they_come() {
    let _watchdog = watchdog();
    for builder in builders() {
        let slow = [(); 3].map(|()| SlowFrontend::spawn_with(&builder).unwrap());
        let gates: Vec<Sender<u32>> = slow
            .iter()
            .map(|slow| {
                let (gate, receiver) = channel().unwrap();
                slow.set_gate(receiver).unwrap();
                gate
            })
            .collect();
        let mut select = Select::new();
        let mut pendings: HashMap<Key, (usize, _)> = HashMap::new();
        for (index, slow) in slow.iter().enumerate() {
            // Two on each, on one link.
            for _ in 0..2 {
                let pending = slow.next_async();
                pendings.insert(select.add(&pending), (index, pending));
            }
        }
        nothing(&mut select);
        for (round, index) in [2, 0, 1, 1, 2, 0].into_iter().enumerate() {
            let number = u32::try_from(round).unwrap();
            gates[index].send(number).unwrap();
            let key = next(&mut select);
            assert_eq!(next(&mut select), key, "told again until it is taken");
            let (of, pending) = pendings.remove(&key).unwrap();
            assert_eq!((of, pending.wait().unwrap()), (index, number));
            nothing(&mut select);
        }
        assert!(select.is_empty(), "whose result was taken takes itself out");
    }
}

#[test]
fn a_thousand_calls_on_one_link_and_long_results() {
    let _watchdog = watchdog();
    for builder in builders() {
        let slow = SlowFrontend::spawn_with(&builder).unwrap();
        let mut select = Select::new();
        let mut short = HashMap::new();
        let mut long = HashMap::new();
        for number in 0..500 {
            let pending = slow.double_async(number);
            short.insert(select.add(&pending), (number, pending));
            if number % 25 == 0 {
                let pending = slow.long_async(number);
                long.insert(select.add(&pending), (number, pending));
            }
        }
        while !(short.is_empty() && long.is_empty()) {
            let key = next(&mut select);
            if let Some((number, pending)) = short.remove(&key) {
                assert_eq!(pending.wait().unwrap(), number * 2);
            }
            if let Some((number, pending)) = long.remove(&key) {
                assert!(pending.wait().unwrap() == vec![u8::try_from(number % 251).unwrap(); 200_000]);
            }
        }
        nothing(&mut select);
    }
}

#[test]
fn calls_that_are_dropped_ready_or_waited_for_elsewhere() {
    let _watchdog = watchdog();
    let slow = SlowFrontend::spawn().unwrap();
    let (gate, receiver) = channel().unwrap();
    slow.set_gate(receiver).unwrap();
    let mut select = Select::new();
    let dropped = slow.next_async();
    select.add(&dropped);
    drop(dropped);
    gate.send(1).unwrap();
    let ready = slow.double_async(4);
    while !ready.is_ready() {
        thread::yield_now();
    }
    let key = select.add(&ready);
    assert_eq!(next(&mut select), key);
    assert_eq!(ready.wait().unwrap(), 8);
    nothing(&mut select);
    // Another thread leads on the same link while this one waits.
    let pending = slow.next_async();
    let key = select.add(&pending);
    let other = slow.clone();
    let blocking = thread::spawn(move || other.next().unwrap());
    gate.send(10).unwrap();
    assert_eq!(next(&mut select), key);
    assert_eq!(pending.wait().unwrap(), 10);
    gate.send(11).unwrap();
    assert_eq!(blocking.join().unwrap(), 11);
    // The thread takes in the result of the call that is selected, and its own comes later.
    let pending = slow.next_async();
    let key = select.add(&pending);
    let other = slow.clone();
    let blocking = thread::spawn(move || other.next().unwrap());
    gate.send(20).unwrap();
    assert_eq!(next(&mut select), key);
    gate.send(21).unwrap();
    assert_eq!((pending.wait().unwrap(), blocking.join().unwrap()), (20, 21));
    slow.stop().unwrap();
}

#[test]
fn no_result_is_lost_however_it_falls_together_with_values() {
    let _watchdog = watchdog();
    for builder in builders() {
        let slow = SlowFrontend::spawn_with(&builder).unwrap();
        for round in 0..500 {
            let (sender, receiver) = channel().unwrap();
            let pending = slow.tell_async(sender, round % 4);
            let mut select = Select::new();
            let (values, done) = (select.add(&receiver), select.add(&pending));
            loop {
                if next(&mut select) == done {
                    break pending.wait().unwrap();
                }
                if receiver.try_recv().is_err() {
                    select.remove(values);
                }
            }
        }
    }
}

#[test]
fn ends_are_told_of_processes_and_of_their_calls() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let slow = SlowFrontend::spawn_with(&Builder::new().link(link)).unwrap();
        let (_gate, receiver) = channel().unwrap();
        slow.set_gate(receiver).unwrap();
        let pending = slow.next_async();
        let mut select = Select::new();
        let died = select.add(slow.process());
        let done = select.add(&pending);
        nothing(&mut select);
        slow.process().kill().unwrap();
        let mut seen = BTreeSet::new();
        while seen.len() < 2 {
            seen.insert(next(&mut select));
        }
        assert_eq!(seen, BTreeSet::from([died, done]));
        assert!(matches!(pending.wait(), Err(CallError::Exited(_))));
        assert_eq!(next(&mut select), died, "it stays so");
        assert!(select.remove(died));
        nothing(&mut select);
    }
}

#[test]
fn each_life_of_a_restarted_actor_is_told_once_it_ended() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Builder::new().restart(Restart::on_crash().backoff(Duration::ZERO).max(10));
    let slow = SlowFrontend::spawn_with(&builder).unwrap();
    let mut select = Select::new();
    let died = select.add(slow.process());
    for life in 0..4 {
        nothing(&mut select);
        slow.process().kill().unwrap();
        assert_eq!(next(&mut select), died);
        assert_eq!(next(&mut select), died, "until there is another life");
        slow.process().wait();
        assert_eq!(slow.double(life).unwrap(), life * 2);
        assert_eq!(slow.process().restarts(), u64::from(life) + 1);
        // The end that was told may be told once more; then it is the new life that counts.
        while select.wait_timeout(SOON).unwrap().is_some() {}
    }
}
