//! The ways of a frontend: as an argument, as a result, inside of a value, on from holder to holder.
//! Not here: how long the actor lives then (`lives`).
//! Layer: tests only, through the public surface.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use worker_core::{Builder, OnTimeout, Remote, StartMethod, process_actor};

use super::{CounterFrontend, HolderFrontend, LINKS, Team, over};
use crate::support::{eventually, has_processes, processes, watchdog};

/// Generic in names that what is derived for a frontend might use too.
pub struct Shelf<S, D> {
    things: Vec<(S, D)>,
}

#[process_actor]
impl<S, D> Shelf<S, D>
where
    S: Serialize + for<'a> Deserialize<'a> + Clone + 'static,
    D: Serialize + for<'a> Deserialize<'a> + Clone + 'static,
{
    pub fn new() -> Self {
        Self { things: Vec::new() }
    }

    pub fn put(&mut self, thing: S, with: D) -> usize {
        self.things.push((thing, with));
        self.things.len()
    }
}

/// Fills a shelf.
pub struct Porter(ShelfFrontend<String, u8>);

#[process_actor]
impl Porter {
    pub fn new(shelf: ShelfFrontend<String, u8>) -> Self {
        Self(shelf)
    }

    pub fn carry(&self) -> Result<usize, String> {
        self.0.put("a thing".to_owned(), 1).map_err(|error| error.to_string())
    }
}

#[test]
fn an_actor_that_listens_to_timers_is_given_away_too() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        // Long after this test it would be forced; so it ends by itself, or not in time.
        let patient = over(link).stop_timeout(Duration::from_secs(3600));
        let counter = CounterFrontend::spawn_with(&patient, 1).unwrap();
        counter.tick().unwrap();
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        holder.take(counter.clone()).unwrap();
        assert_eq!(holder.add(1).unwrap(), 2);
        assert_eq!(counter.add(1).unwrap(), 3);
        let pid = counter.process().pid();
        drop(counter);
        assert_eq!(holder.add(1).unwrap(), 4);
        drop(holder);
        eventually("it ends with its last holder", || !processes::runs(pid));
    }
}

#[test]
fn a_frontend_of_a_generic_actor_travels_too() {
    let _watchdog = watchdog();
    let shelf = ShelfFrontend::spawn().unwrap();
    let porter = PorterFrontend::spawn(shelf.clone()).unwrap();
    assert_eq!((porter.carry().unwrap(), shelf.put("another".to_owned(), 2).unwrap()), (1, 2));
}

#[test]
fn a_frontend_as_an_argument_is_a_direct_link() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 40).unwrap();
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        holder.take(counter.clone()).unwrap();
        assert_eq!(holder.add(2).unwrap(), 42);
        assert_eq!(counter.add(1).unwrap(), 43, "both hold one and the same actor");
        assert_eq!(holder.add_generic().unwrap(), 49);
        let (pid, name, alive, resident) = holder.view().unwrap();
        assert_eq!((pid, name.as_str(), alive), (counter.pid().unwrap(), "Counter", true));
        assert!(resident > 0);
        assert!(counter.stop().unwrap().is_clean());
        let error = holder.add(1).unwrap_err();
        assert!(error.to_string().contains("NotSent") || error.to_string().contains("Exited"), "{error}");
        assert!(holder.add(1).unwrap_err().to_string().contains("NotSent"));
    }
}

#[test]
fn frontends_are_results_and_lie_inside_of_values() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counters: Vec<_> = (0..3).map(|n| CounterFrontend::spawn_with(&over(link), n).unwrap()).collect();
        let watched = Some(Remote::clone(&counters[0]));
        let team = Team { name: "three".to_owned(), members: counters.clone(), watched };
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        assert_eq!(holder.take_team(team).unwrap(), 3);
        assert_eq!(holder.team_total().unwrap(), 6);
        let back = holder.team().unwrap().unwrap();
        assert_eq!((back.name.as_str(), back.members[2].add(1).unwrap()), ("three", 4));
        let watched = back.watched.unwrap();
        assert_eq!(watched.process().pid(), counters[0].process().pid());
        assert!(watched.stop().is_ok_and(|exit| exit.pid == counters[0].process().pid()));
        assert!(counters[0].process().wait().is_clean());
    }
}

#[test]
fn it_goes_from_process_to_process_and_into_constructors() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let first = HolderFrontend::spawn_holding_with(&over(link), counter).unwrap();
        let second = HolderFrontend::spawn_with(&over(link)).unwrap();
        first.pass_on(second.clone()).unwrap();
        assert_eq!((first.add(1).unwrap(), second.add(1).unwrap()), (1, 2));
        first.stop().unwrap();
        assert_eq!(second.add(1).unwrap(), 3, "the giver is gone, the link is not");
        let back = second.give().unwrap().unwrap();
        second.stop().unwrap();
        assert_eq!(back.add(1).unwrap(), 4);
        assert!(back.stop().unwrap().pid == back.process().pid());
    }
}

#[test]
fn every_start_method_may_be_given_and_hold() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Exec, StartMethod::Thread] {
        let builder = Builder::new().start(method);
        let counter = CounterFrontend::spawn_with(&builder, 1).unwrap();
        let holder = HolderFrontend::spawn_with(&builder).unwrap();
        holder.take(counter.clone()).unwrap();
        assert_eq!((holder.add(1).unwrap(), counter.add(1).unwrap()), (2, 3), "{method:?}");
        drop(counter);
        assert_eq!(holder.add(1).unwrap(), 4);
        holder.drop_all().unwrap();
        assert!(holder.stop().unwrap().is_clean());
    }
}

#[test]
fn settings_for_deadlines_travel() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let counter = CounterFrontend::spawn_with(&Builder::new().on_timeout(OnTimeout::Kill), 0).unwrap();
    let holder = HolderFrontend::spawn().unwrap();
    holder.take(counter.clone()).unwrap();
    assert_eq!(holder.busy_add().unwrap(), "killed: true");
    assert!(!counter.process().wait().is_clean());

    let slow = CounterFrontend::spawn(0).unwrap();
    holder.take(slow.with_timeout(Duration::from_millis(20))).unwrap();
    assert!(holder.nap().unwrap_err().to_string().contains("TimedOut"));
}
