//! Nothing is left behind: processes, zombies, descriptors, mappings, also where limits are near.
//! Not here: ends of the whole program (`outlive`).
//! Layer: the public surface; each test alone in a process, because it counts what that process has.

mod support;

use std::fs::File;
use std::process;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::processes::{self, Entry};
use support::{eventually, rerun, watchdog};
use worker_core::{Builder, Link, SpawnError, process_actor};

/// An actor to make and to lose.
pub struct Leaf {
    directory: String,
}

#[process_actor]
impl Leaf {
    pub fn new() -> Self {
        Self { directory: current_directory() }
    }

    pub fn failing() -> Result<Self, String> {
        Err("on purpose".to_owned())
    }

    pub fn panicking() -> Self {
        panic!("on purpose")
    }

    pub fn exiting() -> Self {
        process::exit(3)
    }

    pub fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    pub fn directory(&self) -> String {
        self.directory.clone()
    }

    pub fn descriptors(&self) -> Vec<(i32, String)> {
        processes::descriptors()
    }

    pub fn shared_mappings(&self) -> usize {
        processes::shared_mappings()
    }

    pub fn open_files_soft(&self) -> u64 {
        open_files_soft()
    }
}

fn current_directory() -> String {
    std::env::current_dir().unwrap().display().to_string()
}

fn open_files_soft() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).unwrap().0
}

/// What a process holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: Vec<(i32, String)>,
    shared_mappings: usize,
    descendants: Vec<u32>,
}

impl Held {
    fn now() -> Self {
        Self {
            descriptors: processes::descriptors(),
            shared_mappings: processes::shared_mappings(),
            descendants: processes::descendants(process::id()).iter().map(|entry| entry.pid).collect(),
        }
    }
}

/// What is held once only the fork server is left.
///
/// A process that is forked ahead of a spawn may come a moment after that, and waits a moment for it. So one look
/// has to see both that there is none and what is held.
fn settled(server: u32) -> Held {
    let mut held = Held::now();
    eventually("only the fork server is left", || {
        held = Held::now();
        held.descendants == [server]
    });
    held
}

/// Runs `rounds` and compares what is held before and after. Backends may take a moment to go.
fn nothing_stays(rounds: impl FnOnce()) {
    drop(LeafFrontend::spawn().unwrap().stop().unwrap());
    let server = processes::fork_server_of(process::id()).expect("there has been a spawn").pid;
    let before = settled(server);
    let server_before = processes::descriptors_of(server).len();
    rounds();
    assert_eq!(settled(server), before);
    // It says that a backend has ended before it closes its end.
    eventually("the fork server holds no more than before", || {
        processes::descriptors_of(server).len() <= server_before
    });
}

#[test]
fn five_hundred_rounds_leave_nothing() {
    let _watchdog = watchdog();
    rerun::alone("five_hundred_rounds_leave_nothing", || {
        nothing_stays(|| {
            for round in 0..500_u64 {
                let link = if round % 5 == 0 { Link::Socket } else { Link::SharedMemory };
                let leaf = LeafFrontend::spawn_with(&Builder::new().link(link)).unwrap();
                assert_eq!(leaf.add(round, 1).unwrap(), round + 1);
                match round % 4 {
                    0 => leaf.process().kill().unwrap(),
                    1 => drop(leaf.stop().unwrap()),
                    2 => {
                        leaf.process().kill().unwrap();
                        drop(leaf.process().wait());
                    }
                    _ => drop(leaf),
                }
            }
        });
    });
}

#[test]
fn spawns_that_fail_leave_nothing() {
    let _watchdog = watchdog();
    rerun::alone("spawns_that_fail_leave_nothing", || {
        nothing_stays(|| {
            for round in 0..100 {
                let link = if round % 2 == 0 { Link::Socket } else { Link::SharedMemory };
                let builder = Builder::new().link(link);
                let failing = LeafFrontend::spawn_failing_with(&builder);
                assert!(matches!(failing, Err(SpawnError::Constructor(_))));
                // At once, not after a moment.
                assert_eq!(processes::backends_below(process::id()), []);
                if round % 10 < 2 {
                    // Not each time: a backtrace in a fresh process takes long.
                    let panicking = LeafFrontend::spawn_panicking_with(&builder);
                    assert!(matches!(panicking, Err(SpawnError::Panicked(_))));
                }
                let exiting = LeafFrontend::spawn_exiting_with(&builder);
                assert!(matches!(exiting, Err(SpawnError::Exited(_))));
            }
        });
    });
}

#[test]
fn pendings_and_clones_leave_nothing() {
    let _watchdog = watchdog();
    rerun::alone("pendings_and_clones_leave_nothing", || {
        nothing_stays(|| {
            for round in 0..100 {
                let leaf = LeafFrontend::spawn().unwrap();
                let pending: Vec<_> = (0..50).map(|n| leaf.clone().add_async(n, round)).collect();
                if round % 2 == 0 {
                    leaf.process().kill().unwrap();
                }
                drop(leaf);
                if round % 3 == 0 {
                    pending.into_iter().for_each(|pending| drop(pending.wait()));
                }
            }
        });
    });
}

