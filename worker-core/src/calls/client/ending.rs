//! The end of a backend: waited for, noted once, and told to every call that it leaves without a reply.
//! Not here: how it ended (`process`), and the leader that sees it first (`leading`).
//! Layer 4: over the table.

use std::sync::atomic::Ordering;
use std::thread::{self, Thread};
use std::time::Instant;

use super::leading::{Goal, Lead};
use super::{Client, Death, Ending, Fault, Outcome, Ticket, park};
use crate::calls::table::Waiter;
use crate::errors::Exit;
use crate::link::Incoming;
use crate::sys::clock::Moment;

impl Client {
    /// Waits until the backend is known to be gone; `None` when the deadline passed.
    ///
    /// It takes in replies meanwhile, so a backend that has to send one before it can end does end.
    pub(crate) fn wait_death(&self, deadline: Option<Instant>) -> Option<Exit> {
        loop {
            let mut state = self.state();
            if let Some(death) = &state.death {
                return Some(death.exit.clone());
            }
            if !state.is_led() {
                if let Lead::TimedOut =
                    self.lead(state, Goal::Death, deadline, &mut None, &mut Outcome::default())
                {
                    return None;
                }
                continue;
            }
            state.others.push(thread::current());
            drop(state);
            let in_time = park(deadline);
            state = self.state();
            state.forget_other();
            if !in_time {
                let exit = state.death.as_ref().map(|death| death.exit.clone());
                // A leader may have chosen just us to follow it.
                self.wake_next(state);
                return exit;
            }
        }
    }

    /// What a send comes to that met the end of the other side: its death, unless the deadline passes first.
    #[cold]
    pub(super) fn not_sent(&self, deadline: Option<Instant>) -> Fault {
        self.wait_death(deadline).map_or(Fault::NotSentInTime, Fault::NotSent)
    }

    /// Tells a call that died with its backend whether it had left (see `Fault`).
    pub(super) fn fault_of(&self, death: Death, ticket: Ticket, waiting_since: Option<Moment>) -> Fault {
        // A request that was put into the ring of a dead backend has not left in any sense that a
        // caller cares for. Reaped before we began to wait, and never begun: then it was one.
        // Who finds the death noted already has not waited until now.
        let waiting_since = waiting_since.unwrap_or_else(Moment::now);
        let was_dead_before = death.gone_at.is_some_and(|gone_at| gone_at < waiting_since);
        if was_dead_before && !self.sending().outgoing.was_taken(ticket.sent) {
            Fault::NotSent(death.exit)
        } else {
            Fault::Exited(death.exit)
        }
    }

    /// Notes the death and wakes everybody (C4). Called by the leader, who thereby steps down.
    ///
    /// What it leads with comes back when the deadline passed before the backend was gone: then it leads still.
    #[cold]
    pub(super) fn die(
        &self,
        ending: Ending,
        incoming: Box<Incoming>,
        deadline: Option<Instant>,
    ) -> Result<(), Box<Incoming>> {
        let Some(death) = (self.find_death)(ending, deadline) else { return Err(incoming) };
        let mut state = self.state();
        state.death = Some(death);
        // Relaxed: see `is_dead`.
        self.is_dead.store(true, Ordering::Relaxed);
        state.put(incoming);
        let waiters = state.table.all_waiters();
        let others = std::mem::take(&mut state.others);
        drop(state);
        others.iter().for_each(Thread::unpark);
        waiters.into_iter().for_each(Waiter::wake);
        // Taken and released, so that a thread which has looked for the death but does not wait for
        // its turn yet cannot miss the notification.
        drop(self.sending());
        self.turn_free.notify_all();
        Ok(())
    }
}
