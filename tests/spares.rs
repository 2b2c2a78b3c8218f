//! Processes that are forked ahead: they become backends like any, and are no trouble to anybody else.
//! Not here: how much time that saves (`figures`).
//! Layer: tests only.

mod support;

use std::process;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use support::processes::{self, Entry, to_pid};
use support::{eventually, has_processes, rerun, watchdog};
use worker_core::{Builder, Exit, Limits, Link, Output, SpawnError, process_actor};

/// Says what it finds around itself.
pub struct Guest;

#[process_actor]
impl Guest {
    pub fn new() -> Self {
        Self
    }

    pub fn refuse(why: String) -> Result<Self, String> {
        Err(why)
    }

    pub fn directory(&self) -> String {
        std::env::current_dir().unwrap().display().to_string()
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }

    pub fn descriptors(&self) -> Vec<String> {
        processes::descriptors().into_iter().map(|(_, target)| target).collect()
    }
}

/// What a spare can become, whatever link the environment asks for.
fn plain() -> Builder {
    Builder::new().link(Link::SharedMemory)
}

fn spawn() -> GuestFrontend {
    GuestFrontend::spawn_with(&plain()).unwrap()
}

fn spare() -> Option<Entry> {
    processes::descendants(process::id()).into_iter().find(|entry| entry.comm == "spare-backend")
}

/// Spawns until there is a spare, and gives it; on a busy machine one may be gone before it is seen.
fn provoke_spare() -> Entry {
    let mut found = None;
    eventually("there is a spare", || {
        drop(spawn());
        drop(spawn());
        let until = Instant::now() + Duration::from_millis(10);
        while found.is_none() && Instant::now() < until {
            found = spare();
        }
        found.is_some()
    });
    found.unwrap()
}

/// Runs a test in a process that forks nothing else.
fn alone(test: &str, run: impl FnOnce()) {
    let _watchdog = watchdog();
    if has_processes() {
        rerun::alone(test, run);
    }
}

#[test]
fn a_spare_becomes_a_backend_like_any() {
    alone("a_spare_becomes_a_backend_like_any", || {
        let forked = GuestFrontend::spawn_with(&plain().stderr(Output::Tail)).unwrap();
        let known = forked.descriptors().unwrap().len();
        let (elsewhere, mut taken) = (std::env::temp_dir().canonicalize().unwrap(), 0);
        let start = Instant::now();
        std::env::set_current_dir(&elsewhere).unwrap();
        eventually("ten spares were taken, or one where a busy machine lets most go in vain", || {
            let spare = provoke_spare();
            let guest = GuestFrontend::spawn_with(&plain().name("guest-1")).unwrap();
            let pid = guest.process().pid();
            taken += u32::from(pid == spare.pid);
            assert_eq!(guest.pid().unwrap(), pid);
            assert_eq!(guest.directory().unwrap(), elsewhere.display().to_string());
            let entry = Entry::of(pid).unwrap();
            assert_eq!((entry.comm.as_str(), entry.group), ("guest-1", pid));
            assert_eq!(guest.descriptors().unwrap().len(), known);
            assert!(guest.stop().unwrap().is_clean());
            taken == 10 || (taken > 0 && start.elapsed() > Duration::from_secs(30))
        });
        assert!(forked.stop().unwrap().is_clean());
    });
}

#[test]
fn a_spare_that_nobody_takes_goes_by_itself() {
    alone("a_spare_that_nobody_takes_goes_by_itself", || {
        let spare = provoke_spare();
        eventually("the spare is gone", || Entry::of(spare.pid).is_none_or(|entry| entry.comm != spare.comm));
        eventually("the server is alone", || processes::descendants(process::id()).len() == 1);
        assert_eq!(spawn().stop().unwrap().reason, worker_core::ExitReason::Clean);
    });
}

#[test]
fn a_spare_that_was_killed_is_not_given_an_order() {
    alone("a_spare_that_was_killed_is_not_given_an_order", || {
        for _ in 0..20 {
            let spare = provoke_spare();
            // It may be gone by itself already.
            let _ = kill(to_pid(spare.pid), Signal::SIGKILL);
            eventually("it is dead", || !processes::runs(spare.pid));
            let guest = spawn();
            assert_ne!(guest.process().pid(), spare.pid);
            assert_eq!(guest.pid().unwrap(), guest.process().pid());
        }
    });
}

#[test]
fn an_order_at_the_end_of_the_time_is_obeyed_or_goes_to_the_server() {
    alone("an_order_at_the_end_of_the_time_is_obeyed_or_goes_to_the_server", || {
        for step in 0..50_u64 {
            drop(spawn());
            let guest = spawn();
            // No wait for anything: orders at every moment around the end of a spare.
            thread::sleep(Duration::from_micros(248_000 + 100 * step));
            let late = spawn();
            assert_eq!(late.pid().unwrap(), late.process().pid());
            assert_eq!(guest.pid().unwrap(), guest.process().pid());
        }
    });
}

#[test]
fn failures_in_a_spare_are_told_as_in_any_backend() {
    alone("failures_in_a_spare_are_told_as_in_any_backend", || {
        for round in 0..50 {
            match GuestFrontend::spawn_refuse_with(&plain(), format!("reason {round}")) {
                Err(SpawnError::Constructor(reason)) => assert_eq!(reason, format!("reason {round}")),
                other => panic!("{other:?}"),
            }
            let guest = spawn();
            guest.process().kill().unwrap();
            let Exit { pid, reason, .. } = guest.process().wait();
            assert_eq!(pid, guest.process().pid());
            assert!(reason.to_string().contains("SIGKILL"), "{reason}");
        }
    });
}

#[test]
fn what_takes_a_fork_of_its_own_gets_one_though_there_are_spares() {
    alone("what_takes_a_fork_of_its_own_gets_one_though_there_are_spares", || {
        for builder in [
            plain().limits(Limits::new().core_dump(0)),
            plain().stderr(Output::Null),
            Builder::new().link(Link::Socket),
        ] {
            let spare = provoke_spare();
            let guest = GuestFrontend::spawn_with(&builder).unwrap();
            assert_ne!(guest.process().pid(), spare.pid);
            assert_eq!(guest.pid().unwrap(), guest.process().pid());
        }
    });
}

#[test]
fn a_stop_timeout_holds_in_a_spare_too() {
    alone("a_stop_timeout_holds_in_a_spare_too", || {
        let builder = plain().stop_timeout(Duration::ZERO);
        for _ in 0..3 {
            provoke_spare();
            let guest = GuestFrontend::spawn_with(&builder).unwrap();
            let pid = guest.process().pid();
            kill(to_pid(pid), Signal::SIGSTOP).unwrap();
            // Nobody asks it to end but the server, by SIGTERM and then SIGKILL.
            drop(guest);
            eventually("it is gone", || !processes::runs(pid));
        }
    });
}
