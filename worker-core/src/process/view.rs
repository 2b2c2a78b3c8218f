//! The process behind a frontend, as the program sees it.
//! Not here: the single process of one life (`body`).
//! Layer 5: over `lives`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use super::lives::Lives;
use super::usage::Usage;
use crate::errors::Exit;

/// The process of a backend: of the life that the actor has at the moment, if it is ever restarted.
///
/// Readable, as a descriptor ([`AsFd`]), once the backend has ended: an `epoll` can wait for it. The
/// number of the descriptor stays the same over restarts, but what it stands for does not: register
/// it again after one.
///
/// # Concurrency
///
/// The backend may end at any time, also right after [`Process::is_alive`] said that it lives. Once a
/// life has ended it stays so, and no other process is ever signalled or measured in its place.
#[derive(Clone)]
pub struct Process(Arc<Lives>);

impl Process {
    pub(crate) fn new(lives: Arc<Lives>) -> Self {
        Self(lives)
    }

    pub(crate) fn lives(&self) -> &Arc<Lives> {
        &self.0
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.with_current(|life| life.body.pid())
    }

    /// Name given by [`Builder::name`](crate::Builder::name), or the name of the actor's type.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether the process has not ended.
    ///
    /// An actor that will be restarted by the next call is not alive until then.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.with_current(|life| life.body.is_alive())
    }

    /// What the process uses at this moment; all zero once it has ended.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.0.with_current(|life| life.body.usage())
    }

    /// Ends the process at once, by SIGKILL. That it has ended already is no error.
    ///
    /// Calls in flight come back with [`CallError::Exited`](crate::CallError::Exited). To a
    /// [`Restart`](crate::Restart) policy it is a crash like any other.
    ///
    /// # Errors
    ///
    /// If the system refuses the signal.
    pub fn kill(&self) -> io::Result<()> {
        self.0.with_current(|life| life.body.kill())
    }

    /// Waits until the process has ended, and says how. It does not ask it to end.
    ///
    /// It waits for the life there is when it is called, whatever comes after that one. Where other threads
    /// make calls, the next life may have begun since a [`kill`](Process::kill).
    pub fn wait(&self) -> Exit {
        self.0.looking(|life| life.body.wait())
    }

    /// How many lives the actor had before this one. It counts lives that began, not attempts.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.0.restarts()
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// For event loops that take numbers; the value keeps it open.
impl AsRawFd for Process {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.with_current(|life| life.body.fmt(formatter))
    }
}
