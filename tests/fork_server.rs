//! The program's file deleted or replaced while it runs, and what the fork server leaves behind.
//! Not here: its death (`outlive`), and its limits (`leaks`).
//! Layer: the public surface, in helper programs: copies of this test program.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{processes, rerun, scratch_file, watchdog};
use worker_core::process_actor;

/// Tells what it inherited, and spawns its like.
pub struct Heir {
    child: Option<HeirFrontend>,
}

#[process_actor]
impl Heir {
    pub fn new() -> Self {
        Self { child: None }
    }

    pub fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    pub fn nest(&mut self) -> u64 {
        self.child.insert(HeirFrontend::spawn().unwrap()).add(1, 2).unwrap()
    }

    pub fn variables(&self) -> Vec<String> {
        std::env::vars().map(|(name, _)| name).collect()
    }

    pub fn variables_of_child(&self) -> Vec<String> {
        let output = Command::new("env").arg("-0").stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split('\0').filter_map(|variable| Some(variable.split_once('=')?.0.to_owned())).collect()
    }

    /// Runs this very program as any program would, and gives what it prints.
    pub fn run_program(&self, test: &str) -> String {
        let output = rerun::copy_of(test).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A copy of the test program, at a place where it can be deleted and replaced.
struct Copied(PathBuf);

impl Copied {
    fn new() -> Self {
        let path = scratch_file("program");
        rerun::write_copy(&path);
        Self(path)
    }

    #[track_caller]
    fn run(&self, test: &str) {
        let status = rerun::copy_at(&self.0, test).env(PATH, &self.0).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Tells the copy where it lies: it is allowed to do as it likes with that file.
const PATH: &str = "WORKER_TESTS_PROGRAM";

fn own_path() -> PathBuf {
    std::env::var_os(PATH).expect("the copy is told").into()
}

fn spawns_work() {
    for n in 0..5 {
        let mut heirs: Vec<_> = (0..3).map(|_| HeirFrontend::spawn().unwrap()).collect();
        for heir in &heirs {
            assert_eq!(heir.add(n, 1).unwrap(), n + 1);
        }
        assert_eq!(heirs.pop().unwrap().nest().unwrap(), 3);
    }
}

/// Has the next spawn start another fork server.
fn end_fork_server() {
    let server = processes::fork_server_of(std::process::id()).unwrap();
    processes::signal(server.pid, nix::sys::signal::Signal::SIGKILL);
    support::eventually("the fork server is gone", || !processes::runs(server.pid));
}

fn replace(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_program_may_be_deleted_before_the_first_spawn() {
    const NAME: &str = "the_program_may_be_deleted_before_the_first_spawn";
    let _watchdog = watchdog();
    if rerun::is_copy_for(NAME) {
        fs::remove_file(own_path()).unwrap();
        spawns_work();
        end_fork_server();
        return spawns_work();
    }
    Copied::new().run(NAME);
}

#[test]
fn the_program_may_be_deleted_between_spawns() {
    const NAME: &str = "the_program_may_be_deleted_between_spawns";
    let _watchdog = watchdog();
    if rerun::is_copy_for(NAME) {
        spawns_work();
        fs::remove_file(own_path()).unwrap();
        spawns_work();
        end_fork_server();
        return spawns_work();
    }
    Copied::new().run(NAME);
}

#[test]
fn the_program_may_be_replaced_by_another() {
    const NAME: &str = "the_program_may_be_replaced_by_another";
    let _watchdog = watchdog();
    if rerun::is_copy_for(NAME) {
        replace(&own_path(), "#!/bin/sh\nexit 7\n");
        spawns_work();
        end_fork_server();
        replace(&own_path(), "no program at all");
        return spawns_work();
    }
    Copied::new().run(NAME);
}

/// By this variable a copy of the program knows that it is to be no program.
const MARKER: &str = "WORKER_CORE_COPY";

fn markers(variables: &[String]) -> Vec<&String> {
    let program: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    variables.iter().filter(|name| !program.contains(name) && !name.starts_with('_')).collect()
}

#[test]
fn no_marker_is_left_in_backends_or_what_they_start() {
    let _watchdog = watchdog();
    let heir = HeirFrontend::spawn().unwrap();
    let nothing = Vec::<&String>::new();
    assert_eq!(markers(&heir.variables().unwrap()), nothing);
    assert_eq!(markers(&heir.variables_of_child().unwrap()), nothing);
    let program: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    assert_eq!(markers(&program), nothing, "nor in the program");
}

#[test]
fn a_backend_may_start_the_same_program_and_it_runs_as_usual() {
    const NAME: &str = "a_backend_may_start_the_same_program_and_it_runs_as_usual";
    let _watchdog = watchdog();
    if rerun::is_copy_for(NAME) {
        assert_eq!(HeirFrontend::spawn().unwrap().add(20, 22).unwrap(), 42);
        return println!("\nit was {}", 42);
    }
    let heir = HeirFrontend::spawn().unwrap();
    let output = heir.run_program(NAME).unwrap();
    assert!(output.contains("it was 42") && output.contains("1 passed"), "{output}");
}

#[test]
fn a_forged_marker_does_nothing() {
    const NAME: &str = "a_forged_marker_does_nothing";
    let _watchdog = watchdog();
    if rerun::is_copy_for(NAME) {
        return assert_eq!(HeirFrontend::spawn().unwrap().add(1, 2).unwrap(), 3);
    }
    // Of some other program, of nobody, and not even of the right form.
    for value in
        ["server:0:1", "ordered:0:1", "server:7:4194303", "server:-1:-1", "", "x", "server:2", "1:2:3"]
    {
        let output = rerun::copy_of(NAME).env(MARKER, value).output().unwrap();
        assert!(output.status.success(), "{value}: {output:?}");
        // It was a program, and no server that ends without a word.
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{value}: {output:?}");
    }
    // The name is the right one: a marker that does name the parent makes no program of this copy.
    let marker = format!("server:0:{}", std::process::id());
    let output = rerun::copy_of(NAME).env(MARKER, marker).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}
