//! Nobody outlives the program, and no backend its fork server, whatever kills them.
//! Not here: a backend that ends while the program lives (`death`).
//! Layer: the public surface, in helper programs: this very file, run again.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, kill, killpg};
use support::processes::{self, Entry, signal};
use support::{eventually, eventually_within_undisturbed, rerun, scratch_file, watchdog};
use worker_core::{CallError, ExitReason, SpawnError, process_actor};

/// What was promised for the time after the program's end.
const PROMISED: Duration = Duration::from_secs(2);

/// Stays, spins, and starts others.
pub struct Parent {
    children: Vec<Child>,
    nested: Vec<ParentFrontend>,
}

#[process_actor]
impl Parent {
    pub fn new() -> Self {
        Self { children: Vec::new(), nested: Vec::new() }
    }

    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    #[oneway]
    pub fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }

    /// Starts a program that would run for a while; gives its process id.
    pub fn start_program(&mut self) -> u32 {
        let child =
            Command::new("sleep").arg("100").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        self.children.push(child);
        pid
    }

    /// Spawns actors below actors, the lowest of them stuck in a loop; gives their process ids.
    pub fn nest(&mut self, depth: u32) -> Vec<u32> {
        let below = ParentFrontend::spawn().unwrap();
        let mut pids = vec![below.pid().unwrap(), below.start_program().unwrap()];
        if depth > 1 {
            pids.extend(below.nest(depth - 1).unwrap());
        } else {
            below.spin().unwrap();
        }
        self.nested.push(below);
        pids
    }
}

/// The program that the tests kill: it spawns all sorts of actors, says so, and goes on calling.
fn family_program() {
    let idle = ParentFrontend::spawn().unwrap();
    idle.start_program().unwrap();
    let stuck = ParentFrontend::spawn().unwrap();
    stuck.spin().unwrap();
    let nesting = ParentFrontend::spawn().unwrap();
    nesting.nest(3).unwrap();
    println!("\nready");
    loop {
        nesting.pid().unwrap();
    }
}

/// Five besides those that it nests: the program, its fork server, three actors, a `sleep`.
const FAMILY: usize = 6 + 3 * 3;

/// A program that spawns and drops actors from several threads, so that its end comes amid that.
fn spawning_program() {
    println!("\nready");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let actor = ParentFrontend::spawn().unwrap();
                    actor.start_program().unwrap();
                    actor.spin().unwrap();
                }
            });
        }
    });
}

/// A helper program that runs.
struct Running {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    mark: String,
}

/// Marks everything that comes of a helper program.
const MARK: &str = "WORKER_TESTS_MARK";

/// Runs the calling test in a copy, in a process group of its own, until it says that it is ready.
fn start(test: &str) -> Running {
    let mark = scratch_file(test).display().to_string();
    let mut command = rerun::copy_of(test);
    // Whoever runs the tests in the background may have them ignore Ctrl-C, which is inherited; the program is one
    // that does not.
    let heed = || {
        // SAFETY: one system call between fork and exec, without a handler.
        unsafe { nix::sys::signal::signal(Signal::SIGINT, SigHandler::SigDfl) }?;
        Ok(())
    };
    // SAFETY: the closure makes one system call, which may be made between fork and exec.
    unsafe { command.pre_exec(heed) };
    let mut child = command.env(MARK, &mark).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap() == "ready"), "`{test}` gets ready");
    Running { child, output, mark }
}

impl Running {
    fn family(&self) -> Vec<u32> {
        processes::with_variable(MARK, &self.mark)
    }

    /// Ends the program; its family must be gone in the time promised, and its shared memory too.
    fn end_by(mut self, end: impl FnOnce(u32)) {
        let memory: BTreeSet<_> = self.family().into_iter().flat_map(processes::link_inodes_of).collect();
        end(self.child.id());
        self.child.wait().unwrap();
        eventually_within_undisturbed(PROMISED, "the whole family is gone", || self.family().is_empty());
        assert!(processes::link_inodes().is_disjoint(&memory), "memory is still mapped");
    }
}

impl Drop for Running {
    /// Of a test that fails nothing must spin on.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn family_ends_by(test: &str, end: impl Fn(u32)) {
    if rerun::is_copy_for(test) {
        family_program();
    }
    let _watchdog = watchdog();
    for _ in 0..3 {
        let running = start(test);
        // What was forked ahead of a spawn may be among them, and goes by itself.
        eventually("the family is whole", || running.family().len() == FAMILY);
        running.end_by(&end);
    }
}

#[test]
fn nothing_is_left_after_sigkill() {
    family_ends_by("nothing_is_left_after_sigkill", |pid| signal(pid, Signal::SIGKILL));
}

#[test]
fn nothing_is_left_after_sigterm() {
    family_ends_by("nothing_is_left_after_sigterm", |pid| signal(pid, Signal::SIGTERM));
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    family_ends_by("nothing_is_left_after_ctrl_c", |pid| {
        killpg(processes::to_pid(pid), Signal::SIGINT).unwrap();
    });
}

