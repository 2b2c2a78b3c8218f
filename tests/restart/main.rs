//! Restarts and deadlines: what becomes of an actor, and of the calls to it, when its process ends.
//! Not here: groups (`groups`), and actors that stay dead (`death`).
//! Layer: the public surface.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod listeners;
mod lives;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, process, thread};

use worker_core::{Builder, Context, Exit, Restart, process_actor};

/// Long enough to be sure that a request has left, short enough to wait for.
const GRACE: Duration = Duration::from_millis(100);

pub struct Worker {
    start: i64,
    total: i64,
}

#[process_actor]
impl Worker {
    pub fn new(start: i64) -> Self {
        Self { start, total: start }
    }

    /// Fails, in each of these ways, as long as there is a file with its name.
    pub fn unless(file: PathBuf) -> Result<Self, String> {
        match fs::read_to_string(&file).as_deref() {
            Ok("error") => Err("the file says so".to_owned()),
            Ok("panic") => panic!("the file says so"),
            Ok("exit") => process::exit(3),
            Ok("hang") => loop {
                thread::park();
            },
            _ => Ok(Self { start: 0, total: 0 }),
        }
    }

    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }

    pub fn start(&self) -> i64 {
        self.start
    }

    #[oneway]
    pub fn spin(&self, begun: PathBuf) {
        fs::write(begun, "").unwrap();
        loop {
            thread::park();
        }
    }

    #[oneway]
    pub fn note(&self, file: &Path, _filler: &[u8]) {
        fs::write(file, "").unwrap();
    }

    pub fn abort(&self) {
        process::abort()
    }

    pub fn finish(&self, context: &Context<Self>) {
        context.stop();
    }
}

fn restarting() -> Builder {
    Builder::new()
        .restart(Restart::on_crash().max(100).within(Duration::from_secs(60)).backoff(Duration::ZERO))
}

fn kill(worker: &WorkerFrontend) -> Exit {
    worker.process().kill().unwrap();
    worker.process().wait()
}
