//! Calls that are awaited on an executor that the library knows nothing of: one shared thread, while needed.
//! Not here: tokio (`async_calls`).
//! Layer: the public surface.

mod support;

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use support::executors::block_on;
use support::{eventually, has_processes, rerun, watchdog};
use worker_core::{Builder, CallError, Link, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// Answers, sleeps and dies as it is told.
pub struct Clerk;

#[process_actor]
impl Clerk {
    pub fn new() -> Self {
        Self
    }

    pub fn answer(&self, question: u64) -> u64 {
        !question
    }

    pub fn sleep(&self, milliseconds: u64) -> u64 {
        thread::sleep(Duration::from_millis(milliseconds));
        milliseconds
    }

    pub fn abort(&self) {
        std::process::abort();
    }
}

fn clerk(link: Link) -> ClerkFrontend {
    ClerkFrontend::spawn_with(&Builder::new().link(link)).unwrap()
}

/// Threads of the library in this program, by name.
fn helpers() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("worker-")).collect()
}

#[test]
fn one_thread_serves_every_actor_and_ends_with_the_last() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    rerun::alone("one_thread_serves_every_actor_and_ends_with_the_last", || {
        for _ in 0..3 {
            let clerks: Vec<_> = LINKS.iter().cycle().take(6).map(|&link| clerk(link)).collect();
            for clerk in &clerks {
                assert_eq!(clerk.answer(1), Ok(!1));
                assert_eq!(clerk.answer_async(1).wait(), Ok(!1));
            }
            assert_eq!(helpers(), [""; 0], "before anything is awaited");
            for clerk in &clerks {
                assert_eq!(block_on(clerk.answer_async(1)), Ok(!1));
            }
            assert_eq!(helpers(), ["worker-reactor"]);
            drop(clerks);
            eventually("the thread has ended", || helpers().is_empty());
        }
    });
}

#[test]
fn ten_thousand_calls_are_outstanding() {
    let _watchdog = watchdog();
    for link in LINKS {
        let clerk = clerk(link);
        let pending: Vec<_> = (0..10_000).map(|question| clerk.answer_async(question)).collect();
        block_on(async {
            for (question, pending) in (0..).zip(pending) {
                assert_eq!(pending.await, Ok(!question));
            }
        });
    }
}

#[test]
fn many_threads_run_executors_of_their_own() {
    let _watchdog = watchdog();
    for link in LINKS {
        let clerk = clerk(link);
        thread::scope(|scope| {
            for thread in 0..8 {
                let clerk = &clerk;
                scope.spawn(move || {
                    for number in 0..1000 {
                        let question = thread << 32 | number;
                        if number % 3 == 0 {
                            assert_eq!(clerk.answer(question), Ok(!question));
                        } else {
                            assert_eq!(block_on(clerk.answer_async(question)), Ok(!question));
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn a_death_is_seen() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let clerk = clerk(link);
        assert!(matches!(block_on(clerk.abort_async()), Err(CallError::Exited(_))));
        assert!(matches!(block_on(clerk.answer_async(1)), Err(CallError::NotSent(_))));
    }
}

#[test]
fn a_dropped_future_forgets_its_reply() {
    let _watchdog = watchdog();
    let clerk = clerk(Link::SharedMemory);
    // A thread that has to wait for a processor may find the reply at its first look; then nothing was given up.
    let mut given_up = 0;
    for question in 0.. {
        let mut pending = Box::pin(clerk.sleep_async(1));
        given_up += u32::from(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(pending);
        assert_eq!(block_on(clerk.answer_async(question)), Ok(!question));
        if given_up == 100 {
            break;
        }
    }
}

/// A waker with a fault of its own.
struct Faulty;

impl Wake for Faulty {
    fn wake(self: Arc<Self>) {
        panic!("a waker's own fault");
    }
}

#[test]
fn a_waker_that_panics_ends_nothing_else() {
    let _watchdog = watchdog();
    for link in LINKS {
        let clerk = clerk(link);
        let mut faulty = Box::pin(clerk.sleep_async(1));
        while faulty.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Faulty)))).is_ready() {
            faulty = Box::pin(clerk.sleep_async(1));
        }
        // Whichever of these meets the reply, runs the waker.
        assert_eq!(clerk.answer(1), Ok(!1));
        assert_eq!(block_on(clerk.answer_async(2)), Ok(!2));
        assert_eq!(block_on(faulty), Ok(1));
        if !has_processes() {
            continue;
        }
        let mut faulty = Box::pin(clerk.sleep_async(3_600_000));
        assert!(faulty.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Faulty)))).is_pending());
        drop(clerk.process().kill());
        assert!(matches!(block_on(faulty), Err(CallError::Exited(_))));
        assert!(matches!(block_on(clerk.answer_async(3)), Err(CallError::NotSent(_))));
    }
}
