//! Start method `Thread`: the same backend in a thread of this program, over the same link.
//! Not here: anything that a process would fence.
//! Layer 5: over `link`.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, OnceLock};
use std::thread;

use super::begin::BackendStart;
use super::{Keeper, NewBackend, Refused};
use crate::errors::ExitReason;
use crate::link;
use crate::link::beside::Beside;
use crate::sys::clock::Moment;
use crate::sys::doorbell::doorbell;
use crate::sys::limits::with_descriptors;

/// What the first thread of a process usually has, in bytes; pages come to be when they are touched.
const STACK_BYTES: usize = 8 << 20;
/// Exit status of a thread that a panic ended where no caller was.
const STATUS_PANICKED: i32 = 101;

/// What there is to know of a backend that is a thread.
#[derive(Debug)]
pub(crate) struct End {
    /// Readable at the end. Nobody rings: that the bell is gone is the news, for everybody who waits.
    ended: Option<OwnedFd>,
    reason: Arc<OnceLock<(ExitReason, Moment)>>,
}

impl End {
    /// What is readable at the end; there is one to take.
    pub(in crate::process) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.ended.take()
    }

    /// How it ended, and when, once it has.
    pub(in crate::process) fn reason(&self) -> Option<(ExitReason, Moment)> {
        self.reason.get().cloned()
    }
}

/// Starts a thread that is the backend.
pub(super) fn start(backend: NewBackend<'_>) -> Result<Keeper, Refused> {
    let NewBackend { builder, forced, run, surroundings, link: kind, far_end, mut descriptors, .. } = backend;
    if !forced && !surroundings.settings.is_empty() {
        let message = "limits, niceness and processors are set on a process, and this backend is a thread";
        return Err(io::Error::new(ErrorKind::Unsupported, message).into());
    }
    if surroundings.has_directory {
        // A thread is where the program is.
        drop(descriptors.remove(0));
    }
    if let Some(server) = &builder.fork_server {
        server.load_here()?;
    }
    if surroundings.has_waits {
        // It has that already, too.
        drop(descriptors.remove(0));
    }
    let door = Arc::new(Beside::from(far_end));
    let mut link = link::open(kind, descriptors, Arc::clone(&door))?;
    link.peer = surroundings.spawner;
    let (lives, ended) = with_descriptors(doorbell)?;
    let reason = Arc::new(OnceLock::new());
    let end = End { ended: Some(OwnedFd::from(ended)), reason: Arc::clone(&reason) };
    let start = BackendStart { name: surroundings.name, id: surroundings.id, link, door };
    let thread = thread::Builder::new().name(start.name.replace('\0', " ")).stack_size(STACK_BYTES);
    thread.spawn(move || {
        let status = panic::catch_unwind(AssertUnwindSafe(|| run.call(start))).unwrap_or(STATUS_PANICKED);
        let how = if status == 0 { ExitReason::Clean } else { ExitReason::Code(status) };
        reason.get_or_init(|| (how, Moment::now()));
        // Only now, with the reason told.
        drop(lives);
    })?;
    Ok(Keeper::Thread(end))
}
