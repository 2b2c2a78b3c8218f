//! Calls that would wait for themselves, through any number of actors.
//! Not here: frontends that travel otherwise (`travelling`).
//! Layer: the public surface.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{eventually, has_processes, scratch_file, watchdog};
use worker_core::{Builder, CallError, Link, SpawnError, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// One of a chain: calls the next.
#[derive(Default)]
pub struct Linked {
    next: Option<LinkedFrontend>,
    log: Vec<String>,
}

fn told<T: std::fmt::Debug>(result: Result<T, CallError>) -> Result<T, Vec<String>> {
    match result {
        Ok(value) => Ok(value),
        Err(CallError::WouldDeadlock { chain }) => Err(chain),
        Err(other) => panic!("{other:?}"),
    }
}

/// As `told`, of a method that tells what it was told.
fn told_on<T: std::fmt::Debug>(result: Result<T, CallError<Vec<String>>>) -> Result<T, Vec<String>> {
    match result {
        Ok(value) => Ok(value),
        Err(CallError::WouldDeadlock { chain } | CallError::Actor(chain)) => Err(chain),
        Err(other) => panic!("{other:?}"),
    }
}

/// Says that it is there, and waits for leave to go on.
fn pass(gate: &Path) {
    let mut gate = UnixStream::connect(gate).unwrap();
    gate.write_all(b".").unwrap();
    gate.read_exact(&mut [0]).unwrap();
}

#[process_actor]
impl Linked {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn join(&mut self, next: LinkedFrontend) {
        self.next = Some(next);
    }

    pub fn touch(&self) -> u32 {
        1
    }

    /// Has everybody down the chain add one.
    pub fn count(&self, links: u32) -> Result<u32, Vec<String>> {
        match links {
            0 => Ok(0),
            _ => told_on(self.next.as_ref().unwrap().count(links - 1)).map(|counted| counted + 1),
        }
    }

    /// As `count`, sent before it is waited for.
    pub fn count_later(&self, links: u32) -> Result<u32, Vec<String>> {
        match links {
            0 => Ok(0),
            _ => {
                let pending = self.next.as_ref().unwrap().count_later_async(links - 1);
                told_on(pending.wait()).map(|counted| counted + 1)
            }
        }
    }

    /// Calls the next, once everybody is here.
    pub fn meet(&self, gate: &Path) -> Result<u32, Vec<String>> {
        pass(gate);
        told(self.next.as_ref().unwrap().touch())
    }

    pub fn patient(&self) -> Result<u32, Vec<String>> {
        told_on(self.next.as_ref().unwrap().with_timeout(Duration::from_secs(3600)).count(2))
    }

    /// Answers when it is let.
    pub fn hold(&self, gate: &Path) {
        pass(gate);
    }

    pub fn ask_to_hold(&self, gate: &Path) -> Result<(), Vec<String>> {
        told(self.next.as_ref().unwrap().hold(gate))
    }

    #[oneway]
    pub fn touch_next(&mut self) {
        let touched = told(self.next.as_ref().unwrap().touch());
        self.log.push(format!("{touched:?}"));
    }

    pub fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub fn spawn_child(&self, own: LinkedFrontend) -> String {
        match ChildFrontend::spawn(own) {
            Ok(_) => "spawned".to_owned(),
            Err(SpawnError::Constructor(error)) => error,
            Err(other) => other.to_string(),
        }
    }
}

/// Calls its parent before it is born.
pub struct Child;

#[process_actor]
impl Child {
    pub fn new(parent: LinkedFrontend) -> Result<Self, String> {
        parent.touch().map(|_| Self).map_err(|error| error.to_string())
    }
}

fn circle(link: Link, names: &[&str]) -> Vec<LinkedFrontend> {
    let spawn = |name: &&str| LinkedFrontend::spawn_with(&Builder::new().name(*name).link(link)).unwrap();
    let all: Vec<_> = names.iter().map(spawn).collect();
    for (n, link) in all.iter().enumerate() {
        link.join(all[(n + 1) % all.len()].clone()).unwrap();
    }
    all
}

/// A place where actors are held until they are let go.
struct Gate(UnixListener, PathBuf);

impl Gate {
    fn new() -> Self {
        let path = scratch_file("gate");
        Self(UnixListener::bind(&path).unwrap(), path)
    }

    /// Waits until so many are here.
    fn gather(&self, count: usize) -> Vec<UnixStream> {
        let arrive = |_| {
            let mut stream = self.0.accept().unwrap().0;
            stream.read_exact(&mut [0]).unwrap();
            stream
        };
        (0..count).map(arrive).collect()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        std::fs::remove_file(&self.1).unwrap();
    }
}

#[test]
fn a_call_that_comes_back_to_its_caller_is_found_at_once() {
    let _watchdog = watchdog();
    for link in LINKS {
        for names in [&["alone"][..], &["a", "b"], &["a", "b", "c", "d", "e"]] {
            let all = circle(link, names);
            let length = u32::try_from(names.len()).unwrap();
            for _ in 0..3 {
                assert_eq!(all[0].count(length - 1).unwrap(), length - 1, "not quite round");
                let chain_of = |count: Result<u32, CallError<Vec<String>>>| match count {
                    Err(CallError::Actor(chain) | CallError::WouldDeadlock { chain }) => chain,
                    other => panic!("{other:?}"),
                };
                // The one that closes the circle is the last before the first.
                let mut expected: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
                expected.rotate_right(1);
                assert_eq!(chain_of(all[0].count(length)), expected);
                assert_eq!(chain_of(all[0].count(length * 2)), expected);
                // Sent before it is waited for, any of them may be the last to wait.
                let mut chain = chain_of(all[0].count_later(length));
                let first = chain.iter().position(|name| name == names[0]).unwrap();
                chain.rotate_left(first);
                assert_eq!(chain, names);
            }
            if length > 1 {
                assert_eq!(all[0].touch().unwrap(), 1, "and all go on");
            }
        }
    }
}

#[test]
fn waits_that_cross_are_found_by_one_of_them_at_least() {
    let _watchdog = watchdog();
    for link in LINKS {
        for length in [2, 3] {
            let all = circle(link, &["a", "b", "c"][..length]);
            for _ in 0..30 {
                let gate = Gate::new();
                let meetings: Vec<_> = all.iter().map(|link| link.meet_async(&gate.1)).collect();
                for mut held in gate.gather(length) {
                    held.write_all(b".").unwrap();
                }
                let ends: Vec<_> = meetings.into_iter().map(|meeting| meeting.wait()).collect();
                assert!(ends.iter().any(|end| end.is_err()), "{ends:?}");
                for end in ends {
                    match end {
                        Ok(touched) => assert_eq!(touched, 1),
                        Err(CallError::Actor(chain)) => assert_eq!(chain.len(), length, "{chain:?}"),
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_caller_that_was_just_answered_is_no_danger() {
    let _watchdog = watchdog();
    for link in LINKS {
        let all = circle(link, &["a", "b"]);
        for _ in 0..200 {
            let gate = Gate::new();
            let asks = all[0].ask_to_hold_async(&gate.1);
            let mut held = gate.gather(1);
            // Behind the call of `a` that it is at, so `a` has its reply when `b` calls it.
            all[1].touch_next().unwrap();
            held[0].write_all(b".").unwrap();
            asks.wait().unwrap();
            eventually("it has called", || match all[1].log().unwrap().as_slice() {
                [] => false,
                [one] => one == "Ok(1)" || panic!("{one}"),
                more => panic!("{more:?}"),
            });
        }
    }
}

#[test]
fn a_deadline_is_not_waited_for() {
    let _watchdog = watchdog();
    let all = circle(Link::SharedMemory, &["a", "b"]);
    assert!(matches!(all[0].patient(), Err(CallError::Actor(chain)) if chain == ["b", "a"]));
}

#[test]
fn the_dead_wait_for_nobody() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for _ in 0..20 {
        let all = circle(Link::SharedMemory, &["a", "b"]);
        // `b` waits for `a`, which is held, and is killed in the middle of that.
        let gate = Gate::new();
        let holds = all[0].hold_async(&gate.1);
        let mut held = gate.gather(1);
        all[1].touch_next().unwrap();
        all[1].process().kill().unwrap();
        all[1].process().wait();
        held[0].write_all(b".").unwrap();
        holds.wait().unwrap();
        let other = LinkedFrontend::spawn().unwrap();
        other.join(all[0].clone()).unwrap();
        all[0].join(other.clone()).unwrap();
        assert_eq!(other.count(1).unwrap(), 1);
        assert_eq!(all[0].count(1).unwrap(), 1);
    }
}

#[test]
fn a_constructor_that_calls_its_spawner_is_told() {
    let _watchdog = watchdog();
    let parent = LinkedFrontend::spawn_with(&Builder::new().name("parent")).unwrap();
    let error = parent.spawn_child(parent.clone()).unwrap();
    assert!(
        error.contains("`parent`") || error.contains("parent ->") || error.contains("-> parent"),
        "{error}"
    );
    assert_eq!(parent.touch().unwrap(), 1);
}
