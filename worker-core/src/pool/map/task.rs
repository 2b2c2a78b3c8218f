//! A task that asks for results, for the length of one poll.
//! Not here: a thread that does (`awaiter`).
//! Layer 7: over the watchers of `calls::client`.

use std::io;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use super::timer::Timer;
use super::watch::Watch;
use crate::calls::Ticket;
use crate::process::Life;

pub(super) struct Task<'poll, 'context> {
    context: &'poll mut Context<'context>,
    timer: &'poll mut Timer,
}

impl<'poll, 'context> Task<'poll, 'context> {
    pub(super) fn new(context: &'poll mut Context<'context>, timer: &'poll mut Timer) -> Self {
        Self { context, timer }
    }

    /// Whether a deadline has passed; the task is woken when it does.
    pub(super) fn is_due(&mut self, deadline: Option<Instant>) -> bool {
        deadline.is_some_and(|deadline| self.timer.is_due(deadline, self.context))
    }
}

impl Watch for Task<'_, '_> {
    fn waker(&self) -> &Waker {
        self.context.waker()
    }

    fn ask(&mut self, life: &Arc<Life>, ticket: Ticket) -> io::Result<bool> {
        life.client.register_task(ticket, self.context.waker())
    }

    /// How a process ended is found out aside, and nobody waits for it here.
    fn is_ending(&self, _: &Arc<Life>) -> bool {
        false
    }

    /// Calls that are over wake nobody any more.
    fn leave(&mut self, _: &Arc<Life>) {}
}
