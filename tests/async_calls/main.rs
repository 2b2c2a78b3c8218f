//! Calls that are awaited on tokio: no thread, nothing lost, whatever else goes on with the actor.
//! Not here: other executors (`async_anywhere`).
//! Layer: the public surface.

#[path = "../support/mod.rs"]
mod support;

mod awaited;
mod deaths;
mod room;

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use worker_core::{Builder, Link, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// Answers, sleeps and dies as it is told.
pub struct Clerk {
    calls: u64,
    noted: u64,
}

#[process_actor]
impl Clerk {
    pub fn new() -> Self {
        Self { calls: 0, noted: 0 }
    }

    pub fn answer(&mut self, question: u64) -> u64 {
        self.calls += 1;
        !question
    }

    pub fn long_answer(&self, question: u64, length: usize) -> Vec<u64> {
        vec![!question; length]
    }

    pub fn refuse(&self, why: String) -> Result<(), String> {
        Err(why)
    }

    pub fn sleep(&self, milliseconds: u64) -> u64 {
        thread::sleep(Duration::from_millis(milliseconds));
        milliseconds
    }

    /// Notes a number; says whether it follows the one before.
    pub fn note(&mut self, number: u64) -> bool {
        let follows = number == self.noted + 1;
        self.noted = number;
        follows
    }

    pub fn noted(&self) -> u64 {
        self.noted
    }

    pub fn calls(&self) -> u64 {
        self.calls
    }

    pub fn abort(&self) {
        std::process::abort();
    }
}

fn clerk(link: Link) -> ClerkFrontend {
    ClerkFrontend::spawn_with(&Builder::new().link(link)).unwrap()
}

fn many_threads() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

/// Polls once, for nobody.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
