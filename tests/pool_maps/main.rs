//! Maps over a pool: every input has one result, and a process that dies costs the one input that it worked on.
//! Not here: leases (`pools`).
//! Layer: tests only, through the public surface.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod deaths;
mod ends;
mod recycling;
mod results;
mod sharing;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use support::scratch_file;
use worker_core::{Builder, Pool, PoolBuilder, process_actor};

/// Works on inputs, and notes in a file which ones it began.
pub struct Worker {
    journal: Option<PathBuf>,
    hoard: Vec<u8>,
}

#[process_actor]
impl Worker {
    pub fn new() -> Self {
        Self { journal: None, hoard: Vec::new() }
    }

    pub fn noting(journal: &Path) -> Self {
        Self { journal: Some(journal.to_owned()), hoard: Vec::new() }
    }

    pub fn slow(time: Duration) -> Self {
        thread::sleep(time);
        Self::new()
    }

    pub fn failing() -> Result<Self, String> {
        Err("no".to_owned())
    }

    fn note(&self, n: u64) {
        if let Some(journal) = &self.journal {
            let mut file = OpenOptions::new().append(true).create(true).open(journal).expect("the journal");
            // One write: whole lines, whoever else writes.
            file.write_all(format!("{n}\n").as_bytes()).expect("a line");
        }
    }

    pub fn double(&self, n: u64) -> u64 {
        self.note(n);
        2 * n
    }

    /// Needs more memory with every input, up to a bound.
    pub fn hoard(&mut self, n: u64) -> u64 {
        self.note(n);
        if self.hoard.len() < 64 << 20 {
            self.hoard.resize(self.hoard.len() + (64 << 10), 1);
        }
        2 * n
    }

    pub fn double_slowly(&self, n: u64, time: Duration) -> u64 {
        self.note(n);
        thread::sleep(time);
        2 * n
    }

    /// Dies in as many ways as there are, of every input that `every` divides.
    pub fn risky(&self, n: u64, every: u64) -> u64 {
        self.note(n);
        if n.is_multiple_of(every) {
            match n / every % 4 {
                0 => std::process::abort(),
                1 => std::process::exit(0),
                2 => loop_without_end(0),
                _ => std::process::exit(7),
            };
        }
        2 * n
    }

    /// Dies of an input the first time.
    pub fn flaky(&self, n: u64, marks: &Path) -> u64 {
        let mark = marks.with_extension(n.to_string());
        if !mark.exists() {
            fs::write(mark, b"").expect("a mark");
            std::process::abort();
        }
        2 * n
    }

    pub fn hang(&self, n: u64, on: u64) -> u64 {
        self.note(n);
        if n == on {
            loop {
                thread::park();
            }
        }
        2 * n
    }

    pub fn fail(&self, n: u64) -> Result<u64, String> {
        match n % 3 {
            0 => Ok(n),
            1 => Err(format!("{n} is no good")),
            _ => panic!("{n} is worse"),
        }
    }

    pub fn length(&self, bytes: &[u8], time: Duration) -> usize {
        thread::sleep(time);
        bytes.len()
    }

    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    pub fn abort(&self) {
        std::process::abort();
    }
}

/// Uses up the stack.
#[allow(unconditional_recursion, reason = "that is what it is for")]
fn loop_without_end(depth: u64) -> u64 {
    let room = [depth; 64];
    std::hint::black_box(&room).len() as u64 + loop_without_end(depth + 1)
}

type Workers = Pool<WorkerFrontend>;

fn builder(size: usize) -> PoolBuilder<WorkerFrontend> {
    Pool::builder().size(size).process(Builder::new().name("worker"))
}

fn spawn(builder: PoolBuilder<WorkerFrontend>) -> Workers {
    builder.spawn(WorkerFrontend::spawn_with).expect("a pool")
}

/// A pool whose processes note what they begin.
fn noting(builder: PoolBuilder<WorkerFrontend>) -> (Workers, Journal) {
    let journal = Journal(scratch_file("journal"));
    let path = journal.0.clone();
    (
        builder.spawn(move |builder| WorkerFrontend::spawn_noting_with(builder, &path)).expect("a pool"),
        journal,
    )
}

struct Journal(PathBuf);

impl Journal {
    /// How often each input was begun.
    fn begun(&self) -> BTreeMap<u64, u32> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let mut begun = BTreeMap::new();
        for line in text.lines() {
            *begun.entry(line.parse().expect("a number")).or_default() += 1;
        }
        begun
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
