//! The receiving end's socket, and who watches it.
//! Not here: what is received (`receiver`), and what watching is good for (`select`).
//! Layer 5: over `wire`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::sys::held::Held;
use crate::wire::descriptors::Moves;

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
    /// Shared with the runtime that watches it, if one does.
    socket: Arc<OwnedFd>,
    _held: Held,
    /// It was sent away (Q4).
    is_spent: AtomicBool,
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
        let held = Held::new([socket.as_fd()]);
        let (socket, is_spent) = (Arc::new(socket), AtomicBool::new(false));
        Self { socket, _held: held, is_spent, watchers: Mutex::default() }
    }

    pub(super) fn socket(&self) -> &Arc<OwnedFd> {
        &self.socket
    }

    pub(super) fn is_spent(&self) -> bool {
        // Relaxed: who sent it away in another thread has to say so, and that orders it.
        self.is_spent.load(Ordering::Relaxed)
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
    fn leave(&self) {
        let watchers = std::mem::take(&mut *self.watchers.lock().unwrap_or_else(PoisonError::into_inner));
        for watch in watchers {
            if let Some(watcher) = watch.watcher.upgrade() {
                watcher.leaves(self.socket.as_fd(), watch.key);
            }
        }
    }
}

impl Moves for End {
    fn left(&self) {
        self.is_spent.store(true, Ordering::Relaxed);
        // Whoever watches this value would watch what is received elsewhere.
        self.leave();
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
