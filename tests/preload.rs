//! What a fork server loads once, for all of its backends; and several such servers.
//! Not here: the server without a preload (`fork_server`).
//! Layer: the public surface.

#[path = "start/probe.rs"]
mod probe;
mod support;

use std::{process, thread};

use nix::sys::signal::Signal;
use probe::{LOADED, ProbeFrontend, is_forced, load_little};
use support::processes::{self, Entry};
use support::{eventually, watchdog};
use worker_core::{Builder, CallError, ForkServer, StartMethod};

const LOADED_BYTES: usize = 256 << 20;

fn load() {
    LOADED.get_or_init(|| {
        let mut bytes = vec![0; LOADED_BYTES];
        for (number, page) in bytes.chunks_mut(4096).enumerate() {
            page.fill(number as u8);
        }
        bytes
    });
}

#[test]
fn what_is_preloaded_is_in_every_backend_and_only_once() {
    let _watchdog = watchdog();
    let server = ForkServer::with_preload(load).unwrap();
    let builder = Builder::new().fork_server(&server);
    let probes: Vec<_> = (0..8).map(|_| ProbeFrontend::spawn_with(&builder).unwrap()).collect();
    let sum = probes[0].sum().unwrap();
    for probe in &probes {
        assert_eq!(probe.loaded(4096).unwrap(), Some((LOADED_BYTES, 1)));
        assert_eq!(probe.sum().unwrap(), sum);
    }
    if is_forced() {
        return;
    }
    assert!(LOADED.get().is_none(), "it was loaded in the program");
    for probe in &probes {
        let usage = probe.process().usage();
        assert!(usage.resident > LOADED_BYTES as u64, "{usage:?}");
        assert!(usage.unique < 2 << 20, "{usage:?}");
    }
    // A fresh image has to load for itself, and does.
    let fresh = ProbeFrontend::spawn_with(&builder.start(StartMethod::Exec)).unwrap();
    assert_eq!(fresh.sum().unwrap(), sum);
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
