//! Whom a map has woken, and by what: a thread that polls (`awaiter`), or a task (`task`).
//! Not here: what is waited for (`run`).
//! Layer 7: an interface over `calls::client`.

use std::io;
use std::sync::Arc;
use std::task::Waker;

use crate::calls::Ticket;
use crate::process::Life;

pub(super) trait Watch {
    /// Wakes whoever asks for results.
    fn waker(&self) -> &Waker;

    /// Asks to be woken for a call; `true` if its result is there already.
    fn ask(&mut self, life: &Arc<Life>, ticket: Ticket) -> io::Result<bool>;

    /// Whether a process is ending, and how is not known yet.
    fn is_ending(&self, life: &Arc<Life>) -> bool;

    /// Is done with a life, whose calls are over.
    fn leave(&mut self, life: &Arc<Life>);
}
