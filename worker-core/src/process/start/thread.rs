//! Start method `Thread`: the same backend in a thread of this program, over the same link.
//! Not here: anything that a process would fence.
//! Layer 5: over `link`.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use super::begin::BackendStart;
use super::{Keeper, NewBackend, Refused};
use crate::errors::ExitReason;
use crate::link;
use crate::process::protocol::{self, Notice};
use crate::sys::clock::Moment;
use crate::sys::doorbell::doorbell;
use crate::sys::limits::with_descriptors;
use crate::sys::socket;

/// What the first thread of a process usually has, in bytes; pages come to be when they are touched.
const STACK_BYTES: usize = 8 << 20;
/// Exit status of a thread that a panic ended where no caller was.
const STATUS_PANICKED: i32 = 101;

/// Starts a thread that is the backend.
pub(super) fn start(backend: NewBackend<'_>) -> Result<Keeper, Refused> {
    let NewBackend { builder, forced, run, surroundings, link: kind, supervision, mut descriptors } = backend;
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
    let link = with_descriptors(|| {
        let parts = descriptors.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        link::open(kind, parts)
    })?;
    drop(descriptors);
    // Nobody rings: that the bell is gone is the news, for everybody who waits for the end.
    let (lives, ended) = with_descriptors(doorbell)?;
    let start = BackendStart { name: surroundings.name, link };
    let thread = thread::Builder::new().name(start.name.replace('\0', " ")).stack_size(STACK_BYTES);
    let born = Notice::Born { pid: std::process::id(), is_thread: true };
    socket::send(supervision.as_fd(), &protocol::encode(&born), &[ended.as_fd()], false)
        .map_err(io::Error::from)?;
    thread.spawn(move || {
        let status = panic::catch_unwind(AssertUnwindSafe(|| run.call(start))).unwrap_or(STATUS_PANICKED);
        let reason = if status == 0 { ExitReason::Clean } else { ExitReason::Code(status) };
        let notice = Notice::Ended { reason, gone_at: Moment::now() };
        let _ = socket::send(supervision.as_fd(), &protocol::encode(&notice), &[], false);
        // Only now, with the reason told.
        drop(lives);
    })?;
    Ok(Keeper::Nobody)
}
