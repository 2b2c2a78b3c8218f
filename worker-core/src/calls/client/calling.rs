//! Calls as threads make them: entered, sent, waited for; and messages without a reply.
//! Not here: sending (`sending`), leading while waiting (`leading`), and tasks (`awaiting`).
//! Layer 4: over the table.

use std::thread;
use std::time::Instant;

use super::leading::{Goal, Lead};
use super::{Client, Fault, NotNow, Outcome, Ticket, park};
use crate::calls::table::{Look, Reply};
use crate::calls::{identity, waits};
use crate::link::Payload;
use crate::sys::clock::Moment;
use crate::wire::kind::Kind;

impl Client {
    /// Sends a request and enters the call; [`Client::wait`] or [`Client::forget`] ends it.
    #[inline]
    pub(crate) fn start(
        &self,
        kind: Kind,
        payload: Payload<'_>,
        deadline: Option<Instant>,
    ) -> Result<Ticket, Fault> {
        let id = {
            let mut state = self.state();
            if let Some(death) = &state.death {
                return Err(Fault::NotSent(death.exit.clone()));
            }
            state.table.enter()
        };
        // Left again on an error, and when a value panics while it is encoded.
        let entered = Entered { client: self, id };
        let (sent, _) = self.send(kind, id, payload, deadline)?;
        std::mem::forget(entered);
        Ok(Ticket { id, sent })
    }

    /// Calls, and waits for the reply: what would wait for itself is never sent.
    ///
    /// A call that timed out is forgotten.
    #[inline]
    pub(crate) fn call(
        &self,
        kind: Kind,
        payload: Payload<'_>,
        deadline: Option<Instant>,
    ) -> Result<Outcome, Fault> {
        let id = {
            let mut state = self.state();
            if let Some(death) = &state.death {
                return Err(Fault::NotSent(death.exit.clone()));
            }
            state.table.enter()
        };
        let entered = Entered { client: self, id };
        let _waiting = waits::begin(&self.target, id).map_err(Fault::Circle)?;
        let (sent, _) = self.send(kind, id, payload, deadline)?;
        std::mem::forget(entered);
        let ticket = Ticket { id, sent };
        self.wait_noted(ticket, deadline).inspect_err(|fault| {
            if let Fault::TimedOut = fault {
                self.forget(ticket);
            }
        })
    }

    /// As [`Client::start`], if that takes no waiting.
    pub(crate) fn start_now(&self, kind: Kind, payload: Payload<'_>) -> Result<Ticket, NotNow> {
        let id = {
            let mut state = self.state();
            if let Some(death) = &state.death {
                return Err(NotNow::Fault(Fault::NotSent(death.exit.clone())));
            }
            state.table.enter()
        };
        let entered = Entered { client: self, id };
        let sent = self.send_now(kind, id, payload)?;
        std::mem::forget(entered);
        Ok(Ticket { id, sent })
    }

    /// Sends a message that has no reply.
    #[inline]
    pub(crate) fn send_one_way(
        &self,
        kind: Kind,
        payload: Payload<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), Fault> {
        if self.is_dead() {
            return Err(self.not_sent(deadline));
        }
        let (sent, rang) = self.send(kind, 0, payload, deadline)?;
        if !rang {
            return Ok(());
        }
        // Nobody waits for a reply to this, so nobody would find that the other side died asleep. It had
        // to be woken, or rung for: at such a moment the look costs little.
        let now = Some(Instant::now());
        match self.wait_death(now) {
            Some(exit) if !self.sending().outgoing.was_taken(sent) => Err(Fault::NotSent(exit)),
            _ => Ok(()),
        }
    }

    /// Waits for the reply of a call. Only a call that timed out is still to be ended.
    #[inline]
    pub(crate) fn wait(&self, ticket: Ticket, deadline: Option<Instant>) -> Result<Outcome, Fault> {
        if identity::served() == 0 || self.is_ready(ticket) {
            return self.wait_noted(ticket, deadline);
        }
        match waits::begin_sent(&self.target, ticket.id, &|| self.is_ready(ticket)) {
            Ok(_waiting) => self.wait_noted(ticket, deadline),
            Err(circle) => {
                self.forget(ticket);
                Err(Fault::Circle(circle))
            }
        }
    }

    /// Waits; that it does is noted where it has to be.
    #[inline]
    fn wait_noted(&self, ticket: Ticket, deadline: Option<Instant>) -> Result<Outcome, Fault> {
        let mut waiting_since = None;
        loop {
            let mut state = self.state();
            if let Look::Answered(Reply { kind, payload, attached }) = state.table.look(ticket.id) {
                return Ok(Outcome { kind, payload, attached });
            }
            if let Some(death) = &state.death {
                let death = death.clone();
                let left = state.table.forget(ticket.id);
                drop(state);
                drop(left);
                return Err(self.fault_of(death, ticket, waiting_since));
            }
            if !state.is_led() {
                match self.lead(state, Goal::Reply(ticket.id), deadline, &mut waiting_since) {
                    Lead::Reply(outcome) => return Ok(outcome),
                    Lead::LookAgain => continue,
                    Lead::TimedOut => return Err(Fault::TimedOut),
                }
            }
            let left = state.table.set_sleeper(ticket.id, Some(thread::current()));
            drop(state);
            drop(left);
            waiting_since.get_or_insert_with(Moment::now);
            let in_time = park(deadline);
            let mut state = self.state();
            let _ = state.table.set_sleeper(ticket.id, None);
            if !in_time && !state.table.is_answered(ticket.id) && state.death.is_none() {
                // A leader may have chosen just us to follow it.
                self.wake_next(state);
                return Err(Fault::TimedOut);
            }
        }
    }

    /// Whether [`Client::wait`] would return at once; takes in what has arrived if nobody else does.
    pub(crate) fn is_ready(&self, ticket: Ticket) -> bool {
        let now = Some(Instant::now());
        let mut state = self.state();
        if !state.is_led() && !state.is_settled(ticket) {
            // What a leader without a goal of its own takes in goes to the table.
            self.lead(state, Goal::Death, now, &mut None);
            state = self.state();
        }
        state.is_settled(ticket)
    }

    /// Ends a call whose reply nobody wants any more.
    pub(crate) fn forget(&self, ticket: Ticket) {
        self.forget_id(ticket.id);
    }

    fn forget_id(&self, id: u64) {
        let left = self.state().table.forget(id);
        drop(left);
    }
}

/// A call in the table until it is known to have left.
struct Entered<'client> {
    client: &'client Client,
    id: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let left = self.client.state().table.withdraw(self.id);
        drop(left);
    }
}
