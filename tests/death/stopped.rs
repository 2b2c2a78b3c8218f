//! Ends that were asked for: by `stop`, by the drop of the last frontend, by the actor itself; by force where need be.
//! Not here: backends that are killed (`killed`).
//! Layer: tests only, through the public surface.

use std::time::Duration;
use std::{fs, thread};

use nix::sys::signal::Signal;
use worker_core::{CallError, ExitReason};

use super::{WorkerFrontend, ended_by, over_links, patient};
use crate::support::processes::Entry;
use crate::support::{eventually, scratch_file, watchdog};

#[test]
fn stop_is_idempotent_from_any_thread() {
    over_links(|builder| {
        let builder = builder.clone().stop_timeout(Duration::from_secs(60));
        for _ in 0..20 {
            let worker = WorkerFrontend::spawn_with(&builder).unwrap();
            let exits: Vec<_> = thread::scope(|scope| {
                let stops: Vec<_> = (0..8).map(|_| scope.spawn(|| worker.stop().unwrap())).collect();
                stops.into_iter().map(|stop| stop.join().unwrap()).collect()
            });
            for exit in exits {
                assert!(exit.is_clean());
                assert_eq!(exit, worker.stop().unwrap());
            }
            assert_eq!(Entry::of(worker.process().pid()), None, "not even a zombie");
            assert!(matches!(worker.work(), Err(CallError::NotSent(exit)) if exit.is_clean()));
        }
    });
}

#[test]
fn exit_handlers_have_the_time_to_stop_too() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&patient()).unwrap();
    worker.exit_slowly().unwrap();
    assert_eq!(worker.stop().unwrap().reason, ExitReason::Clean);
}

#[test]
fn stop_does_what_was_sent_before() {
    over_links(|builder| {
        let builder = builder.clone().stop_timeout(Duration::from_secs(60));
        let diary = scratch_file("diary");
        let worker = WorkerFrontend::spawn_with_diary_with(&builder, diary.clone()).unwrap();
        let pending: Vec<_> = (0..500).map(|_| worker.work_async()).collect();
        for _ in 0..500 {
            worker.work_later().unwrap();
        }
        assert!(worker.stop().unwrap().is_clean());
        assert_eq!(fs::read_to_string(&diary).unwrap(), "1000");
        for (pending, expected) in pending.into_iter().zip(1..) {
            assert_eq!(pending.wait().unwrap(), expected);
        }
        fs::remove_file(diary).unwrap();
    });
}

#[test]
fn stop_while_others_call_answers_all_of_them() {
    over_links(|builder| {
        let builder = builder.clone().stop_timeout(Duration::from_secs(60));
        for _ in 0..20 {
            let worker = WorkerFrontend::spawn_with(&builder).unwrap();
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        loop {
                            match worker.work() {
                                Ok(_) => {}
                                Err(CallError::NotSent(exit) | CallError::Exited(exit)) => {
                                    return assert!(exit.is_clean(), "{exit}");
                                }
                                Err(other) => panic!("{other:?}"),
                            }
                        }
                    });
                }
                eventually("calls are answered", || worker.work().is_ok_and(|count| count > 100));
                assert!(worker.stop().unwrap().is_clean());
            });
        }
    });
}

#[test]
fn stop_ends_a_stuck_backend_by_force() {
    over_links(|builder| {
        let worker = WorkerFrontend::spawn_with(builder).unwrap();
        let stuck = worker.spin_async();
        let exit = worker.stop().unwrap();
        assert_eq!(ended_by(&worker, Signal::SIGTERM), exit);
        assert_eq!(stuck.wait(), Err(CallError::Exited(exit)));
    });
}

#[test]
fn stop_ends_a_backend_that_ignores_sigterm() {
    over_links(|builder| {
        let worker = WorkerFrontend::spawn_with(builder).unwrap();
        worker.ignore_sigterm().unwrap();
        let stuck = worker.spin_async();
        let exit = worker.stop().unwrap();
        assert_eq!(ended_by(&worker, Signal::SIGKILL), exit);
        assert_eq!(stuck.wait(), Err(CallError::Exited(exit)));
    });
}

#[test]
fn several_stops_of_a_stuck_backend_agree() {
    over_links(|builder| {
        let worker = WorkerFrontend::spawn_with(builder).unwrap();
        worker.spin_later().unwrap();
        let exits: Vec<_> = thread::scope(|scope| {
            let stops: Vec<_> = (0..4).map(|_| scope.spawn(|| worker.stop().unwrap())).collect();
            stops.into_iter().map(|stop| stop.join().unwrap()).collect()
        });
        let exit = worker.stop().unwrap();
        assert!(!exit.is_clean());
        assert_eq!(exits, vec![exit; 4]);
    });
}

#[test]
fn a_backend_may_end_itself() {
    over_links(|builder| {
        let diary = scratch_file("diary");
        let worker = WorkerFrontend::spawn_with_diary_with(builder, diary.clone()).unwrap();
        worker.work().unwrap();
        assert_eq!(worker.finish().unwrap(), 1, "the reply comes first");
        let exit = worker.process().wait();
        assert!(exit.is_clean());
        assert_eq!(fs::read_to_string(&diary).unwrap(), "1");
        fs::remove_file(diary).unwrap();
        assert_eq!(worker.stop().unwrap(), exit);
        let worker = WorkerFrontend::spawn_with(builder).unwrap();
        worker.finish_later().unwrap();
        assert!(worker.process().wait().is_clean());
    });
}

#[test]
fn the_drop_of_the_last_frontend_ends_the_backend_in_order() {
    over_links(|builder| {
        let builder = builder.clone().stop_timeout(Duration::from_secs(60));
        let diary = scratch_file("diary");
        let worker = WorkerFrontend::spawn_with_diary_with(&builder, diary.clone()).unwrap();
        let pid = worker.process().pid();
        let clone = worker.clone();
        drop(worker);
        for _ in 0..10_000 {
            clone.work_later().unwrap();
        }
        // Its reply is thrown away, its work is done.
        drop(clone.work_async());
        drop(clone);
        eventually("the backend is gone", || Entry::of(pid).is_none());
        assert_eq!(fs::read_to_string(&diary).unwrap(), "10001");
        fs::remove_file(diary).unwrap();
    });
}

#[test]
fn the_drop_of_the_last_frontend_ends_a_stuck_backend_by_force() {
    over_links(|builder| {
        for deaf in [false, true] {
            let worker = WorkerFrontend::spawn_with(builder).unwrap();
            let pid = worker.process().pid();
            if deaf {
                worker.ignore_sigterm().unwrap();
            }
            worker.spin_later().unwrap();
            drop(worker);
            eventually("the backend is gone", || Entry::of(pid).is_none());
        }
    });
}

#[test]
fn a_pending_call_keeps_the_backend_alive() {
    over_links(|builder| {
        let worker = WorkerFrontend::spawn_with(builder).unwrap();
        let pid = worker.process().pid();
        let pending = worker.work_async();
        drop(worker);
        assert_eq!(pending.wait().unwrap(), 1);
        eventually("the backend is gone", || Entry::of(pid).is_none());
    });
}
