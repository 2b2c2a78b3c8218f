//! Calls on one link, from any number of threads at once: requests out, replies matched by id.
//! Not here: types of arguments and results (`actor::handle`), and the process behind it (`process`).
//! Layer 4: above `link`.

mod client;
pub(crate) mod identity;
mod seat;
mod table;
pub(crate) mod waits;
mod watch;

pub(crate) use client::{Client, Death, Dying, Ending, Fault, NotNow, Outcome, Seen, Ticket, recycle};
pub(crate) use watch::{Key as WatchKey, aside, is_in_runtime, on_thread, run_aside};
