//! What several test files need: a watchdog, a look at processes, a program run again alone, executors.
//! Not here: any actor; each file has its own.
//! Layer: tests only.
#![allow(dead_code, reason = "each test file uses its own part of it")]

pub(crate) mod executors;
pub(crate) mod processes;
pub(crate) mod rerun;
pub(crate) mod streams;

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Ends the whole test program, loudly, if it is not dropped in time.
///
/// A test that hangs shows where it hangs; no test asserts how fast something is.
pub(crate) struct Watchdog(Sender<()>);

/// Time that a test gets: far more than any needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Starts a watchdog for the calling test.
#[must_use = "it watches until it is dropped"]
pub(crate) fn watchdog() -> Watchdog {
    let name = thread::current().name().unwrap_or("a test without a name").to_owned();
    let (keep, dropped) = channel::<()>();
    let (starts, started) = channel::<()>();
    thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            drop(starts);
            if dropped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                // Where nobody listens any more, `eprintln!` would panic instead of going on.
                let _ =
                    writeln!(stderr(), "`{name}` still runs after {PATIENCE:?}: it hangs, and all is ended");
                std::process::abort();
            }
        })
        .expect("a thread for the watchdog");
    // What a thread takes at its start, it has then: the test may go on to take memory or descriptors away.
    let _ = started.recv();
    Watchdog(keep)
}

/// Whether actors live in processes, and not, by `WORKER_START=thread`, in threads of this program.
///
/// A test of what only a process has ends early without.
pub(crate) fn has_processes() -> bool {
    std::env::var_os("WORKER_START").is_none_or(|method| method != "thread")
}

/// Looks again and again until something holds; gives up loudly where the watchdog would.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    eventually_within(PATIENCE / 2, what, &mut holds);
}

/// As [`eventually`], for what was promised within a time.
pub(crate) fn eventually_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        // Only the pace of looking; what counts is what is seen.
        thread::sleep(Duration::from_millis(2));
    }
}

/// As [`eventually_within`], not counting the time in which somebody on this machine waited for a processor: what
/// is promised is promised for a machine that has one to give. Where nobody counts that, only that it happens.
pub(crate) fn eventually_within_undisturbed(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    let Some(waited) = waited_for_processors() else { return eventually(what, holds) };
    eventually_within(PATIENCE / 2, what, || {
        let disturbed = waited_for_processors().unwrap_or(waited).saturating_sub(waited);
        let holds = holds();
        assert!(
            holds || start.elapsed() < limit + disturbed,
            "not within {limit:?}, {disturbed:?} of others not counted: {what}"
        );
        holds
    });
}

/// Time, since the machine started, in which at least one thread waited for a processor; `None` where the kernel
/// does not count it.
fn waited_for_processors() -> Option<Duration> {
    let pressure = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let (_, total) = pressure.lines().find_map(|line| line.strip_prefix("some ")?.split_once("total="))?;
    Some(Duration::from_micros(total.trim().parse().ok()?))
}

/// A path for a file that no other test uses; the test removes the file.
pub(crate) fn scratch_file(what: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Relaxed: a number is given out once, in any order.
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("worker-tests-{what}-{}-{number}", std::process::id()))
}
