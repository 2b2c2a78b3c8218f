//! Holders that are killed, or take in nothing: what they cost the others, and what is left of them.
//! Not here: ends that were asked for (`lives`).
//! Layer: tests only, through the public surface.

use std::process;

use super::{CounterFrontend, HolderFrontend, LINKS, over};
use crate::support::{eventually, has_processes, processes, rerun, watchdog};

#[test]
fn a_holder_that_takes_in_no_replies_stops_itself_alone() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let greedy = HolderFrontend::spawn_with(&over(link)).unwrap();
        greedy.take(counter.clone()).unwrap();
        greedy.ask_too_much(40, 60_000).unwrap();
        for n in 1..=100 {
            assert_eq!(counter.add(1).unwrap(), n, "the others are served");
        }
        assert_eq!(greedy.take_in().unwrap(), 40 * 60_000);
        greedy.ask_too_much(3, 40 << 20).unwrap();
        assert_eq!(counter.add(1).unwrap(), 101);
        assert_eq!(greedy.take_in().unwrap(), 3 * (40 << 20), "also in pieces");
        greedy.ask_too_much(40, 60_000).unwrap();
        greedy.drop_all().unwrap();
        assert_eq!(counter.add(1).unwrap(), 102);
    }
}

#[test]
fn whoever_is_killed_takes_nothing_with_it_but_its_own_calls() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let (first, second) = (
            HolderFrontend::spawn_with(&over(link)).unwrap(),
            HolderFrontend::spawn_with(&over(link)).unwrap(),
        );
        for round in 0..20 {
            // A holder in the middle of its calls.
            let victim = HolderFrontend::spawn_holding_with(&over(link), counter.clone()).unwrap();
            let calls = victim.add_many_async(1_000_000);
            if round % 2 == 0 {
                counter.add(1).unwrap();
            }
            victim.process().kill().unwrap();
            assert!(calls.wait().is_err());
            counter.add(1).unwrap();
            // A giver in the middle of giving.
            let giver = HolderFrontend::spawn_holding_with(&over(link), counter.clone()).unwrap();
            let gifts: Vec<_> = (0..5).map(|_| giver.pass_on_async(first.clone())).collect();
            giver.process().kill().unwrap();
            gifts.into_iter().for_each(|gift| drop(gift.wait()));
            // An actor while it is given.
            let dying = CounterFrontend::spawn_with(&over(link), 0).unwrap();
            let given = second.take_async(dying.clone());
            dying.process().kill().unwrap();
            given.wait().unwrap();
            assert!(second.add(1).is_err());
        }
        first.drop_all().unwrap();
        first.take(counter.clone()).unwrap();
        first.add(1).unwrap();
        let pid = counter.process().pid();
        drop(counter);
        assert!(processes::runs(pid));
        first.drop_all().unwrap();
        eventually("no dead holder counts", || !processes::runs(pid));
    }
}

#[test]
fn nothing_is_left_of_frontends_that_came_and_went() {
    let _watchdog = watchdog();
    rerun::alone("faults::nothing_is_left_of_frontends_that_came_and_went", || {
        if !has_processes() {
            return;
        }
        for link in LINKS {
            let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
            let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
            let pids = [process::id(), counter.pid().unwrap(), holder.pid().unwrap()];
            let round = || {
                holder.take(counter.clone()).unwrap();
                holder.add(1).unwrap();
                drop(holder.give().unwrap());
                holder.drop_all().unwrap();
                counter.add(1).unwrap();
            };
            let count =
                || pids.map(|pid| (processes::descriptors_of(pid).len(), processes::shared_mappings_of(pid)));
            // The first round maps the table of waits, once and for all.
            let descriptors = || count().map(|(descriptors, _)| descriptors);
            let fresh = descriptors();
            round();
            eventually("the links of a round are gone", || counter.add(0).is_ok() && descriptors() == fresh);
            let before = count();
            for _ in 0..50 {
                round();
            }
            eventually("nothing more than before", || counter.add(0).is_ok() && count() == before);
        }
    });
}
