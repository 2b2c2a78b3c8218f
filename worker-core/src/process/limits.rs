//! Limits on a backend, and what else is set in it before any code of the user runs.
//! Not here: measuring (`usage`) and the system calls (`sys`).
//! Layer 5: plain data over `sys`.

use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};

use super::protocol::Refusal;
use crate::sys::{cpu, limits};

/// Limits of the system on one backend, kept by the kernel.
///
/// They are set in the backend before its constructor runs, and the backend cannot raise them. One
/// that cannot be set is an error of the spawn.
///
/// # Examples
///
/// ```
/// use worker_core::{Builder, CallError, Limits, process_actor};
///
/// pub struct Hoarder { hoard: Vec<u8> }
///
/// #[process_actor]
/// impl Hoarder {
///     pub fn new() -> Self { Self { hoard: Vec::new() } }
///     pub fn hoard(&mut self, bytes: usize) -> Result<usize, String> {
///         self.hoard.try_reserve(bytes).map_err(|error| error.to_string())?;
///         Ok(self.hoard.capacity())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if std::env::var_os("WORKER_START").is_some_and(|method| method == "thread") { return Ok(()) }
/// let builder = Builder::new().limits(Limits::new().memory(64 << 20));
/// let hoarder = HoarderFrontend::spawn_with(&builder)?;
/// assert!(hoarder.hoard(1 << 20).is_ok());
/// assert!(matches!(hoarder.hoard(1 << 30), Err(CallError::Actor(_))));
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// `setrlimit(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Limits {
    memory_bytes: Option<u64>,
    cpu_time: Option<Duration>,
    open_files: Option<u64>,
    core_dump_bytes: Option<u64>,
}

impl Limits {
    /// No limits but those that the program has itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the backend map so many bytes of address space beyond what it has when it starts.
    ///
    /// A backend begins with the program's code, with what was preloaded and with its link, some
    /// hundred megabytes of address space that are mostly not memory at all; none of it counts. An
    /// allocation beyond the limit fails, which ends a Rust program with SIGABRT unless it asks with
    /// `try_reserve` or its like.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// Lets the backend use so much processor time, in whole seconds, rounded up.
    ///
    /// Then it gets SIGXCPU, which ends it unless it is caught, and a second later SIGKILL.
    pub fn cpu_time(mut self, time: Duration) -> Self {
        self.cpu_time = Some(time);
        self
    }

    /// Lets the backend have descriptors with numbers below this one. Its link needs a few of them.
    pub fn open_files(mut self, count: u64) -> Self {
        self.open_files = Some(count);
        self
    }

    /// Lets a core file of the backend be so many bytes long; with 0 none is written.
    pub fn core_dump(mut self, bytes: u64) -> Self {
        self.core_dump_bytes = Some(bytes);
        self
    }

    /// Sets what is limited, on this process.
    fn set(&self) -> Result<(), Refusal> {
        if let Some(bytes) = self.core_dump_bytes {
            set("core files", Resource::RLIMIT_CORE, bytes, bytes)?;
        }
        if let Some(time) = self.cpu_time {
            let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
            set("processor time", Resource::RLIMIT_CPU, seconds, seconds.saturating_add(1))?;
        }
        if let Some(bytes) = self.memory_bytes {
            let mapped = limits::address_space_bytes().map_err(|error| Refusal::Other(error.to_string()))?;
            let all = mapped.saturating_add(bytes);
            set("memory", Resource::RLIMIT_AS, all, all)?;
        }
        if let Some(count) = self.open_files {
            set("open files", Resource::RLIMIT_NOFILE, count, count)?;
        }
        Ok(())
    }
}

fn set(what: &str, resource: Resource, soft: u64, hard: u64) -> Result<(), Refusal> {
    setrlimit(resource, soft, hard)
        .map_err(|errno| Refusal::system(format!("the limit of {what} could not be set to {soft}"), errno))
}

/// Everything of this kind that a builder asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(super) limits: Limits,
    pub(super) niceness: Option<i32>,
    pub(super) cpus: Option<Vec<usize>>,
}

impl Settings {
    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sets where and how willingly this process runs; before its link, which looks at the processors.
    pub(super) fn place(&self) -> Result<(), Refusal> {
        if let Some(cpus) = &self.cpus {
            cpu::pin(cpus).map_err(|errno| {
                Refusal::system(format!("the backend could not be put on the processors {cpus:?}"), errno)
            })?;
        }
        let Some(niceness) = self.niceness else { return Ok(()) };
        limits::set_niceness(niceness)
            .map_err(|errno| Refusal::system(format!("the niceness could not be set to {niceness}"), errno))
    }

    /// Limits this process, which has everything that it starts with by now.
    pub(super) fn limit(&self) -> Result<(), Refusal> {
        self.limits.set()
    }
}
