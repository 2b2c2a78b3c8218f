//! The operating system, one file per kernel facility, each a thin and safe shape around it.
//! Not here: any policy; nothing in this room knows what an actor is.
//! Layer 1: the only rooms with unsafe system calls. `docs/safety.md` is the index of them.

mod ancillary;
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod descriptors;
pub(crate) mod doorbell;
pub(crate) mod exec;
pub(crate) mod huge_pages;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod module;
pub(crate) mod pidfd;
pub(crate) mod proc_files;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod title;

use std::io;

use nix::errno::Errno;

/// Says what was being done when the system refused it, and keeps the kind of the error.
pub(crate) fn while_doing(what: &str, errno: Errno) -> io::Error {
    let cause = io::Error::from(errno);
    io::Error::new(cause.kind(), format!("{what}: {cause}"))
}

/// Runs a system call again when a signal interrupted it.
pub(crate) fn retry_on_interrupt<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
