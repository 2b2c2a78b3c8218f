//! What is set in a backend before any code of the user runs, and what it is measured to use.
//! Not here: how it comes to be (`start`).
//! Layer: the public surface.

#[path = "start/probe.rs"]
mod probe;
mod support;

use std::time::Duration;
use std::{fs, process};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::Signal;
use probe::{ProbeFrontend, is_forced};
use support::{eventually, processes, rerun, watchdog};
use worker_core::{Builder, CallError, ExitReason, Limits, SpawnError, StartMethod, Usage};

/// The two values of a limit, as the kernel tells them.
fn values(limits: &str, name: &str) -> Vec<String> {
    let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
    line[name.len()..].split_ascii_whitespace().take(2).map(str::to_owned).collect()
}

#[test]
fn limits_hold_before_any_code_of_the_user() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    // What is allowed here may be less.
    let core_bytes = getrlimit(Resource::RLIMIT_CORE).unwrap().1.min(4096);
    for method in [StartMethod::ForkServer, StartMethod::Exec] {
        let limits = Limits::new()
            .memory(64 << 20)
            .cpu_time(Duration::from_millis(1500))
            .open_files(40)
            .core_dump(core_bytes);
        let builder = Builder::new().start(method).limits(limits).nice(7).cpus(&[0]);
        // What the constructor sees, which is the first code of the user.
        let Err(SpawnError::Constructor(seen)) = ProbeFrontend::spawn_limited_with(&builder) else {
            panic!("it fails with what it sees")
        };
        assert_eq!(values(&seen, "Max cpu time"), ["2", "3"]);
        assert_eq!(values(&seen, "Max open files"), ["40", "40"]);
        assert_eq!(values(&seen, "Max core file size"), [core_bytes.to_string(), core_bytes.to_string()]);
        let memory = values(&seen, "Max address space");
        assert!(memory[0] == memory[1] && memory[0].parse::<u64>().unwrap() > 64 << 20, "{memory:?}");
        assert!(seen.lines().any(|line| line == "Cpus_allowed_list:\t0"), "{seen}");
        assert_eq!(seen.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(16), Some("7"));

        let probe = ProbeFrontend::spawn_with(&builder).unwrap();
        assert_eq!(
            (probe.niceness().unwrap().as_str(), probe.status("Cpus_allowed_list").unwrap().as_str()),
            ("7", "0")
        );
        probe.reserve(32 << 20).unwrap();
        match probe.reserve(64 << 20) {
            Err(CallError::Actor(error)) => assert!(error.contains("memory"), "{error}"),
            other => panic!("{other:?}"),
        }
        match probe.open(100) {
            Err(CallError::Actor(error)) => assert!(error.contains("Too many open files"), "{error}"),
            other => panic!("{other:?}"),
        }
        assert!(probe.stop().unwrap().is_clean());
    }
}

#[test]
fn each_limit_is_set_alone() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let seen = |limits: Limits| match ProbeFrontend::spawn_limited_with(&Builder::new().limits(limits)) {
        Err(SpawnError::Constructor(seen)) => seen,
        other => panic!("{other:?}"),
    };
    let names = ["Max cpu time", "Max open files", "Max core file size", "Max address space"];
    let of = |seen: &str| names.map(|name| values(seen, name));
    let none = of(&seen(Limits::new()));
    for (index, limits) in [
        Limits::new().cpu_time(Duration::from_secs(100)),
        Limits::new().open_files(50),
        Limits::new().core_dump(0),
        Limits::new().memory(1 << 30),
    ]
    .into_iter()
    .enumerate()
    {
        let found = of(&seen(limits));
        for (other, name) in names.iter().enumerate() {
            // A core limit of zero may be what the program has already.
            let is_as_before = found[other] == none[other];
            assert!(is_as_before != (other == index) || none[other][1] == "0", "{name}: {found:?}, {none:?}");
        }
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

/// What the kernel's files say of a process, in the order of the fields of `Usage`.
fn told_by_the_kernel(pid: u32) -> [u64; 7] {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let memory = read("smaps_rollup");
    let bytes = |name: &str| {
        let line = memory.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    };
    let stat = read("stat");
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    let number = |index: usize| fields[index].parse::<u64>().unwrap();
    [
        bytes("Rss"),
        bytes("Pss"),
        bytes("Private_Clean") + bytes("Private_Dirty"),
        bytes("Swap"),
        // User and system time, in hundredths of a second.
        (number(11) + number(12)) * 10,
        number(17),
        processes::descriptors_of(pid).len() as u64,
    ]
}

#[test]
fn usage_agrees_with_the_kernel() {
    const NAME: &str = "usage_agrees_with_the_kernel";
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    // Alone, because what is shared is divided by the number of those who share it.
    rerun::alone(NAME, || {
        let probe = ProbeFrontend::spawn().unwrap();
        probe.reserve(1 << 20).unwrap();
        probe.work().unwrap();
        let pid = probe.process().pid();
        eventually("nothing has changed while it was looked at", || {
            let before = told_by_the_kernel(pid);
            let usage = probe.process().usage();
            let after = told_by_the_kernel(pid);
            if before != after {
                return false;
            }
            let cpu = u64::try_from(usage.cpu.as_millis()).unwrap();
            let Usage { resident, proportional, unique, swap, threads, open_files, .. } = usage;
            assert_eq!([resident, proportional, unique, swap, cpu, threads, open_files], before);
            assert!(
                cpu > 0 && threads == 1 && resident > proportional && proportional >= unique,
                "{usage:?}"
            );
            true
        });
        probe.stop().unwrap();
        assert_eq!(probe.process().usage(), Usage::default(), "nothing is used by what has ended");
    });
}
