//! Backends that are killed: what each caller learns, and that nobody else is touched.
//! Not here: ends that were asked for (`stopped`).
//! Layer: tests only, through the public surface.

use std::collections::HashMap;
use std::sync::Barrier;
use std::time::Duration;
use std::{fs, thread};

use nix::sys::signal::Signal;
use worker_core::{CallError, OnTimeout};

use super::{GRACE, WorkerFrontend, ended_by, over_links, patient};
use crate::support::processes::{self, Entry};
use crate::support::rerun::alone;
use crate::support::{eventually, scratch_file};

#[test]
fn every_caller_of_a_killed_backend_is_answered() {
    over_links(|builder| {
        for _ in 0..20 {
            let worker = WorkerFrontend::spawn_with(builder).unwrap();
            let begun = scratch_file("begun");
            let stuck = worker.begin_and_spin_async(begun.clone());
            let ready = Barrier::new(9);
            let errors: Vec<_> = thread::scope(|scope| {
                let callers: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            let pending = worker.work_async();
                            ready.wait();
                            pending.wait()
                        })
                    })
                    .collect();
                ready.wait();
                eventually("the method has begun", || begun.exists());
                worker.process().kill().unwrap();
                callers.into_iter().map(|caller| caller.join().unwrap().unwrap_err()).collect()
            });
            let exit = ended_by(&worker, Signal::SIGKILL);
            assert_eq!(stuck.wait(), Err(CallError::Exited(exit.clone())));
            for error in errors {
                // A caller that came to wait only after the end knows that its request was never begun.
                assert!(
                    [CallError::Exited(exit.clone()), CallError::NotSent(exit.clone())].contains(&error),
                    "{error:?}"
                );
            }
            assert_eq!(worker.work(), Err(CallError::NotSent(exit)));
            fs::remove_file(begun).unwrap();
        }
    });
}

#[test]
fn blocked_callers_of_a_killed_backend_learn_that_the_outcome_is_unknown() {
    over_links(|builder| {
        for _ in 0..20 {
            let worker = WorkerFrontend::spawn_with(builder).unwrap();
            let begun = scratch_file("begun");
            thread::scope(|scope| {
                let callers: Vec<_> =
                    (0..8).map(|_| scope.spawn(|| worker.begin_and_spin(begun.clone()))).collect();
                eventually("the method has begun", || begun.exists());
                worker.process().kill().unwrap();
                let exit = ended_by(&worker, Signal::SIGKILL);
                let unknown = callers
                    .into_iter()
                    .map(|caller| caller.join().unwrap())
                    .filter(|result| *result == Err(CallError::Exited(exit.clone())))
                    .count();
                // Threads that had not called yet are told that nothing was sent.
                assert!(unknown >= 1);
            });
            fs::remove_file(begun).unwrap();
        }
    });
}

#[test]
fn killed_amid_a_storm_of_calls() {
    over_links(|builder| {
        for _ in 0..30 {
            let worker = WorkerFrontend::spawn_with(builder).unwrap();
            let (ends, last) = thread::scope(|scope| {
                let callers: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut last = 0;
                            loop {
                                match worker.work() {
                                    Ok(count) => {
                                        assert!(count > last, "{count} after {last}");
                                        last = count;
                                    }
                                    Err(error) => return (error, last),
                                }
                            }
                        })
                    })
                    .collect();
                eventually("calls are answered", || worker.work().is_ok_and(|count| count > 200));
                processes::signal(worker.process().pid(), Signal::SIGKILL);
                callers.into_iter().map(|caller| caller.join().unwrap()).unzip::<_, _, Vec<_>, Vec<_>>()
            });
            let exit = ended_by(&worker, Signal::SIGKILL);
            assert!(last.iter().max() > Some(&100));
            for error in ends {
                match error {
                    CallError::Exited(found) | CallError::NotSent(found) => assert_eq!(found, exit),
                    other => panic!("{other:?}"),
                }
            }
        }
    });
}

