//! Every way in which a backend can come to be.
//! Not here: `StartMethod::Fork`, which needs a program of one thread (`fork`), what is preloaded (`preload`), and
//! what is set before any code of the user runs (`settings`).
//! Layer: the public surface.

#[path = "start/probe.rs"]
mod probe;
mod support;

use std::io::ErrorKind;
use std::{fs, process, thread};

use nix::sys::signal::Signal;
use probe::{LOADED, ProbeFrontend, is_forced, with};
use support::processes::{self, Entry};
use support::{eventually, rerun, watchdog};
use worker_core::{Builder, CallError, ExitReason, Limits, SpawnError, StartMethod};

#[test]
fn a_fresh_image_has_addresses_of_its_own() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let here = &raw const LOADED as usize;
    let forked: Vec<usize> = (0..2).map(|_| with(StartMethod::ForkServer).address().unwrap()).collect();
    assert_eq!(forked[0], forked[1]);
    let fresh: Vec<usize> = (0..3).map(|_| with(StartMethod::Exec).address().unwrap()).collect();
    assert!(fresh.iter().all(|&address| address != here && address != forked[0]), "{fresh:x?}");
    assert!(fresh[0] != fresh[1] || fresh[1] != fresh[2], "{fresh:x?}");
}

#[test]
fn a_fresh_image_behaves_as_a_fork_does() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let builder = Builder::new().start(StartMethod::Exec).name("fresh");
    let probe = ProbeFrontend::spawn_with(&builder).unwrap();
    let entry = Entry::of(probe.process().pid()).unwrap();
    assert_eq!((entry.comm.as_str(), entry.group), ("fresh", entry.pid));
    let arguments = fs::read_to_string(format!("/proc/{}/cmdline", entry.pid)).unwrap();
    assert!(arguments.trim_end_matches(['\0', ' ']).eq("fresh"), "{arguments:?}");
    assert_eq!(probe.directory().unwrap(), std::env::current_dir().unwrap());
    assert!(!probe.has_marker().unwrap());
    assert!(matches!(probe.panic(), Err(CallError::Panicked(_))));
    assert!(probe.stop().unwrap().is_clean());
    match ProbeFrontend::spawn_broken_with(&builder) {
        Err(SpawnError::Constructor(error)) => assert_eq!(error, "broken on purpose"),
        other => panic!("{other:?}"),
    }
    let probe = ProbeFrontend::spawn_with(&builder).unwrap();
    probe.process().kill().unwrap();
    let exit = probe.process().wait();
    assert_eq!(exit.reason, ExitReason::Signal { signal: Signal::SIGKILL as i32, core_dumped: false });
}

#[test]
fn a_thread_is_an_actor_too() {
    let _watchdog = watchdog();
    let builder = Builder::new().start(StartMethod::Thread).name("near");
    let probe = ProbeFrontend::spawn_with(&builder).unwrap();
    if is_forced() && std::env::var_os("WORKER_START").is_some_and(|method| method != "thread") {
        return;
    }
    assert_eq!(probe.pid().unwrap(), process::id());
    assert_eq!(probe.process().pid(), process::id());
    assert!(probe.process().is_alive());
    assert_eq!(probe.address().unwrap(), &raw const LOADED as usize);
    match probe.panic() {
        Err(CallError::Panicked(report)) => assert_eq!(report.message, "on purpose"),
        other => panic!("{other:?}"),
    }
    let refused = probe.process().kill().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("`near` is a thread"), "{refused}");
    let exit = probe.stop().unwrap();
    assert!(exit.is_clean(), "{exit}");
    assert!(!probe.process().is_alive());
    assert!(matches!(probe.pid(), Err(CallError::NotSent(_))));
    // It has ended, so there is nothing to refuse.
    probe.process().kill().unwrap();
    match ProbeFrontend::spawn_broken_with(&builder) {
        Err(SpawnError::Constructor(error)) => assert_eq!(error, "broken on purpose"),
        other => panic!("{other:?}"),
    }
    let before = processes::descriptors().len();
    for _ in 0..20 {
        let probe = ProbeFrontend::spawn_with(&builder).unwrap();
        assert_eq!(probe.pid().unwrap(), process::id());
        assert!(probe.stop().unwrap().is_clean());
    }
    // Other tests run in this process; twenty actors would show all the same.
    eventually("nothing is left of threads", || processes::descriptors().len() < before + 60);
    let many: Vec<_> = (0..8).map(|_| ProbeFrontend::spawn_with(&builder).unwrap()).collect();
    drop(many);
    eventually("threads end with their frontends", || {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .all(|name| name.trim() != "near")
    });
}

#[test]
fn a_thread_takes_no_limits() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let builder = Builder::new().start(StartMethod::Thread).limits(Limits::new().open_files(64));
    match ProbeFrontend::spawn_with(&builder) {
        Err(SpawnError::Io(error)) => assert_eq!(error.kind(), ErrorKind::Unsupported),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_of_many_threads_is_not_forked() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let (keep, wait) = std::sync::mpsc::channel::<()>();
    let other = thread::Builder::new().name("other-thread".to_owned()).spawn(move || wait.recv()).unwrap();
    eventually("the thread has its name", || {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .any(|name| name.trim() == "other-thread")
    });
    match ProbeFrontend::spawn_with(&Builder::new().start(StartMethod::Fork)) {
        Err(SpawnError::ThreadsRunning { threads }) => {
            assert!(threads.iter().any(|name| name == "other-thread"), "{threads:?}");
        }
        refused => panic!("{refused:?}"),
    }
    drop(keep);
    let _ = other.join().unwrap();
}

#[test]
fn actors_spawn_actors_whatever_the_method() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Exec, StartMethod::Thread] {
        let probe = with(method);
        for exec in [false, true] {
            let nested = probe.nest(exec).unwrap();
            assert!(is_forced() || nested != probe.pid().unwrap());
        }
        probe.stop().unwrap();
    }
}

#[test]
fn a_spawn_from_a_thread_that_ends_at_once_lives_on() {
    let _watchdog = watchdog();
    let methods = [StartMethod::ForkServer, StartMethod::Exec, StartMethod::Thread];
    for method in methods {
        let probe = thread::spawn(move || with(method)).join().unwrap();
        assert!(probe.pid().is_ok());
        assert!(probe.stop().unwrap().is_clean());
    }
}

#[test]
fn the_environment_forces_a_method_on_a_whole_program() {
    const NAME: &str = "the_environment_forces_a_method_on_a_whole_program";
    let _watchdog = watchdog();
    if rerun::is_copy_for(NAME) {
        let probe = ProbeFrontend::spawn_with(&Builder::new().limits(Limits::new().core_dump(0)));
        match std::env::var("WORKER_START").as_deref() {
            Ok("thread") => assert_eq!(probe.unwrap().pid().unwrap(), process::id()),
            Ok("fork-server" | "exec") => assert_ne!(probe.unwrap().pid().unwrap(), process::id()),
            other => println!("with {other:?}: {}", probe.unwrap_err()),
        }
        return;
    }
    for method in ["thread", "exec", "fork-server"] {
        let (passed, text) = rerun::output_of(NAME, &[("WORKER_START", method)]);
        assert!(passed, "{method}: {text}");
    }
    let (passed, text) = rerun::output_of(NAME, &[("WORKER_START", "threads")]);
    assert!(passed && text.contains("WORKER_START is \"threads\""), "{text}");
}