#[test]
fn nothing_is_left_when_program_and_fork_server_are_killed_at_once() {
    // What a backend has started itself is killed by the fork server, so there is none here.
    const NAME: &str = "nothing_is_left_when_program_and_fork_server_are_killed_at_once";
    if rerun::is_copy_for(NAME) {
        let actors: Vec<_> = (0..4).map(|_| ParentFrontend::spawn().unwrap()).collect();
        actors[..2].iter().for_each(|actor| actor.spin().unwrap());
        println!("\nready");
        loop {
            // It may live on for a moment after its backends.
            let _ = actors[2].pid();
        }
    }
    let _watchdog = watchdog();
    let running = start(NAME);
    running.end_by(|program| {
        let server = processes::fork_server_of(program).unwrap();
        signal(program, Signal::SIGSTOP);
        signal(server.pid, Signal::SIGKILL);
        signal(program, Signal::SIGKILL);
    });
}

#[test]
fn nothing_is_left_when_killed_amid_spawning() {
    const NAME: &str = "nothing_is_left_when_killed_amid_spawning";
    if rerun::is_copy_for(NAME) {
        spawning_program();
    }
    let _watchdog = watchdog();
    for round in 0..10 {
        let running = start(NAME);
        eventually("it spawns", || running.family().len() > 3 * round);
        running.end_by(|program| signal(program, Signal::SIGKILL));
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_interrupt(_signal: i32) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

#[test]
fn ctrl_c_belongs_to_the_program() {
    const NAME: &str = "ctrl_c_belongs_to_the_program";
    if rerun::is_copy_for(NAME) {
        // SAFETY: the handler only stores to an atomic.
        unsafe { nix::sys::signal::signal(Signal::SIGINT, SigHandler::Handler(note_interrupt)) }.unwrap();
        let actor = ParentFrontend::spawn().unwrap();
        let nested = actor.nest(1).unwrap();
        println!("\nready");
        eventually("the signal comes", || INTERRUPTED.load(Ordering::SeqCst));
        // The backends have not noticed, and end in order.
        actor.pid().unwrap();
        assert!(nested.iter().all(|&pid| processes::runs(pid)));
        assert!(actor.stop().unwrap().is_clean());
        println!("\nin order");
        return;
    }
    let _watchdog = watchdog();
    let mut running = start(NAME);
    killpg(processes::to_pid(running.child.id()), Signal::SIGINT).unwrap();
    assert!(running.output.any(|line| line.unwrap() == "in order"));
    assert!(running.child.wait().unwrap().success());
    eventually_within_undisturbed(PROMISED, "the whole family is gone", || running.family().is_empty());
}

#[test]
fn a_killed_fork_server_takes_its_backends_and_the_next_spawn_starts_another() {
    let _watchdog = watchdog();
    rerun::alone("a_killed_fork_server_takes_its_backends_and_the_next_spawn_starts_another", || {
        for _ in 0..5 {
            let idle = ParentFrontend::spawn().unwrap();
            let stuck = ParentFrontend::spawn().unwrap();
            stuck.spin().unwrap();
            let pending = stuck.pid_async();
            let server = processes::fork_server_of(std::process::id()).unwrap();
            signal(server.pid, Signal::SIGKILL);
            for actor in [&idle, &stuck] {
                let exit = actor.process().wait();
                assert_eq!((exit.reason, exit.pid), (ExitReason::Unknown, actor.process().pid()));
                eventually("it is gone", || !processes::runs(exit.pid));
            }
            assert!(matches!(pending.wait(), Err(CallError::Exited(_) | CallError::NotSent(_))));
            assert!(matches!(idle.pid(), Err(CallError::NotSent(_))));
            let exit = idle.stop().unwrap();
            assert!(exit.to_string().contains("its fork server was ended before it"), "{exit}");
            let next = ParentFrontend::spawn().unwrap();
            assert_eq!(next.pid().unwrap(), next.process().pid());
            assert_eq!(Entry::of(server.pid), None, "not even a zombie");
        }
    });
}

#[test]
fn a_fork_server_that_is_killed_while_spawning_costs_those_spawns_only() {
    let _watchdog = watchdog();
    rerun::alone("a_fork_server_that_is_killed_while_spawning_costs_those_spawns_only", || {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        // Some fail, and none hangs; each failure is one of a lost fork server.
                        match ParentFrontend::spawn() {
                            Ok(actor) => drop(actor.pid()),
                            Err(SpawnError::Exited(exit)) => assert_eq!(exit.reason, ExitReason::Unknown),
                            Err(SpawnError::Io(error)) => {
                                assert!(error.to_string().contains("fork server"), "{error}");
                            }
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                });
            }
            let mut killed = BTreeSet::new();
            eventually("twenty fork servers were killed", || {
                let server = processes::fork_server_of(std::process::id());
                if let Some(server) = server.filter(|server| !killed.contains(&server.pid)) {
                    // It may be on its way already: a server seen twice is killed once.
                    let _ = kill(processes::to_pid(server.pid), Signal::SIGKILL);
                    killed.insert(server.pid);
                }
                killed.len() == 20
            });
            done.store(true, Ordering::SeqCst);
        });
        assert!(ParentFrontend::spawn().unwrap().stop().unwrap().is_clean());
    });
}
