//! The digests that `sha256sum` prints, made by several processes, with a progress bar.
//!
//! `cargo run --release --example digest -- [-j N] [--kill-one] [FILE OR FOLDER]...`
//!
//! Without a file or folder it takes this repository. Folders are taken with everything below them;
//! a link to a file counts as the file, and a link to a folder below a folder is not followed. What
//! cannot be read is told at the end, and the exit status is 1 then. A worker that dies is replaced
//! and its file taken again: try `--kill-one`, or `kill -9` from another terminal.

#[path = "digest/entries.rs"]
mod entries;
#[path = "digest/options.rs"]
mod options;
#[path = "digest/report.rs"]
mod report;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use worker_core::{Builder, CallError, Exit, SpawnError, process_actor};

use entries::{Entry, entries_of};
use options::Options;

/// Bytes that one call reads at most, so that the progress bar moves in a huge file too.
const STEP_BYTES: u64 = 64 * 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;
/// How often a file is tried when the workers that read it die.
const ATTEMPTS: u32 = 3;

/// Hashes one file at a time. Runs in a process of its own.
pub struct Digester {
    file: Option<File>,
    hasher: Sha256,
    buffer: Vec<u8>,
}

/// How far a file got by one call.
#[derive(Debug, Serialize, Deserialize)]
pub struct Step {
    read_bytes: u64,
    /// Present once the end is reached.
    digest: Option<[u8; 32]>,
}

#[process_actor]
impl Digester {
    /// Starts without a file.
    pub fn new() -> Self {
        Self { file: None, hasher: Sha256::new(), buffer: vec![0; BUFFER_BYTES] }
    }

    /// Begins a file, instead of the one before.
    pub fn begin(&mut self, path: &Path) -> io::Result<Step> {
        self.hasher.reset();
        self.file = Some(File::open(path)?);
        self.go_on()
    }

    /// Goes on with the file that was begun.
    pub fn go_on(&mut self) -> io::Result<Step> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no file was begun"));
        };
        let mut read_bytes = 0;
        while read_bytes < STEP_BYTES {
            match file.read(&mut self.buffer) {
                Ok(0) => {
                    self.file = None;
                    let digest = Some(self.hasher.finalize_reset().into());
                    return Ok(Step { read_bytes, digest });
                }
                Ok(length) => {
                    self.hasher.update(&self.buffer[..length]);
                    read_bytes += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Step { read_bytes, digest: None })
    }
}

/// What all workers share.
struct Work<'entries> {
    entries: &'entries [Entry],
    next: AtomicUsize,
    /// The entry at which a worker is killed, to see what comes of it.
    deadly: Option<usize>,
    bar: ProgressBar,
}

impl Work<'_> {
    /// Takes entries until none is left, with one worker process at a time.
    fn run(&self, number: usize) -> Result<(), SpawnError> {
        let builder = Builder::new().name(format!("digest-{number}"));
        let mut worker = DigesterFrontend::spawn_with(&builder)?;
        loop {
            // Relaxed: each number is given to one thread, which is all that is asked of it.
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = self.entries.get(index) else { return Ok(()) };
            if entry.outcome.get().is_some() {
                continue;
            }
            let mut attempt = 1;
            let outcome = loop {
                let mut read_bytes = 0;
                let kill = self.deadly == Some(index) && attempt == 1;
                match self.digest(&worker, entry, kill, &mut read_bytes) {
                    Ok(digest) => break Ok(digest),
                    Err(CallError::Actor(error)) => break Err(error.to_string()),
                    Err(CallError::Exited(exit) | CallError::NotSent(exit)) => {
                        self.tell(&exit, entry);
                        self.bar.dec(read_bytes);
                        worker = DigesterFrontend::spawn_with(&builder)?;
                        if attempt == ATTEMPTS {
                            break Err(format!("{attempt} workers died of it; the last {}", exit.reason));
                        }
                        attempt += 1;
                    }
                    Err(other) => break Err(other.to_string()),
                }
            };
            let _ = entry.outcome.set(outcome);
        }
    }

    /// Has a worker hash one file, and counts how far it gets.
    fn digest(
        &self,
        worker: &DigesterFrontend,
        entry: &Entry,
        kill: bool,
        read_bytes: &mut u64,
    ) -> Result<[u8; 32], CallError<io::Error>> {
        let first = worker.begin_async(&entry.path);
        if kill {
            let _ = worker.process().kill();
        }
        let mut step = first.wait()?;
        loop {
            *read_bytes += step.read_bytes;
            self.bar.inc(step.read_bytes);
            match step.digest {
                Some(digest) => return Ok(digest),
                None => step = worker.go_on()?,
            }
        }
    }

    fn tell(&self, exit: &Exit, entry: &Entry) {
        self.bar.suspend(|| eprintln!("digest: {exit}, while it had {}", entry.path.display()));
    }
}

/// Hashes all entries on `workers` processes; gives the errors of those that could not be started.
fn digest_all(entries: &[Entry], workers: usize, kill_one: bool) -> Vec<SpawnError> {
    let total_bytes = entries.iter().map(|entry| entry.size_bytes).sum();
    let style =
        ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    let bar = ProgressBar::new(total_bytes).with_style(style.unwrap_or(ProgressStyle::default_bar()));
    let middle = entries.len() / 2;
    let deadly = (middle..entries.len()).find(|&at| kill_one && entries[at].outcome.get().is_none());
    let work = Work { entries, next: AtomicUsize::new(0), deadly, bar };
    let errors = thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (1..=workers).map(|number| scope.spawn(move || work.run(number))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()?.err()).collect()
    });
    work.bar.finish_and_clear();
    errors
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("digest: {message}");
            return ExitCode::from(2);
        }
    };
    let entries = entries_of(&options.paths);
    let errors = digest_all(&entries, options.workers.min(entries.len()), options.kill_one);
    match report::report(&entries, &errors) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("digest: the result could not be written: {error}");
            ExitCode::FAILURE
        }
    }
}
