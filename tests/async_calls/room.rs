//! Calls for which there is no room: the runtime goes on, and they leave in their order.
//! Not here: calls that leave at once (`awaited`).
//! Layer: tests only, through the public surface.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use worker_core::{CallError, Link};

use super::{ClerkFrontend, LINKS, clerk};
use crate::support::executors::one_thread;
use crate::support::{has_processes, watchdog};

/// Stops a backend for a while, as if it were busy with something else.
struct Stopped(Pid);

impl Stopped {
    fn new(clerk: &ClerkFrontend) -> Self {
        let pid = Pid::from_raw(clerk.process().pid().try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

/// More than any link holds.
const MANY: u64 = 50_000;

#[test]
fn a_backend_that_does_not_read_does_not_keep_the_runtime() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let clerk = clerk(link);
        one_thread().block_on(async {
            let stopped = Stopped::new(&clerk);
            // A call that waited for room here would wait for ever.
            let pending: Vec<_> = (0..MANY).map(|question| clerk.answer_async(question)).collect();
            let late = tokio::time::timeout(Duration::from_millis(10), clerk.calls_async()).await;
            assert!(late.is_err(), "{late:?}");
            drop(stopped);
            for (question, pending) in (0..).zip(pending) {
                assert_eq!(pending.await, Ok(!question));
            }
            // Given up before it could leave, `calls` was never asked; and nothing was asked twice.
            assert_eq!(clerk.calls_async().await, Ok(MANY));
        });
    }
}

#[test]
fn calls_that_wait_to_leave_keep_their_order_and_blocking_calls_wait_for_them() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let clerk = clerk(link);
        one_thread().block_on(async {
            let stopped = Stopped::new(&clerk);
            let noted: Vec<_> = (1..=MANY).map(|number| clerk.note_async(number)).collect();
            drop(stopped);
            assert_eq!(clerk.noted(), Ok(MANY), "a call that blocks overtook some");
            for noted in noted {
                assert_eq!(noted.wait(), Ok(true));
            }
        });
    }
}

#[test]
fn what_never_left_is_told_when_the_backend_dies() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let clerk = clerk(Link::SharedMemory);
    let runtime = one_thread();
    let pending: Vec<_> = runtime.block_on(async {
        let _stopped = Stopped::new(&clerk);
        let pending = (0..MANY).map(|question| clerk.answer_async(question)).collect();
        clerk.process().kill().unwrap();
        pending
    });
    runtime.block_on(async {
        for pending in pending {
            let error = pending.await.unwrap_err();
            assert!(matches!(error, CallError::Exited(_) | CallError::NotSent(_)), "{error:?}");
        }
        assert!(matches!(clerk.answer_async(1).await, Err(CallError::NotSent(_))));
    });
}
