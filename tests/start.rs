//! Every way in which a backend can come to be, and what is set in it before any code of the user runs.
//! Not here: `StartMethod::Fork`, which needs a program of one thread (`fork`), and how backends end (`death`).
//! Layer: the public surface.

mod support;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::processes::{self, Entry};
use support::{eventually, watchdog};
use worker_core::{
    Builder, CallError, ExitReason, ForkServer, Limits, SpawnError, StartMethod, process_actor,
};

static LOADED: OnceLock<Vec<u8>> = OnceLock::new();

pub struct Probe {
    nested: Option<ProbeFrontend>,
    hoard: Vec<Vec<u8>>,
}

#[process_actor]
impl Probe {
    pub fn new() -> Self {
        Self { nested: None, hoard: Vec::new() }
    }

    pub fn broken() -> Result<Self, String> {
        Err("broken on purpose".to_owned())
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }

    /// Where a static of the program lies.
    pub fn address(&self) -> usize {
        &raw const LOADED as usize
    }

    pub fn panic(&self) {
        panic!("on purpose")
    }

    pub fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }

    pub fn nest(&mut self, exec: bool) -> Result<u32, String> {
        let method = if exec { StartMethod::Exec } else { StartMethod::ForkServer };
        let nested =
            ProbeFrontend::spawn_with(&Builder::new().start(method)).map_err(|error| error.to_string())?;
        let pid = nested.pid().map_err(|error| error.to_string())?;
        self.nested = Some(nested);
        Ok(pid)
    }

    /// Length of what was preloaded, and a byte of it.
    pub fn loaded(&self, at: usize) -> Option<(usize, u8)> {
        LOADED.get().map(|bytes| (bytes.len(), bytes[at]))
    }

    /// Sum over one byte of each page of what was preloaded.
    pub fn sum(&self) -> u64 {
        LOADED.get().map_or(0, |bytes| bytes.iter().step_by(4096).map(|&byte| u64::from(byte)).sum())
    }

    pub fn reserve(&mut self, bytes: usize) -> Result<(), String> {
        let mut block = Vec::new();
        block.try_reserve_exact(bytes).map_err(|error| error.to_string())?;
        self.hoard.push(block);
        Ok(())
    }

    pub fn limit(&self, name: &str) -> String {
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        limits.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
    }

    pub fn status(&self, name: &str) -> String {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }

    pub fn niceness(&self) -> String {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        fields.split_ascii_whitespace().nth(16).unwrap().to_owned()
    }

    pub fn directory(&self) -> PathBuf {
        std::env::current_dir().unwrap()
    }

    pub fn has_marker(&self) -> bool {
        std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("WORKER_CORE"))
    }
}

/// Whether `WORKER_START` has taken the choice from these tests, which are about choosing.
fn is_forced() -> bool {
    std::env::var_os("WORKER_START").is_some()
}

fn with(method: StartMethod) -> ProbeFrontend {
    ProbeFrontend::spawn_with(&Builder::new().start(method)).unwrap()
}

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

const SMALL_BYTES: usize = 32 << 20;

fn load() {
    LOADED.get_or_init(|| (0..SMALL_BYTES).map(|n| (n / 4096) as u8).collect());
}

#[test]
fn what_is_preloaded_is_in_every_backend_and_only_once() {
    let _watchdog = watchdog();
    let server = ForkServer::with_preload(load).unwrap();
    let builder = Builder::new().fork_server(&server);
    let probes: Vec<_> = (0..8).map(|_| ProbeFrontend::spawn_with(&builder).unwrap()).collect();
    let sum = probes[0].sum().unwrap();
    for probe in &probes {
        assert_eq!(probe.loaded(4096).unwrap(), Some((SMALL_BYTES, 1)));
        assert_eq!(probe.sum().unwrap(), sum);
    }
    if is_forced() {
        return;
    }
    assert!(LOADED.get().is_none(), "it was loaded in the program");
    for probe in &probes {
        let usage = probe.process().usage();
        assert!(usage.resident > SMALL_BYTES as u64, "{usage:?}");
        assert!(usage.unique < 2 << 20, "{usage:?}");
    }
    // A fresh image has to load for itself, and does.
    let fresh = ProbeFrontend::spawn_with(&builder.start(StartMethod::Exec)).unwrap();
    assert_eq!(fresh.sum().unwrap(), sum);
}

