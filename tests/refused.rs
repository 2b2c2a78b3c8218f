//! What the system refuses: memory, and processes. A clear error, nothing left, and all well after relief.
//! Not here: descriptors (`leaks`), and limits that a builder sets (`start`).
//! Layer: the public surface; each test alone in a process, because it limits what that process may have.

mod support;

use std::process;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use support::processes;
use support::{eventually, rerun, watchdog};
use worker_core::{
    Builder, CallError, ForkServer, Limits, Link, Output, Restart, SpawnError, StartMethod, process_actor,
};

const MIB: usize = 1 << 20;
const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// Echoes, and makes what it is asked for.
pub struct Echo;

#[process_actor]
impl Echo {
    pub fn new() -> Self {
        Self
    }

    pub fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    pub fn length(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    pub fn zeros(&self, length_bytes: usize) -> Result<Vec<u8>, String> {
        let mut zeros = Vec::new();
        zeros.try_reserve_exact(length_bytes).map_err(|error| error.to_string())?;
        zeros.resize(length_bytes, 0);
        Ok(zeros)
    }
}

/// What this process and its fork server hold.
fn held() -> (usize, usize, usize) {
    let server = processes::fork_server_of(process::id()).map_or(0, |server| server.pid);
    let of_server = processes::descriptors_of(server).len();
    (processes::descriptors().len(), processes::shared_mappings(), of_server)
}

/// Runs what fails, and sees that it leaves nothing behind. Backends may take a moment to go.
fn nothing_stays(run: impl FnOnce()) {
    assert_eq!(EchoFrontend::spawn().unwrap().add(1, 2).unwrap(), 3);
    let alone = || processes::descendants(process::id()).len() == 1;
    eventually("the first actor is gone", alone);
    let before = held();
    run();
    eventually("every process is gone", alone);
    eventually("nothing is held that was not before", || held() == before);
}

fn limit(resource: Resource, soft: u64) {
    let (_, hard) = getrlimit(resource).unwrap();
    setrlimit(resource, soft.min(hard), hard).unwrap();
}

/// Sets the soft limit of another process of ours.
fn limit_of(pid: u32, resource: libc::__rlimit_resource_t, soft: u64) {
    let limits = libc::rlimit { rlim_cur: soft, rlim_max: libc::RLIM_INFINITY };
    let mut limits_before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let pid = processes::to_pid(pid).as_raw();
    // SAFETY: both are live values; nothing new is set.
    let result = unsafe { libc::prlimit(pid, resource, std::ptr::null(), &raw mut limits_before) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    let limits = libc::rlimit { rlim_max: limits_before.rlim_max, ..limits };
    // SAFETY: as above; the old limits are not asked for.
    let result = unsafe { libc::prlimit(pid, resource, &raw const limits, std::ptr::null_mut()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Lets this process be somebody whom the limit of processes binds: it does not bind root.
fn be_nobody() {
    const NOBODY: u32 = 65534;
    if Uid::effective().is_root() {
        setgroups(&[]).unwrap();
        setgid(Gid::from_raw(NOBODY)).unwrap();
        setuid(Uid::from_raw(NOBODY)).unwrap();
        // A change of user closes `/proc/self` to the process itself.
        // SAFETY: plain integers.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) }, 0);
    }
}

fn refused<E: std::fmt::Debug>(spawned: Result<EchoFrontend, SpawnError<E>>, words: &str) {
    match spawned {
        Err(SpawnError::Io(error)) => assert!(error.to_string().contains(words), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_may_have_no_more_processes_is_told_so() {
    let _watchdog = watchdog();
    rerun::alone("a_program_that_may_have_no_more_processes_is_told_so", || {
        be_nobody();
        let (before, _) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
        limit(Resource::RLIMIT_NPROC, 0);
        // There is no fork server yet, and none can be started. The first try makes what every program holds once.
        refused(EchoFrontend::spawn(), "could not be started");
        let held_before = (processes::descriptors().len(), processes::shared_mappings());
        for _ in 0..3 {
            refused(EchoFrontend::spawn(), "could not be started");
        }
        assert!(ForkServer::with_preload(|| ()).is_err());
        assert_eq!((processes::descriptors().len(), processes::shared_mappings()), held_before);
        assert!(processes::descendants(process::id()).is_empty());
        limit(Resource::RLIMIT_NPROC, before);
        assert_eq!(EchoFrontend::spawn().unwrap().add(1, 2).unwrap(), 3);
    });
}

#[test]
fn a_fork_server_that_may_have_no_more_processes_says_so() {
    let _watchdog = watchdog();
    rerun::alone("a_fork_server_that_may_have_no_more_processes_says_so", || {
        be_nobody();
        let (before, _) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
        nothing_stays(|| {
            let server = processes::fork_server_of(process::id()).unwrap().pid;
            // No spare is made for such an order, so each takes a process that is not there yet.
            let without_spare = Builder::new().stderr(Output::Null);
            let restarted = without_spare.clone().restart(Restart::on_crash());
            let lasting = EchoFrontend::spawn_with(&restarted).unwrap();
            for _ in 0..3 {
                limit_of(server, libc::RLIMIT_NPROC, 0);
                for method in [StartMethod::ForkServer, StartMethod::Exec] {
                    refused(
                        EchoFrontend::spawn_with(&without_spare.clone().start(method)),
                        "could not be forked",
                    );
                }
                // Those that live go on.
                assert_eq!(lasting.add(1, 2).unwrap(), 3);
                limit_of(server, libc::RLIMIT_NPROC, before);
                assert_eq!(EchoFrontend::spawn().unwrap().add(1, 2).unwrap(), 3);
            }
            // A restart that is refused counts, and the next one is made.
            limit_of(server, libc::RLIMIT_NPROC, 0);
            lasting.process().kill().unwrap();
            lasting.process().wait();
            let refused = lasting.with_timeout(std::time::Duration::from_millis(50)).add(1, 2);
            assert!(
                matches!(refused, Err(CallError::NotSentInTime { .. } | CallError::NotSent(_))),
                "{refused:?}"
            );
            limit_of(server, libc::RLIMIT_NPROC, before);
            let patient = EchoFrontend::spawn().unwrap();
            assert_eq!(patient.add(1, 2).unwrap(), 3);
        });
    });
}

#[test]
fn a_program_without_memory_for_a_link_is_told_so() {
    let _watchdog = watchdog();
    rerun::alone("a_program_without_memory_for_a_link_is_told_so", || {
        // A socket needs no memory of the program's.
        let spawn = || EchoFrontend::spawn_with(&Builder::new().link(Link::SharedMemory));
        nothing_stays(|| {
            let living = spawn().unwrap();
            let (before, _) = getrlimit(Resource::RLIMIT_AS).unwrap();
            for _ in 0..3 {
                limit(Resource::RLIMIT_AS, address_space_bytes() + 16 * MIB as u64);
                refused(spawn(), "memory");
                assert_eq!(living.add(1, 2).unwrap(), 3);
                limit(Resource::RLIMIT_AS, before);
                assert_eq!(spawn().unwrap().add(1, 2).unwrap(), 3);
            }
        });
    });
}

#[test]
fn a_message_for_which_there_is_no_memory_is_an_error_that_says_so() {
    let _watchdog = watchdog();
    rerun::alone("a_message_for_which_there_is_no_memory_is_an_error_that_says_so", || {
        let bytes = vec![7; 80 * MIB];
        nothing_stays(|| {
            for link in LINKS {
                let echo = EchoFrontend::spawn_with(&Builder::new().link(link)).unwrap();
                assert_eq!(echo.length(&bytes).unwrap(), bytes.len());
                let (before, _) = getrlimit(Resource::RLIMIT_AS).unwrap();
                limit(Resource::RLIMIT_AS, address_space_bytes() + 16 * MIB as u64);
                let refused = echo.length(&bytes);
                limit(Resource::RLIMIT_AS, before);
                let text = match refused {
                    Err(CallError::Encode(error)) => error.to_string(),
                    other => panic!("{link:?}: {other:?}"),
                };
                assert!(text.contains("memory") && !text.contains("serde"), "{link:?}: {text}");
                assert_eq!(echo.length(&bytes).unwrap(), bytes.len(), "{link:?}: the actor lives on");
            }
        });
    });
}

#[test]
fn a_backend_without_memory_for_a_request_says_so_and_lives_on() {
    let _watchdog = watchdog();
    let bytes = vec![7; 200 * MIB];
    for link in LINKS {
        let builder = Builder::new().link(link).limits(Limits::new().memory(80 * MIB as u64));
        let echo = EchoFrontend::spawn_with(&builder).unwrap();
        for _ in 0..3 {
            match echo.length(&bytes) {
                Err(CallError::Decode(error)) => {
                    let text = error.to_string();
                    assert!(text.contains("memory") && !text.contains("serde"), "{link:?}: {text}");
                }
                other => panic!("{link:?}: {other:?}"),
            }
            assert_eq!(echo.length(&bytes[..4 * MIB]).unwrap(), 4 * MIB, "{link:?}: the actor lives on");
        }
        match echo.zeros(200 * MIB) {
            Err(CallError::Actor(error)) => assert!(error.contains("memory"), "{link:?}: {error}"),
            other => panic!("{link:?}: {other:?}"),
        }
        assert!(echo.stop().unwrap().is_clean());
    }
}

#[test]
fn a_reply_that_is_too_long_is_an_error_and_the_actor_lives_on() {
    let _watchdog = watchdog();
    for link in LINKS {
        let builder = Builder::new().link(link).reply_max_bytes(MIB);
        let echo = EchoFrontend::spawn_with(&builder).unwrap();
        for _ in 0..3 {
            for length_bytes in [MIB + 100, 40 * MIB, 100 * MIB] {
                match echo.zeros(length_bytes) {
                    Err(CallError::Decode(error)) => {
                        assert!(error.to_string().contains("reply_max_bytes"), "{link:?}: {error}");
                    }
                    other => panic!("{link:?}: {other:?}"),
                }
            }
            assert_eq!(echo.zeros(MIB).unwrap().len(), MIB);
        }
    }
}

fn address_space_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
