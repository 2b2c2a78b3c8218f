//! The actor of the tests about how a backend comes to be, which tells what it finds around it.
//! Not here: any test.
//! Layer: tests only.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::{fs, process};

use worker_core::{Builder, StartMethod, process_actor};

pub(crate) static LOADED: OnceLock<Vec<u8>> = OnceLock::new();

pub struct Probe {
    nested: Option<ProbeFrontend>,
    hoard: Vec<Vec<u8>>,
}

#[process_actor]
impl Probe {
    pub fn new() -> Self {
        Self { nested: None, hoard: Vec::new() }
    }

    pub fn broken() -> Result<Self, String> {
        Err("broken on purpose".to_owned())
    }

    /// Fails with what the process is limited to while the constructor runs.
    pub fn limited() -> Result<Self, String> {
        let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap();
        Err([read("limits"), read("status"), read("stat")].concat())
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }

    /// Uses some processor time.
    pub fn work(&self) -> u64 {
        (0..20_000_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number))
    }

    /// Where a static of the program lies.
    pub fn address(&self) -> usize {
        &raw const LOADED as usize
    }

    pub fn panic(&self) {
        panic!("on purpose")
    }

    pub fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }

    pub fn nest(&mut self, exec: bool) -> Result<u32, String> {
        let method = if exec { StartMethod::Exec } else { StartMethod::ForkServer };
        let nested =
            ProbeFrontend::spawn_with(&Builder::new().start(method)).map_err(|error| error.to_string())?;
        let pid = nested.pid().map_err(|error| error.to_string())?;
        self.nested = Some(nested);
        Ok(pid)
    }

    /// Length of what was preloaded, and a byte of it.
    pub fn loaded(&self, at: usize) -> Option<(usize, u8)> {
        LOADED.get().map(|bytes| (bytes.len(), bytes[at]))
    }

    /// Sum over one byte of each page of what was preloaded.
    pub fn sum(&self) -> u64 {
        LOADED.get().map_or(0, |bytes| bytes.iter().step_by(4096).map(|&byte| u64::from(byte)).sum())
    }

    pub fn reserve(&mut self, bytes: usize) -> Result<(), String> {
        let mut block = Vec::new();
        block.try_reserve_exact(bytes).map_err(|error| error.to_string())?;
        self.hoard.push(block);
        Ok(())
    }

    /// Opens so many descriptors at once.
    pub fn open(&self, count: usize) -> Result<(), String> {
        let files: Result<Vec<_>, _> = (0..count).map(|_| fs::File::open("/dev/null")).collect();
        files.map(drop).map_err(|error| error.to_string())
    }

    pub fn status(&self, name: &str) -> String {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }

    pub fn niceness(&self) -> String {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        fields.split_ascii_whitespace().nth(16).unwrap().to_owned()
    }

    pub fn directory(&self) -> PathBuf {
        std::env::current_dir().unwrap()
    }

    pub fn has_marker(&self) -> bool {
        std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("WORKER_CORE"))
    }
}

/// Whether `WORKER_START` has taken the choice from these tests, which are about choosing.
pub(crate) fn is_forced() -> bool {
    std::env::var_os("WORKER_START").is_some()
}

pub(crate) fn with(method: StartMethod) -> ProbeFrontend {
    ProbeFrontend::spawn_with(&Builder::new().start(method)).unwrap()
}

/// Loads a little, which shows that a preload was run.
pub(crate) fn load_little() {
    LOADED.get_or_init(|| vec![7; 10]);
}
