//! The operating system, one file per kernel facility, each a thin and safe shape around it.
//! Not here: any policy; nothing in this room knows what an actor is.
//! Layer 1: the only rooms with unsafe system calls. `docs/safety.md` is the index of them.

mod ancillary;
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod descriptors;
pub(crate) mod doorbell;
pub(crate) mod epoll;
pub(crate) mod exec;
pub(crate) mod held;
pub(crate) mod huge_pages;
pub(crate) mod init_array;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod module;
pub(crate) mod pidfd;
pub(crate) mod poll;
pub(crate) mod proc_files;
#[cfg(feature = "tokio")]
pub(crate) mod runtime;
pub(crate) mod sealed;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod stack;
pub(crate) mod title;

use std::{fmt, io};

use nix::errno::Errno;

/// What was being done when the system refused it.
#[derive(Debug)]
struct Refused {
    doing: String,
    errno: Errno,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.doing, io::Error::from(self.errno))
    }
}

impl std::error::Error for Refused {}

/// Says what was being done when the system refused it, and keeps the kind of the error.
pub(crate) fn while_doing(what: &str, errno: Errno) -> io::Error {
    io::Error::new(io::Error::from(errno).kind(), Refused { doing: what.to_owned(), errno })
}

/// The number of an error that the system gave, also one from [`while_doing`].
pub(crate) fn errno_of(error: &io::Error) -> Option<Errno> {
    let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>());
    refused.map(|refused| refused.errno).or_else(|| error.raw_os_error().map(Errno::from_raw))
}

/// Runs a system call again when a signal interrupted it.
#[inline]
pub(crate) fn retry_on_interrupt<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
