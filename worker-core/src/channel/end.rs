//! The receiving end's socket, and who watches it.
//! Not here: what is received (`receiver`), and what watching is good for (`select`).
//! Layer 6: over `sys`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError, Weak};

/// Who watches descriptors, and is told before one is closed or goes elsewhere.
///
/// A descriptor that is merely closed may live on under another number, in a message or in another process, and
/// would then be watched for ever by somebody who can no longer name it.
pub(crate) trait Watcher: Send + Sync {
    /// The descriptor that is watched under this key is about to go.
    fn leaves(&self, descriptor: BorrowedFd<'_>, key: u64);
}

/// The socket of a receiving end.
#[derive(Debug)]
pub(crate) struct End {
    socket: OwnedFd,
    watchers: Mutex<Vec<Watch>>,
}

struct Watch {
    watcher: Weak<dyn Watcher>,
    key: u64,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watch").field("key", &self.key).finish_non_exhaustive()
    }
}

impl End {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, watchers: Mutex::default() }
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Has a watcher told when the end goes.
    pub(crate) fn watched_by(&self, watcher: Weak<dyn Watcher>, key: u64) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watch| watch.watcher.strong_count() > 0);
        watchers.push(Watch { watcher, key });
    }

    /// A watcher watches no more.
    pub(crate) fn forget(&self, key: u64) {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner).retain(|watch| watch.key != key);
    }

    /// Tells everybody who watches that the end goes.
    pub(super) fn leave(&self) {
        let watchers = std::mem::take(&mut *self.watchers.lock().unwrap_or_else(PoisonError::into_inner));
        for watch in watchers {
            if let Some(watcher) = watch.watcher.upgrade() {
                watcher.leaves(self.socket.as_fd(), watch.key);
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.leave();
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
