//! Calls around the end of a life: which are made, which are not, and what the callers are told.
//! Not here: which lives there are (`lives`).
//! Layer: tests only, through the public surface.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::Signal;
use worker_core::{Builder, CallError, ExitReason, OnTimeout, Restart};

use super::{GRACE, WorkerFrontend, kill, restarting};
use crate::support::{eventually, scratch_file, watchdog};

#[test]
fn a_call_in_flight_at_the_end_is_not_made_again() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting(), 0).unwrap();
    let pid = worker.process().pid();
    match worker.abort() {
        Err(CallError::Exited(exit)) => {
            assert_eq!(exit.pid, pid);
            assert!(
                matches!(exit.reason, ExitReason::Signal { signal, .. } if signal == Signal::SIGABRT as i32)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(worker.add(1).unwrap(), 1);
    assert_eq!(worker.process().restarts(), 1);
}

#[test]
fn a_pending_call_belongs_to_the_life_that_it_was_sent_to() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting(), 0).unwrap();
    let begun = scratch_file("begun");
    worker.spin(begun.clone()).unwrap();
    eventually("the backend is stuck", || begun.exists());
    let pending: Vec<_> = (0..10).map(|n| worker.add_async(n)).collect();
    let exit = kill(&worker);
    assert_eq!(worker.add(7).unwrap(), 7, "none of the ten reached the new life");
    for pending in pending {
        match pending.wait() {
            Err(CallError::Exited(of) | CallError::NotSent(of)) => assert_eq!(of, exit),
            other => panic!("{other:?}"),
        }
    }
    fs::remove_file(begun).unwrap();
}

#[test]
fn a_request_that_waits_for_room_goes_to_the_next_life() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting(), 0).unwrap();
    let begun = scratch_file("begun");
    worker.spin(begun.clone()).unwrap();
    eventually("the backend is stuck", || begun.exists());
    fill(&worker);
    let late = scratch_file("late");
    let waiting = {
        let (worker, late) = (worker.clone(), late.clone());
        thread::Builder::new()
            .name("waits-for-room".to_owned())
            .spawn(move || worker.note(&late, &[0; 1 << 20]))
            .unwrap()
    };
    // There is no room, and nothing else in a call that a thread could sleep for again and again.
    eventually("the request waits for room", || {
        (0..20).all(|_| {
            thread::sleep(Duration::from_millis(1));
            sleeps("waits-for-room")
        })
    });
    kill(&worker);
    waiting.join().unwrap().unwrap();
    eventually("the request is done in the new life", || late.exists());
    assert_eq!(worker.process().restarts(), 1);
    fs::remove_file(begun).unwrap();
    fs::remove_file(late).unwrap();
}

/// Whether the thread of this process that has this name sleeps.
fn sleeps(name: &str) -> bool {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let state = |stat: &str| stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
    let mut ours = stats.filter(|stat| stat.contains(&format!("({name})")));
    ours.next().is_some_and(|stat| state(&stat) == Some('S'))
}

