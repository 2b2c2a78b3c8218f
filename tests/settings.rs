//! What is set in a backend before any code of the user runs, and what it is measured to use.
//! Not here: how it comes to be (`start`).
//! Layer: the public surface.

#[path = "start/probe.rs"]
mod probe;
mod support;

use std::time::Duration;
use std::{fs, process};

use nix::sys::signal::Signal;
use probe::{ProbeFrontend, is_forced};
use support::{processes, watchdog};
use worker_core::{Builder, CallError, ExitReason, Limits, SpawnError, StartMethod};

#[test]
fn limits_hold_before_any_code_of_the_user() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    for method in [StartMethod::ForkServer, StartMethod::Exec] {
        let limits =
            Limits::new().memory(64 << 20).cpu_time(Duration::from_millis(1500)).open_files(40).core_dump(0);
        let builder = Builder::new().start(method).limits(limits).nice(7).cpus(&[0]);
        let probe = ProbeFrontend::spawn_with(&builder).unwrap();
        let values = |name: &str| {
            let line = probe.limit(name).unwrap();
            line[name.len()..].split_ascii_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(values("Max cpu time"), ["2", "3"]);
        assert_eq!(values("Max open files"), ["40", "40"]);
        assert_eq!(values("Max core file size"), ["0", "0"]);
        assert_eq!(probe.niceness().unwrap(), "7");
        assert_eq!(probe.status("Cpus_allowed_list").unwrap(), "0");
        probe.reserve(32 << 20).unwrap();
        match probe.reserve(64 << 20) {
            Err(CallError::Actor(error)) => assert!(error.contains("memory"), "{error}"),
            other => panic!("{other:?}"),
        }
        assert!(probe.stop().unwrap().is_clean());
    }
}

#[test]
fn processor_time_ends_a_loop() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let limits = Limits::new().cpu_time(Duration::from_secs(1)).core_dump(0);
    let probe = ProbeFrontend::spawn_with(&Builder::new().limits(limits)).unwrap();
    match probe.spin() {
        Err(CallError::Exited(exit)) => {
            let signal = Signal::SIGXCPU as i32;
            assert_eq!(exit.reason, ExitReason::Signal { signal, core_dumped: false });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_limit_that_cannot_be_set_is_an_error_and_leaves_nothing() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    for method in [StartMethod::ForkServer, StartMethod::Exec] {
        let name = format!("never-{method:?}").to_lowercase();
        let builder = Builder::new().start(method).name(&name).cpus(&[1000]);
        match ProbeFrontend::spawn_with(&builder) {
            Err(SpawnError::Io(error)) => assert!(error.to_string().contains("[1000]"), "{error}"),
            other => panic!("{other:?}"),
        }
        // More descriptors than any kernel lets a process have.
        let builder = Builder::new().start(method).name(&name).limits(Limits::new().open_files(u64::MAX - 1));
        match ProbeFrontend::spawn_with(&builder) {
            Err(SpawnError::Io(error)) => assert!(error.to_string().contains("open files"), "{error}"),
            other => panic!("{other:?}"),
        }
        let left = processes::descendants(process::id());
        assert!(left.iter().all(|entry| !entry.comm.starts_with("never-")), "{left:?}");
    }
    assert!(ProbeFrontend::spawn().unwrap().pid().is_ok());
}

#[test]
fn usage_agrees_with_the_kernel() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let probe = ProbeFrontend::spawn().unwrap();
    probe.reserve(1 << 20).unwrap();
    let usage = probe.process().usage();
    assert_eq!(usage.threads, 1);
    assert_eq!(usage.threads.to_string(), probe.status("Threads").unwrap());
    assert_eq!(usage.open_files, processes::descriptors_of(probe.process().pid()).len() as u64);
    let memory = fs::read_to_string(format!("/proc/{}/smaps_rollup", probe.process().pid())).unwrap();
    let bytes = |name: &str| {
        let line = memory.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    };
    // The backend sleeps, so nothing of its own has changed since.
    let usage = probe.process().usage();
    assert_eq!(usage.resident, bytes("Rss"));
    assert_eq!(usage.unique, bytes("Private_Clean") + bytes("Private_Dirty"));
    assert_eq!(usage.swap, bytes("Swap"));
}
