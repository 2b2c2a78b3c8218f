//! A real debugger at a backend that waits for it.
//! Not here: the waiting itself, which needs none (`start`).
//! Layer: the public surface, and gdb; `.ci/run debugger` sees to that there is one, and runs this.

mod support;

use std::process::{Command, Stdio};
use std::{fs, thread};

use support::{eventually, processes, rerun, watchdog};
use worker_core::{Builder, process_actor};

pub struct Patient {
    secret: u64,
}

#[process_actor]
impl Patient {
    pub fn new(secret: u64) -> Self {
        Self { secret }
    }

    pub fn secret(&self) -> u64 {
        self.secret
    }
}

fn tracer_of(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "needs gdb; run it by `.ci/run debugger`"]
fn gdb_attaches_to_a_backend_that_waits_and_stops_it_in_its_constructor() {
    const NAME: &str = "gdb_attaches_to_a_backend_that_waits_and_stops_it_in_its_constructor";
    let _watchdog = watchdog();
    if rerun::is_copy_for(NAME) {
        return attach();
    }
    let output = rerun::copy_of(NAME).arg("--ignored").env("WORKER_DEBUG", "wait:patient").output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// The command for a breakpoint at this line of this file.
fn break_at(wanted: &str) -> String {
    let at = include_str!("debugger.rs").lines().position(|line| line.trim() == wanted).unwrap();
    format!("break {}:{}", file!(), at + 1)
}

fn attach() {
    let waiting = thread::spawn(|| PatientFrontend::spawn_with(&Builder::new().name("patient"), 7).unwrap());
    let mut pid = 0;
    eventually("the backend waits", || {
        pid = processes::waiting_for_debugger("patient").unwrap_or(0);
        pid != 0
    });
    // What the message of the backend says: attach, then `continue`. Before that, a look at where it is, and a
    // breakpoint in the constructor: no code of the user has run yet.
    let (new, secret) = (break_at("Self { secret }"), break_at("self.secret"));
    let commands = ["backtrace", &new, &secret, "continue", "continue", "continue"];
    let gdb = Command::new("gdb")
        .args(["-nx", "-batch", "-p", &pid.to_string()])
        .args(commands.iter().flat_map(|command| ["-ex", command]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gdb can be started");
    let patient = waiting.join().unwrap();
    assert_eq!((patient.process().pid(), patient.secret().unwrap()), (pid, 7));
    assert_eq!(tracer_of(pid), gdb.id(), "it runs under the debugger");
    assert!(patient.stop().unwrap().is_clean());
    let output = gdb.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("wait_for_continue"), "it was found where it waits: {text}");
    let stops: Vec<_> = ["Breakpoint 1, ", "Breakpoint 2, "].iter().map(|stop| text.find(stop)).collect();
    assert!(stops.iter().all(Option::is_some) && stops[0] < stops[1], "{text}");
    assert!(text.contains("exited normally"), "{text}");
}
