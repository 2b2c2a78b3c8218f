//! Ends from outside and by intent: killed, stopped, dropped, stuck.
//! Not here: a backend that fails by itself (`faults`), or whose program goes (`outlive`).
//! Layer: the public surface.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, signal};
use support::processes::{self, Entry};
use support::rerun::alone;
use support::{eventually, scratch_file, watchdog};
use worker_core::{Builder, CallError, Context, Exit, ExitReason, Link, OnTimeout, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
/// Short, because the tests wait for it to pass.
const GRACE: Duration = Duration::from_millis(50);

/// Works, sleeps, or never comes back.
pub struct Worker {
    done: u64,
    diary: Option<PathBuf>,
}

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self { done: 0, diary: None }
    }

    pub fn with_diary(path: PathBuf) -> Self {
        Self { done: 0, diary: Some(path) }
    }

    pub fn work(&mut self) -> u64 {
        self.done += 1;
        self.done
    }

    #[oneway]
    pub fn work_later(&mut self) {
        self.done += 1;
    }

    pub fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }

    pub fn ignore_sigterm(&self) {
        // SAFETY: ignoring a signal runs no code.
        unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
    }

    #[oneway]
    pub fn spin_later(&self) {
        self.spin();
    }

    /// Says, by a file, that it has begun, and never comes back.
    pub fn begin_and_spin(&self, begun: PathBuf) {
        fs::write(begun, "").unwrap();
        self.spin();
    }

    pub fn finish(&mut self, context: &Context<Self>) -> u64 {
        context.stop();
        self.done
    }

    #[oneway]
    pub fn finish_later(&mut self, context: &Context<Self>) {
        context.stop();
    }

    /// Has the process take its time once everything of the actor is done.
    pub fn exit_slowly(&self) {
        extern "C" fn write_a_long_profile() {
            thread::sleep(Duration::from_millis(1500));
        }
        // SAFETY: the handler touches nothing.
        assert_eq!(unsafe { libc::atexit(write_a_long_profile) }, 0);
    }

    #[stopped]
    fn end(&mut self) {
        if let Some(path) = &self.diary {
            fs::write(path, self.done.to_string()).unwrap();
        }
    }
}

fn over_links(test: impl Fn(&Builder)) {
    let _watchdog = watchdog();
    for link in LINKS {
        test(&Builder::new().name("worker-1").link(link).stop_timeout(GRACE));
    }
}

fn patient() -> Builder {
    Builder::new().stop_timeout(Duration::from_secs(60))
}

fn ended_by(worker: &WorkerFrontend, signal: Signal) -> Exit {
    let exit = worker.process().wait();
    match exit.reason {
        ExitReason::Signal { signal: number, .. } => assert_eq!(number, signal as i32),
        ref other => panic!("{other:?}"),
    }
    assert_eq!((exit.pid, exit.name.as_str()), (worker.process().pid(), worker.process().name()));
    exit
}

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
    alone("a_program_that_dies_of_broken_pipes_does_not_die_of_dead_backends", || {
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