fn load_little() {
    LOADED.get_or_init(|| vec![7; 10]);
}

fn load_other() {
    LOADED.get_or_init(|| vec![8; 20]);
}

#[test]
fn several_fork_servers_live_side_by_side() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let servers = [load_little, load_other].map(|load| ForkServer::with_preload(load).unwrap());
    let of = |server| ProbeFrontend::spawn_with(&Builder::new().fork_server(server)).unwrap();
    let (first, second, plain) = (of(&servers[0]), of(&servers[1]), ProbeFrontend::spawn().unwrap());
    assert_eq!(first.loaded(0).unwrap(), Some((10, 7)));
    assert_eq!(second.loaded(0).unwrap(), Some((20, 8)));
    assert_eq!(plain.loaded(0).unwrap(), None);

    let pid = servers[0].pid().unwrap();
    drop(servers);
    // Dropping the handles ends no backend, and no server that has some.
    assert_eq!(first.loaded(0).unwrap(), Some((10, 7)));
    assert!(processes::runs(pid));
    assert!(first.stop().unwrap().is_clean());
    drop(first);
    eventually("the server ends after its last backend", || Entry::of(pid).is_none());
    assert_eq!(second.loaded(0).unwrap(), Some((20, 8)));
}

#[test]
fn a_server_that_is_killed_is_started_again() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    let server = ForkServer::with_preload(load_little).unwrap();
    let builder = Builder::new().fork_server(&server);
    let probe = ProbeFrontend::spawn_with(&builder).unwrap();
    let pending = thread::scope(|scope| {
        let calling = scope.spawn(|| probe.spin());
        processes::signal(server.pid().unwrap(), Signal::SIGKILL);
        calling.join().unwrap()
    });
    assert!(matches!(pending, Err(CallError::Exited(_) | CallError::NotSent(_))), "{pending:?}");
    let next = ProbeFrontend::spawn_with(&builder).unwrap();
    assert_eq!(next.loaded(0).unwrap(), Some((10, 7)));
}

fn leave_a_thread() {
    let (started, wait) = std::sync::mpsc::channel();
    thread::Builder::new()
        .name("left-behind".to_owned())
        .spawn(move || {
            started.send(()).unwrap();
            loop {
                thread::park();
            }
        })
        .unwrap();
    wait.recv().unwrap();
}

fn fail_to_load() {
    panic!("the file is not there");
}

fn exit_early() {
    process::exit(3);
}

