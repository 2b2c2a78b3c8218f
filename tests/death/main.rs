//! Ends from outside and by intent: killed, stopped, dropped, stuck.
//! Not here: a backend that fails by itself (`faults`), or whose program goes (`outlive`).
//! Layer: the public surface.

#[path = "../support/mod.rs"]
mod support;

mod killed;
mod stopped;

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, thread};

use nix::sys::signal::{SigHandler, Signal, signal};
use support::watchdog;
use worker_core::{Builder, Context, Exit, ExitReason, Link, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
/// Short, because the tests wait for it to pass.
const GRACE: Duration = Duration::from_millis(50);

/// Works, sleeps, or never comes back.
pub struct Worker {
    done: u64,
    diary: Option<PathBuf>,
}

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self { done: 0, diary: None }
    }

    pub fn with_diary(path: PathBuf) -> Self {
        Self { done: 0, diary: Some(path) }
    }

    pub fn work(&mut self) -> u64 {
        self.done += 1;
        self.done
    }

    #[oneway]
    pub fn work_later(&mut self) {
        self.done += 1;
    }

    pub fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }

    pub fn ignore_sigterm(&self) {
        // SAFETY: ignoring a signal runs no code.
        unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
    }

    #[oneway]
    pub fn spin_later(&self) {
        self.spin();
    }

    /// Says, by a file, that it has begun, and never comes back.
    pub fn begin_and_spin(&self, begun: PathBuf) {
        fs::write(begun, "").unwrap();
        self.spin();
    }

    pub fn finish(&mut self, context: &Context<Self>) -> u64 {
        context.stop();
        self.done
    }

    #[oneway]
    pub fn finish_later(&mut self, context: &Context<Self>) {
        context.stop();
    }

    /// Has the process take its time once everything of the actor is done.
    pub fn exit_slowly(&self) {
        extern "C" fn write_a_long_profile() {
            thread::sleep(Duration::from_millis(1500));
        }
        // SAFETY: the handler touches nothing.
        assert_eq!(unsafe { libc::atexit(write_a_long_profile) }, 0);
    }

    #[stopped]
    fn end(&mut self) {
        if let Some(path) = &self.diary {
            fs::write(path, self.done.to_string()).unwrap();
        }
    }
}

fn over_links(test: impl Fn(&Builder)) {
    let _watchdog = watchdog();
    for link in LINKS {
        test(&Builder::new().name("worker-1").link(link).stop_timeout(GRACE));
    }
}

fn patient() -> Builder {
    Builder::new().stop_timeout(Duration::from_secs(60))
}

fn ended_by(worker: &WorkerFrontend, signal: Signal) -> Exit {
    let exit = worker.process().wait();
    match exit.reason {
        ExitReason::Signal { signal: number, .. } => assert_eq!(number, signal as i32),
        ref other => panic!("{other:?}"),
    }
    assert_eq!((exit.pid, exit.name.as_str()), (worker.process().pid(), worker.process().name()));
    exit
}