#[test]
fn an_actor_costs_four_descriptors_and_a_backend_holds_its_own() {
    let _watchdog = watchdog();
    rerun::alone("an_actor_costs_four_descriptors_and_a_backend_holds_its_own", || {
        // A stream costs one more in the program: the doorbell of its own threads.
        // A backend has two doorbells, or its stream and a doorbell of its own; the door beside its link; and the
        // table of waits.
        // Before there is any actor: memory has no number in its name, and a backend's may come to lie at the
        // place at which the program has memory of its own.
        let inherited = processes::descriptors();
        for (link, per_actor, per_backend) in [(Link::SharedMemory, 4, 4), (Link::Socket, 5, 5)] {
            let builder = Builder::new().link(link);
            let first = LeafFrontend::spawn_with(&builder).unwrap();
            let before = processes::descriptors().len();
            let mapped = processes::shared_mappings();
            let leaves: Vec<_> = (0..10).map(|_| LeafFrontend::spawn_with(&builder).unwrap()).collect();
            let after = processes::descriptors();
            assert!(after.len() - before <= per_actor * leaves.len(), "{link:?} {after:#?}");
            let mappings = if link == Link::SharedMemory { 1 } else { 0 };
            assert_eq!(processes::shared_mappings() - mapped, mappings * leaves.len());
            // The last backend was forked when the links of all others existed, and has none of them.
            for leaf in [&first, &leaves[9]] {
                let mut holds = leaf.descriptors().unwrap();
                holds.retain(|entry| !inherited.contains(entry));
                assert_eq!(holds.len(), per_backend, "{link:?} {holds:#?}");
                assert_eq!(leaf.shared_mappings().unwrap(), mappings);
            }
        }
    });
}

#[test]
fn a_thousand_actors_live_under_a_soft_limit_of_1024() {
    let _watchdog = watchdog();
    rerun::alone("a_thousand_actors_live_under_a_soft_limit_of_1024", || {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(hard >= 5000, "the test needs a hard limit of 5,000 open files, not {hard}");
        setrlimit(Resource::RLIMIT_NOFILE, 1024, hard).unwrap();
        let directory = current_directory();
        let leaves: Vec<_> = (0..1000).map(|_| LeafFrontend::spawn().unwrap()).collect();
        let pending: Vec<_> = leaves.iter().zip(0..).map(|(leaf, n)| leaf.add_async(n, 1)).collect();
        for (pending, n) in pending.into_iter().zip(0..) {
            assert_eq!(pending.wait().unwrap(), n + 1);
        }
        for leaf in &leaves {
            assert_eq!(leaf.directory().unwrap(), directory, "also of one spawned at the limit");
        }
        // Raised for the program only, and only because there was need.
        assert_eq!(open_files_soft(), hard);
        for leaf in [&leaves[0], &leaves[999]] {
            assert_eq!(leaf.open_files_soft().unwrap(), 1024, "a backend has the limit that the user chose");
        }
        let pids: Vec<_> = leaves.iter().map(|leaf| leaf.process().pid()).collect();
        drop(leaves);
        eventually("all of them are gone", || pids.iter().all(|&pid| Entry::of(pid).is_none()));
    });
}

/// Spawns until that fails, for a reason that must name the limit.
fn spawn_to_the_limit() -> Vec<LeafFrontend> {
    let mut leaves = Vec::new();
    loop {
        match LeafFrontend::spawn() {
            Ok(leaf) => leaves.push(leaf),
            Err(SpawnError::Io(error)) => {
                assert!(error.to_string().contains("open files"), "{error}");
                return leaves;
            }
            Err(other) => panic!("{other:?}"),
        }
        assert!(leaves.len() < 200, "the limit is never reached");
    }
}

#[test]
fn at_the_limit_a_spawn_fails_clearly_and_works_again_after_relief() {
    let _watchdog = watchdog();
    rerun::alone("at_the_limit_a_spawn_fails_clearly_and_works_again_after_relief", || {
        setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
        nothing_stays(|| {
            // With one more descriptor in use each time, every step of a spawn is once the one that fails.
            let mut fillers = Vec::new();
            for _ in 0..20 {
                fillers.push(File::open("/dev/null").unwrap());
                let leaves = spawn_to_the_limit();
                assert!(!leaves.is_empty());
                leaves.iter().for_each(|leaf| assert_eq!(leaf.add(1, 2).unwrap(), 3));
            }
        });
    });
}

#[test]
fn at_the_limit_of_the_fork_server_a_spawn_fails_clearly_and_works_again_after_relief() {
    let _watchdog = watchdog();
    rerun::alone(
        "at_the_limit_of_the_fork_server_a_spawn_fails_clearly_and_works_again_after_relief",
        || {
            drop(LeafFrontend::spawn().unwrap().stop().unwrap());
            let server = processes::fork_server_of(process::id()).unwrap().pid;
            nothing_stays(|| {
                let own = processes::descriptors_of(server).len() as u64;
                for room in (12..30).rev() {
                    limit_open_files_of(server, own + room);
                    let leaves = spawn_to_the_limit();
                    leaves.iter().for_each(|leaf| assert_eq!(leaf.add(1, 2).unwrap(), 3));
                    let count = leaves.len();
                    drop(leaves);
                    eventually("every process is gone", || processes::descendants(process::id()).len() == 1);
                    if count > 0 {
                        assert_eq!(LeafFrontend::spawn().unwrap().add(1, 2).unwrap(), 3);
                    }
                    eventually("every process is gone", || processes::descendants(process::id()).len() == 1);
                }
            });
        },
    );
}

fn limit_open_files_of(pid: u32, limit: u64) {
    let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    let pid = processes::to_pid(pid).as_raw();
    // SAFETY: the new limits are a live value, and the old ones are not asked for.
    let result = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limits, std::ptr::null_mut()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
