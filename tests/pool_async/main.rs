//! Pools from tasks: the async twins of maps, calls and broadcasts, on tokio and on an executor that nobody knows.
//! Not here: what a map is (`pool_maps`), and taking (`pools`).
//! Layer: tests only, through the public surface.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod ends;
mod maps;
mod waiting;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::Stream;
use support::executors::{block_on, one_thread};
use worker_core::{Builder, Pool, PoolBuilder, process_actor};

pub struct Worker;

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self
    }

    pub fn slow(time: Duration) -> Self {
        thread::sleep(time);
        Self
    }

    pub fn double(&self, n: u64) -> u64 {
        2 * n
    }

    pub fn double_slowly(&self, n: u64, time: Duration) -> u64 {
        thread::sleep(time);
        2 * n
    }

    /// Dies of every input that `every` divides.
    pub fn risky(&self, n: u64, every: u64) -> u64 {
        if n.is_multiple_of(every) {
            std::process::exit(3);
        }
        2 * n
    }

    pub fn hang(&self, n: u64, on: u64) -> u64 {
        if n == on {
            loop {
                thread::park();
            }
        }
        2 * n
    }

    pub fn length(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    pub fn abort(&self) {
        std::process::abort();
    }
}

type Workers = Pool<WorkerFrontend>;

fn builder(size: usize) -> PoolBuilder<WorkerFrontend> {
    Pool::builder().size(size).process(Builder::new().name("worker"))
}

fn spawn(builder: PoolBuilder<WorkerFrontend>) -> Workers {
    builder.spawn(WorkerFrontend::spawn_with).expect("a pool")
}

/// Runs the same on tokio, and on an executor that the library does not know.
fn everywhere<F: Future<Output = ()>>(test: impl Fn() -> F) {
    one_thread().block_on(test());
    block_on(test());
}

/// What any stream adapter does.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

async fn all<S: Stream + Unpin>(mut stream: S) -> Vec<S::Item> {
    let mut items = Vec::new();
    while let Some(item) = next(&mut stream).await {
        items.push(item);
    }
    items
}

/// Asks once, and waits no longer.
async fn ask_once<F: Future>(asked: F) -> Poll<F::Output> {
    let mut asked = pin!(asked);
    poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await
}
