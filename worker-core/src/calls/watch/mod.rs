//! Who watches the doorbells of links for tasks: the tokio runtime that runs them, or one shared thread.
//! Not here: what a watcher does when a bell rings (`Client::look`), and why that loses nothing (`client`).
//! Layer 4: beside `client`.

mod reactor;
#[cfg(feature = "tokio")]
mod runtime;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::thread;

use super::client::{Client, Dying};

/// Whose tasks a watcher watches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Those of one tokio runtime.
    #[cfg(feature = "tokio")]
    Runtime(tokio::runtime::Id),
    /// Those of any other executor.
    Reactor,
    /// Those of a thread that polls by itself (`Client::watch_by_hand`).
    Hand(u64),
}

impl Key {
    /// One that no other watcher has.
    pub(super) fn by_hand() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // Relaxed: each number is given out once, in any order.
        Self::Hand(LAST.fetch_add(1, Ordering::Relaxed))
    }

    /// That of the task that is polled on this thread.
    #[inline]
    pub(crate) fn current() -> Self {
        #[cfg(feature = "tokio")]
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            return Self::Runtime(runtime.id());
        }
        Self::Reactor
    }
}

/// Whether this thread runs tasks of a runtime, so that it must not wait.
pub(crate) fn is_in_runtime() -> bool {
    !matches!(Key::current(), Key::Reactor)
}

/// Ends a watcher when it is dropped.
pub(crate) struct End(Option<Box<dyn FnOnce() + Send>>);

impl End {
    /// The watcher has ended when it looks no more.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    fn new(end: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(end)))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("End")
    }
}

/// Who watches a link.
#[derive(Debug, Default)]
pub(super) struct Watchers(Vec<Watcher>);

/// One of them. What is dropped of it may run code of others: without a lock in hand.
#[derive(Debug)]
pub(super) struct Watcher {
    key: Key,
    /// Has it look; `None` before its first look, which comes without being asked for.
    waker: Option<Waker>,
    _end: End,
}

impl Watchers {
    #[inline]
    pub(super) fn has(&self, key: Key) -> bool {
        self.0.iter().any(|watcher| watcher.key == key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Enters a watcher that was begun.
    pub(super) fn enter(&mut self, key: Key, end: End) {
        self.0.push(Watcher { key, waker: None, _end: end });
    }

    /// Takes a watcher out that has ended.
    pub(super) fn leave(&mut self, key: Key) -> Option<Watcher> {
        let place = self.0.iter().position(|watcher| watcher.key == key)?;
        Some(self.0.swap_remove(place))
    }

    /// Notes how to have a watcher look again; gives what was noted before.
    pub(super) fn set_waker(&mut self, key: Key, waker: &Waker) -> Option<Waker> {
        let watcher = self.0.iter_mut().find(|watcher| watcher.key == key)?;
        if watcher.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return None;
        }
        watcher.waker.replace(waker.clone())
    }

    /// Wakers of all.
    #[cold]
    pub(super) fn wakers(&self) -> Vec<Waker> {
        self.0.iter().filter_map(|watcher| watcher.waker.clone()).collect()
    }
}

/// Has a link watched for the tasks of `key`, which are those of this thread.
pub(super) fn begin(client: &Arc<Client>, key: Key) -> io::Result<End> {
    match key {
        #[cfg(feature = "tokio")]
        Key::Runtime(_) => runtime::begin(client, key),
        Key::Reactor => reactor::begin(client),
        Key::Hand(_) => Ok(End::nothing()),
    }
}

/// Does what may take its time: on the runtime's pool for blocking work, or on a thread of that name.
///
/// A runtime that goes may drop it unused.
pub(crate) fn aside(name: &str, work: impl FnOnce() + Send + 'static) {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn_blocking(work);
        return;
    }
    on_thread(name, work);
}

/// Finds out how a backend ended, where that may take its time: on the runtime's pool, or on a thread.
pub(crate) fn run_aside(dying: Dying) {
    // Dropped without having been run, it leaves the end to others to find.
    aside("worker-end", || dying.find_out());
}

/// Runs what may block on a thread of the moment; here, if there can be none.
pub(crate) fn on_thread<W: FnOnce() + Send + 'static>(name: &str, work: W) {
    let shared = Arc::new(Mutex::new(Some(work)));
    let of_thread = Arc::clone(&shared);
    let run = |work: &Mutex<Option<W>>| {
        let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(work) = work {
            work();
        }
    };
    if thread::Builder::new().name(name.to_owned()).spawn(move || run(&of_thread)).is_err() {
        // It is better done late for others than never.
        run(&shared);
    }
}