#[test]
fn a_preload_that_goes_wrong_is_an_error_that_says_how() {
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    for (preload, words) in [
        (leave_a_thread as fn(), "left-behind"),
        (fail_to_load, "the file is not there"),
        (exit_early, "exit status 3"),
    ] {
        let error = ForkServer::with_preload(preload).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(ProbeFrontend::spawn().unwrap().pid().is_ok());
}

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

/// Runs one test of this file in a copy with a changed environment; gives what it printed.
fn output_of(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = support::rerun::copy_of(test);
    command.envs(variables.iter().copied());
    finish(command)
}

fn finish(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_environment_forces_a_method_on_a_whole_program() {
    const NAME: &str = "the_environment_forces_a_method_on_a_whole_program";
    let _watchdog = watchdog();
    if support::rerun::is_copy_for(NAME) {
        let probe = ProbeFrontend::spawn_with(&Builder::new().limits(Limits::new().core_dump(0)));
        match std::env::var("WORKER_START").as_deref() {
            Ok("thread") => assert_eq!(probe.unwrap().pid().unwrap(), process::id()),
            Ok("fork-server" | "exec") => assert_ne!(probe.unwrap().pid().unwrap(), process::id()),
            other => println!("with {other:?}: {}", probe.unwrap_err()),
        }
        return;
    }
    for method in ["thread", "exec", "fork-server"] {
        let (passed, text) = output_of(NAME, &[("WORKER_START", method)]);
        assert!(passed, "{method}: {text}");
    }
    let (passed, text) = output_of(NAME, &[("WORKER_START", "threads")]);
    assert!(passed && text.contains("WORKER_START is \"threads\""), "{text}");
}

#[test]
fn an_executable_that_is_not_ours_is_told() {
    const NAME: &str = "an_executable_that_is_not_ours_is_told";
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    if support::rerun::is_copy_for(NAME) {
        println!("the spawn: {}", ProbeFrontend::spawn().unwrap_err());
        return;
    }
    match ProbeFrontend::spawn_with(&Builder::new().executable("/bin/true")) {
        Err(SpawnError::Executable(reason)) => {
            assert!(reason.contains("must contain worker-core"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    match ProbeFrontend::spawn_with(&Builder::new().executable("/nowhere/at/all")) {
        Err(SpawnError::Io(error)) => assert!(error.to_string().contains("/nowhere/at/all"), "{error}"),
        other => panic!("{other:?}"),
    }
    let (passed, text) = output_of(NAME, &[("WORKER_EXECUTABLE", "/bin/false")]);
    assert!(passed && text.contains("must contain worker-core"), "{text}");
    // Ourselves by another name: that works.
    let own = std::env::current_exe().unwrap();
    let probe = ProbeFrontend::spawn_with(&Builder::new().executable(own)).unwrap();
    assert!(probe.pid().is_ok());
    drop(ProbeFrontend::spawn_with(&Builder::new().executable(Path::new("/proc/self/exe"))).unwrap());
}

#[test]
fn an_executable_that_is_gone_is_still_started() {
    const NAME: &str = "an_executable_that_is_gone_is_still_started";
    let _watchdog = watchdog();
    if support::rerun::is_copy_for(NAME) {
        let own = std::env::current_exe().unwrap();
        fs::remove_file(&own).unwrap();
        let methods = [StartMethod::ForkServer, StartMethod::Exec];
        assert!(methods.iter().all(|&method| with(method).pid().is_ok()));
        // And with another file in its place.
        fs::write(&own, "#!/bin/false\n").unwrap();
        let server = ForkServer::with_preload(load_little).unwrap();
        let builder = Builder::new().fork_server(&server);
        assert_eq!(ProbeFrontend::spawn_with(&builder).unwrap().loaded(0).unwrap(), Some((10, 7)));
        assert!(methods.iter().all(|&method| with(method).pid().is_ok()));
        return;
    }
    let copy = support::scratch_file("executable");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let (passed, text) = finish(support::rerun::copy_at(&copy, NAME));
    fs::remove_file(&copy).unwrap();
    assert!(passed && text.contains("1 passed"), "{text}");
}

#[test]
fn a_backend_waits_for_a_debugger() {
    const NAME: &str = "a_backend_waits_for_a_debugger";
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    if support::rerun::is_copy_for(NAME) {
        if std::env::var("WORKER_DEBUG").is_ok_and(|value| value == "wiat:patient") {
            println!("the spawn: {}", ProbeFrontend::spawn().unwrap_err());
            return;
        }
        assert!(ProbeFrontend::spawn().unwrap().pid().is_ok());
        let waiting =
            thread::spawn(|| ProbeFrontend::spawn_with(&Builder::new().name("patient")).unwrap().pid());
        let mut pid = 0;
        eventually("the backend waits", || {
            pid = processes::waiting_for_debugger("patient").unwrap_or(0);
            pid != 0
        });
        assert!(!waiting.is_finished());
        processes::signal(pid, Signal::SIGCONT);
        assert_eq!(waiting.join().unwrap().unwrap(), pid);
        return;
    }
    let (passed, text) = output_of(NAME, &[("WORKER_DEBUG", "wait:patient")]);
    assert!(passed && text.contains("backend `patient` (pid ") && text.contains("gdb -p "), "{text}");
    let (passed, text) = output_of(NAME, &[("WORKER_DEBUG", "wiat:patient")]);
    assert!(passed && text.contains("WORKER_DEBUG is \"wiat:patient\""), "{text}");
}
