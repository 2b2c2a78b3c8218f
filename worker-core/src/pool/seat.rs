//! The use of one process, by a lease or by a share: it ends when this is dropped.
//! Not here: hooks, which are for leases alone (`lease`).
//! Layer 7: above `shared`.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::member::Hook;
use super::shared::Shared;
use super::state::Want;
use crate::actor::Frontend;
use crate::errors::{CallError, DepartureReason};

pub(super) struct Seat<F: Frontend> {
    shared: Arc<Shared<F>>,
    pub(super) number: u64,
    pub(super) frontend: F,
    leased: bool,
    /// At its end it is looked whether the process lives. Where not, the calls have told.
    pub(super) is_looked_at: bool,
    /// The process was made for this use.
    pub(super) is_fresh: bool,
    /// Hooks that this use has sent.
    pub(super) hooks: u64,
    /// What goes back with it.
    pub(super) hook: Hook,
}

impl<F: Frontend> Seat<F> {
    pub(super) fn new(
        shared: &Arc<Shared<F>>,
        number: u64,
        frontend: F,
        want: Want<'_>,
        is_fresh: bool,
    ) -> Self {
        let leased = matches!(want, Want::Lease { .. });
        Self {
            shared: Arc::clone(shared),
            number,
            frontend,
            leased,
            is_looked_at: leased,
            is_fresh,
            hooks: 0,
            hook: Hook::None,
        }
    }

    /// The hook that the last user has left, taken out.
    pub(super) fn take_left_hook(&self) -> Hook {
        self.shared
            .state()
            .member(self.number)
            .map(|member| std::mem::take(&mut member.hook))
            .unwrap_or_default()
    }

    /// Lets nobody else have this process.
    pub(super) fn condemn(&self, reason: DepartureReason) {
        let mut state = self.shared.state();
        state.condemn(self.number, reason);
        self.shared.tidy(state);
    }

    /// Takes a process out of the pool whose error says that it has ended.
    pub(super) fn condemn_if_dead<E>(&self, error: &CallError<E>) -> bool {
        match error {
            CallError::NotSent(exit) | CallError::Exited(exit) => {
                self.condemn(DepartureReason::Ended(exit.clone()));
                true
            }
            CallError::TimedOut { killed: true } | CallError::NotSentInTime { killed: true } => {
                self.condemn(DepartureReason::Ended(self.frontend.process().wait()));
                true
            }
            _ => false,
        }
    }
}

impl<F: Frontend> Drop for Seat<F> {
    fn drop(&mut self) {
        // Looked at before the lock: reading what a process uses takes a while.
        let dead = (self.is_looked_at && !self.frontend.process().is_alive())
            .then(|| self.frontend.process().wait());
        let due = if dead.is_some() { None } else { self.shared.due_of(self) };
        self.shared.look_at_spares();
        let mut state = self.shared.state();
        if let Some(member) = state.member(self.number) {
            if self.leased {
                member.leased = false;
                member.hook = std::mem::take(&mut self.hook);
            } else {
                member.load -= 1;
            }
            member.hooks += self.hooks;
            member.idle_since = Instant::now();
            if member.due.is_none() {
                member.due = due;
            }
        }
        if let Some(exit) = dead {
            state.condemn(self.number, DepartureReason::Ended(exit));
        }
        self.shared.tidy(state);
    }
}

impl<F: Frontend> fmt::Debug for Seat<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seat").field("number", &self.number).field("leased", &self.leased).finish()
    }
}