#[test]
fn a_call_on_a_dead_backend_was_not_sent() {
    over_links(|builder| {
        // However one learns that it is gone, a call after that was not sent.
        let ways: [fn(&WorkerFrontend); 3] = [
            |worker| drop(worker.process().wait()),
            |worker| eventually("the backend is no more alive", || !worker.process().is_alive()),
            |worker| eventually("the backend is gone", || Entry::of(worker.process().pid()).is_none()),
        ];
        for learn in ways {
            let worker = WorkerFrontend::spawn_with(builder).unwrap();
            assert_eq!(worker.work().unwrap(), 1);
            processes::signal(worker.process().pid(), Signal::SIGKILL);
            learn(&worker);
            let result = worker.work();
            let exit = ended_by(&worker, Signal::SIGKILL);
            assert_eq!(result, Err(CallError::NotSent(exit.clone())));
            assert_eq!(worker.work(), Err(CallError::NotSent(exit.clone())));
            assert_eq!(worker.work_later(), Err(CallError::NotSent(exit.clone())));
            assert_eq!(worker.work_async().wait(), Err(CallError::NotSent(exit.clone())));
            assert!(!worker.process().is_alive());
            assert_eq!(worker.process().usage().resident, 0);
            worker.process().kill().unwrap();
            assert_eq!(worker.stop().unwrap(), exit);
        }
    });
}

#[test]
fn a_program_that_dies_of_broken_pipes_does_not_die_of_dead_backends() {
    alone("killed::a_program_that_dies_of_broken_pipes_does_not_die_of_dead_backends", || {
        // SAFETY: the default disposition runs no code. Tools for a terminal set it, to end with their reader.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        over_links(|builder| {
            for _ in 0..20 {
                let worker = WorkerFrontend::spawn_with(builder).unwrap();
                let pid = worker.process().pid();
                eventually("the backend sleeps", || Entry::of(pid).is_some_and(|entry| entry.state == 'S'));
                processes::signal(pid, Signal::SIGKILL);
                let exit = worker.process().wait();
                assert_eq!(worker.work(), Err(CallError::NotSent(exit)));
            }
        });
    });
}

#[test]
fn a_deadline_gives_up_waiting_and_the_backend_works_on() {
    over_links(|builder| {
        let worker = WorkerFrontend::spawn_with(builder).unwrap();
        let begun = scratch_file("begun");
        let impatient = worker.with_timeout(GRACE);
        assert_eq!(impatient.begin_and_spin(begun.clone()), Err(CallError::TimedOut { killed: false }));
        assert_eq!(impatient.work(), Err(CallError::TimedOut { killed: false }));
        assert!(worker.process().is_alive());
        eventually("the method runs all the same", || begun.exists());
        worker.process().kill().unwrap();
        let exit = ended_by(&worker, Signal::SIGKILL);
        assert_eq!(impatient.work(), Err(CallError::NotSent(exit)));
        fs::remove_file(begun).unwrap();
    });
}

#[test]
fn a_deadline_may_end_the_backend() {
    over_links(|builder| {
        let builder = builder.clone().call_timeout(GRACE).on_timeout(OnTimeout::Kill);
        let worker = WorkerFrontend::spawn_with(&builder).unwrap();
        // Long ones are no problem while there is a deadline to spare.
        assert_eq!(worker.with_timeout(Duration::from_secs(60)).work().unwrap(), 1);
        assert_eq!(worker.spin(), Err(CallError::TimedOut { killed: true }));
        let exit = ended_by(&worker, Signal::SIGKILL);
        assert_eq!(Entry::of(exit.pid), None, "not even a zombie");
        assert_eq!(worker.work(), Err(CallError::NotSent(exit)));
    });
}

#[test]
fn one_crash_takes_nobody_else() {
    over_links(|builder| {
        let workers: Vec<_> = (0..8).map(|_| WorkerFrontend::spawn_with(builder).unwrap()).collect();
        let pids: HashMap<_, _> = workers.iter().map(|worker| (worker.process().pid(), ())).collect();
        assert_eq!(pids.len(), 8, "each has a process of its own");
        for (index, worker) in workers.iter().enumerate() {
            worker.process().kill().unwrap();
            ended_by(worker, Signal::SIGKILL);
            for other in &workers[index + 1..] {
                other.work().unwrap();
            }
        }
        assert_eq!(WorkerFrontend::spawn_with(&patient()).unwrap().work().unwrap(), 1);
    });
}
