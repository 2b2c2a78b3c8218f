//! When there is another life, how it begins, and when there is none any more.
//! Not here: calls that are under way (`calls`).
//! Layer: tests only, through the public surface.

use std::time::Duration;
use std::{fs, thread};

use worker_core::{Builder, CallError, Restart, SpawnError, StartMethod};

use super::{GRACE, WorkerFrontend, kill, restarting};
use crate::support::{eventually, scratch_file, watchdog};

#[test]
fn a_new_life_has_the_same_constructor_arguments_and_frontends() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting().name("again"), 40).unwrap();
    let clone = worker.clone();
    assert_eq!(worker.add(2).unwrap(), 42);
    let first = worker.process().pid();
    assert_eq!(kill(&worker).pid, first);
    assert!(!worker.process().is_alive());
    assert_eq!(worker.process().restarts(), 0, "nobody has asked for it yet");
    assert_eq!(clone.add(1).unwrap(), 41, "what the first life had added is gone with it");
    assert_eq!((worker.process().restarts(), clone.process().restarts()), (1, 1));
    assert_ne!(worker.process().pid(), first);
    assert!(worker.process().is_alive());
    assert_eq!((worker.process().name(), worker.start().unwrap()), ("again", 40));
    assert!(worker.stop().unwrap().is_clean());
}

#[test]
fn fresh_images_are_restarted_as_forks_are() {
    let _watchdog = watchdog();
    if std::env::var_os("WORKER_START").is_some() {
        return;
    }
    let worker =
        WorkerFrontend::spawn_with(&restarting().start(StartMethod::Exec).name("fresh"), 40).unwrap();
    for lives in 1..=3 {
        assert_eq!(worker.add(2).unwrap(), if lives == 1 { 42 } else { 43 });
        let dead = kill(&worker).pid;
        assert_eq!(worker.add(1).unwrap(), 41);
        assert_eq!((worker.process().restarts(), worker.process().name()), (lives, "fresh"));
        // A fresh image, as the first one was: its own arguments are the title.
        let pid = worker.process().pid();
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert_ne!(pid, dead);
        assert_eq!(arguments.trim_end_matches(['\0', ' ']), "fresh");
    }
    assert!(worker.stop().unwrap().is_clean());
}

#[test]
fn giving_up_is_an_error_of_every_later_call() {
    let _watchdog = watchdog();
    let policy = Restart::on_crash().max(2).within(Duration::from_secs(60)).backoff(Duration::ZERO);
    let worker = WorkerFrontend::spawn_with(&Builder::new().restart(policy), 0).unwrap();
    for _ in 0..2 {
        kill(&worker);
        worker.add(1).unwrap();
    }
    let last = kill(&worker);
    for _ in 0..3 {
        match worker.add(1) {
            Err(CallError::NotSent(exit)) => {
                assert_eq!((exit.pid, &exit.reason), (last.pid, &last.reason));
                let given_up = exit.given_up.clone().expect("it says that it was given up");
                assert_eq!((given_up.max, given_up.within), (2, Duration::from_secs(60)));
                assert!(exit.to_string().contains("not restarted again"), "{exit}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(worker.process().restarts(), 2);
    assert!(worker.stop().unwrap().given_up.is_some());
}

#[test]
fn a_start_that_fails_counts_as_a_crash_and_is_told() {
    let _watchdog = watchdog();
    for (how, told) in
        [("error", "returned an error"), ("panic", "panicked at"), ("exit", "before its constructor")]
    {
        let file = scratch_file("unless");
        let policy = Restart::on_crash().max(3).within(Duration::from_secs(60)).backoff(Duration::ZERO);
        let worker =
            WorkerFrontend::spawn_unless_with(&Builder::new().restart(policy), file.clone()).unwrap();
        fs::write(&file, how).unwrap();
        kill(&worker);
        match worker.add(1) {
            Err(CallError::NotSent(exit)) => {
                let failure = exit.given_up.and_then(|given_up| given_up.failure).expect("a failed start");
                assert!(failure.contains(told), "{how}: {failure}");
            }
            other => panic!("{how}: {other:?}"),
        }
        assert_eq!(worker.process().restarts(), 0, "no life began");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_start_that_fails_only_once_is_tried_again() {
    let _watchdog = watchdog();
    let file = scratch_file("unless");
    let policy =
        Restart::on_crash().max(100).within(Duration::from_secs(60)).backoff(Duration::from_millis(20));
    let worker = WorkerFrontend::spawn_unless_with(&Builder::new().restart(policy), file.clone()).unwrap();
    fs::write(&file, "error").unwrap();
    kill(&worker);
    let caller = {
        let worker = worker.clone();
        thread::spawn(move || worker.add(1))
    };
    let impatient = worker.with_timeout(Duration::from_millis(1));
    eventually("a caller gives up waiting for the next life", || {
        matches!(impatient.add(1), Err(CallError::NotSentInTime { killed: false }))
    });
    fs::remove_file(&file).unwrap();
    assert!(caller.join().unwrap().is_ok());
}

#[test]
fn a_constructor_that_hangs_holds_nobody_beyond_a_deadline_and_stop_ends_it() {
    let _watchdog = watchdog();
    let file = scratch_file("unless");
    let builder = restarting().stop_timeout(GRACE);
    let worker = WorkerFrontend::spawn_unless_with(&builder, file.clone()).unwrap();
    fs::write(&file, "hang").unwrap();
    kill(&worker);
    let patient = {
        let worker = worker.clone();
        thread::spawn(move || worker.add(1))
    };
    for _ in 0..3 {
        assert_eq!(worker.with_timeout(GRACE).add(1), Err(CallError::NotSentInTime { killed: false }));
    }
    worker.stop().unwrap();
    assert!(matches!(patient.join().unwrap(), Err(CallError::NotSent(_))));
    assert!(matches!(worker.add(1), Err(CallError::NotSent(_))));
    fs::remove_file(file).unwrap();
}

#[test]
fn a_clean_end_is_followed_by_a_life_only_where_always_is_said() {
    let _watchdog = watchdog();
    let ended = WorkerFrontend::spawn_with(&restarting(), 0).unwrap();
    ended.finish().unwrap();
    assert!(ended.process().wait().is_clean());
    assert!(
        matches!(ended.add(1), Err(CallError::NotSent(exit)) if exit.is_clean() && exit.given_up.is_none())
    );

    let builder = Builder::new().restart(Restart::always().backoff(Duration::ZERO));
    let again = WorkerFrontend::spawn_with(&builder, 0).unwrap();
    again.finish().unwrap();
    assert!(again.process().wait().is_clean());
    assert_eq!(again.add(1).unwrap(), 1);
    assert!(again.stop().unwrap().is_clean());
    assert!(matches!(again.add(1), Err(CallError::NotSent(_))), "what was stopped stays so");
}

#[test]
fn a_first_life_that_fails_is_an_error_of_spawn_whatever_the_policy() {
    let _watchdog = watchdog();
    let file = scratch_file("unless");
    fs::write(&file, "error").unwrap();
    match WorkerFrontend::spawn_unless_with(&restarting(), file.clone()) {
        Err(SpawnError::Constructor(error)) => assert_eq!(error, "the file says so"),
        other => panic!("{other:?}"),
    }
    fs::remove_file(file).unwrap();
}
