//! How long a request may wait for room, as said by whoever called the code that sends it.
//! Not here: deadlines that a frontend has of its own (`handle`).
//! Layer 6: one word for each thread.
//!
//! A pool has the user's closure send a request, and must not be kept from its other processes while one has no
//! room. The closure knows nothing of that, so the word is left where the sending finds it.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs what sends requests that do not wait for their reply: they wait for room until then, and no longer.
pub(crate) fn until<T>(deadline: Option<Instant>, run: impl FnOnce() -> T) -> T {
    struct Restore(Option<Instant>);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNTIL.set(self.0);
        }
    }
    let _restore = Restore(UNTIL.replace(deadline));
    run()
}

pub(super) fn deadline() -> Option<Instant> {
    UNTIL.get()
}
