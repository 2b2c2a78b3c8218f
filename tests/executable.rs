//! Which executable is started for backends, and a backend that waits for a debugger.
//! Not here: libraries in foreign programs (`in_library`), and a real debugger (`debugger`).
//! Layer: the public surface, in copies of this test program.

#[path = "start/probe.rs"]
mod probe;
mod support;

use std::path::Path;
use std::{fs, thread};

use nix::sys::signal::Signal;
use probe::{ProbeFrontend, is_forced, load_little, with};
use support::{eventually, processes, rerun, watchdog};
use worker_core::{Builder, ForkServer, SpawnError, StartMethod};

#[test]
fn an_executable_that_is_not_ours_is_told() {
    const NAME: &str = "an_executable_that_is_not_ours_is_told";
    let _watchdog = watchdog();
    if is_forced() {
        return;
    }
    if rerun::is_copy_for(NAME) {
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
    let (passed, text) = rerun::output_of(NAME, &[("WORKER_EXECUTABLE", "/bin/false")]);
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
    if rerun::is_copy_for(NAME) {
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
    rerun::write_copy(&copy);
    let (passed, text) = rerun::finish(rerun::copy_at(&copy, NAME));
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
    if rerun::is_copy_for(NAME) {
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
    let (passed, text) = rerun::output_of(NAME, &[("WORKER_DEBUG", "wait:patient")]);
    assert!(passed && text.contains("backend `patient` (pid ") && text.contains("gdb -p "), "{text}");
    let (passed, text) = rerun::output_of(NAME, &[("WORKER_DEBUG", "wiat:patient")]);
    assert!(passed && text.contains("WORKER_DEBUG is \"wiat:patient\""), "{text}");
}
