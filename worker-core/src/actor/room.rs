//! How long a request may wait for room, as said by whoever called the code that sends it.
//! Not here: deadlines that a frontend has of its own (`handle`).
//! Layer 6: one word for each thread.
//!
//! A pool has the user's closure send a request, and must not be kept from its other processes while one has no
//! room. The closure knows nothing of that, so the word is left where the sending finds it.

use std::cell::Cell;
use std::time::Instant;

/// What a request that does not wait for its reply does where there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// What its frontend says.
    Own,
    /// It waits, on this thread, at most until then.
    Until(Option<Instant>),
    /// It is not sent.
    None,
    /// It leaves later, and this thread goes on.
    Later,
}

thread_local! {
    static HERE: Cell<Room> = const { Cell::new(Room::Own) };
}

/// Runs what sends requests.
pub(crate) fn with<T>(room: Room, run: impl FnOnce() -> T) -> T {
    struct Restore(Room);
    impl Drop for Restore {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }
    let _restore = Restore(HERE.replace(room));
    run()
}

pub(super) fn here() -> Room {
    HERE.get()
}