/// Sends to a backend that takes nothing until there is no more room.
fn fill(worker: &WorkerFrontend) {
    let impatient = worker.with_timeout(Duration::from_millis(1));
    let elsewhere = scratch_file("elsewhere");
    loop {
        match impatient.note(&elsewhere, &[0; 1 << 20]) {
            Ok(()) => {}
            Err(CallError::NotSentInTime { killed: false }) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_deadline_that_passes_before_there_is_room_means_never_sent() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&Builder::new(), 0).unwrap();
    let (begun, late) = (scratch_file("begun"), scratch_file("late"));
    worker.spin(begun.clone()).unwrap();
    eventually("the backend is stuck", || begun.exists());
    fill(&worker);
    let impatient = worker.with_timeout(GRACE);
    for _ in 0..3 {
        let error = impatient.note(&late, &[0; 1 << 20]).unwrap_err();
        assert_eq!(error, CallError::NotSentInTime { killed: false });
        assert!(error.is_safe_to_retry());
        assert!(error.to_string().contains("not sent"), "{error}");
    }
    kill(&worker);
    assert!(matches!(worker.note(&late, &[]), Err(CallError::NotSent(_))));
    assert!(!late.exists());
    fs::remove_file(begun).unwrap();
}

#[test]
fn a_killing_deadline_ends_the_work_and_the_next_call_has_a_new_life() {
    let _watchdog = watchdog();
    let builder = restarting().on_timeout(OnTimeout::Kill);
    let worker = WorkerFrontend::spawn_with(&builder, 5).unwrap();
    let begun = scratch_file("begun");
    worker.spin(begun.clone()).unwrap();
    eventually("the backend is stuck", || begun.exists());
    let pid = worker.process().pid();
    assert_eq!(worker.with_timeout(GRACE).add(1), Err(CallError::TimedOut { killed: true }));
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "not even a zombie");
    assert_eq!(worker.add(1).unwrap(), 6);
    worker.spin(begun.clone()).unwrap();
    fill_until_killed(&worker);
    assert_eq!(worker.add(2).unwrap(), 7);
    assert_eq!(worker.process().restarts(), 2);
    fs::remove_file(begun).unwrap();
}

fn fill_until_killed(worker: &WorkerFrontend) {
    let impatient = worker.with_timeout(GRACE);
    let elsewhere = scratch_file("elsewhere");
    let error = loop {
        if let Err(error) = impatient.note(&elsewhere, &[0; 1 << 20]) {
            break error;
        }
    };
    assert_eq!(error, CallError::NotSentInTime { killed: true });
    assert!(error.to_string().contains("killed"), "{error}");
}

#[test]
fn a_cancelled_call_leaves_nothing_behind() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn(0).unwrap();
    for n in 0..1000 {
        if let Some(result) = worker.add_async(1).cancel() {
            assert_eq!(result.unwrap(), n + 1);
        }
    }
    assert_eq!(worker.add(0).unwrap(), 1000, "a request that has left is run");
    let pending = worker.add_async(1);
    eventually("the reply is there", || pending.is_ready());
    assert_eq!(pending.cancel().unwrap().unwrap(), 1001);
}

#[test]
fn requests_that_nobody_waits_for_find_the_end_too() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting(), 3).unwrap();
    let noted = scratch_file("noted");
    kill(&worker);
    worker.note(&noted, &[]).unwrap();
    eventually("the new life has got it", || noted.exists());
    kill(&worker);
    assert_eq!(worker.start_async().wait().unwrap(), 3);
    assert_eq!(worker.process().restarts(), 2);
    fs::remove_file(noted).unwrap();
}

#[test]
fn eight_callers_and_many_deaths_give_answers_or_typed_errors_and_nothing_wrong() {
    let _watchdog = watchdog();
    let builder = Builder::new()
        .restart(Restart::on_crash().max(10_000).within(Duration::from_secs(60)).backoff(Duration::ZERO));
    let worker = WorkerFrontend::spawn_with(&builder, 1000).unwrap();
    let until = Instant::now() + Duration::from_secs(1);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let worker = worker.clone();
            thread::spawn(move || {
                let mut answers = 0;
                while Instant::now() < until {
                    match worker.start() {
                        Ok(start) => {
                            assert_eq!(start, 1000);
                            answers += 1;
                        }
                        Err(CallError::Exited(_) | CallError::NotSent(_)) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                answers
            })
        })
        .collect();
    let mut kills = 0;
    while Instant::now() < until {
        // Not followed by `wait`: a caller may have begun the next life by then, which nobody would end.
        if worker.process().is_alive() {
            worker.process().kill().unwrap();
            kills += 1;
        }
        thread::yield_now();
    }
    let answers: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    assert!(kills > 0 && worker.process().restarts() > 0);
    assert_eq!(worker.start().unwrap(), 1000, "{answers} answers between {kills} deaths");
}
