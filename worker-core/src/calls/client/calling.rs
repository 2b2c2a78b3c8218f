//! Calls as threads make them: entered, sent, waited for; and messages without a reply.
//! Not here: sending (`sending`), leading while waiting (`leading`), and tasks (`awaiting`).
//! Layer 4: over the table.

use std::thread;
use std::time::Instant;

use super::leading::{Goal, Lead};
use super::{Client, Fault, NotNow, Outcome, Ticket, park};
use crate::calls::table::Look;
use crate::calls::{identity, waits};
use crate::link::{Payload, Sent};
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
        let entered = self.enter()?;
        let (sent, _) = self.send(kind, entered.id, payload, deadline)?;
        Ok(entered.sent(sent))
    }

    /// Calls, and waits for the reply, which is put into `outcome`: what would wait for itself is never sent.
    ///
    /// A call that timed out is forgotten.
    #[inline]
    pub(crate) fn call(
        &self,
        kind: Kind,
        payload: Payload<'_>,
        deadline: Option<Instant>,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        // A backend that calls notes for whom, so that no circle of actors waits for itself: under the lock.
        if identity::served() == 0
            && let Some(lead) = self.try_alone()
        {
            return self.call_alone(lead, kind, payload, deadline, outcome);
        }
        self.call_among_others(kind, payload, deadline, outcome)
    }

    pub(super) fn call_among_others(
        &self,
        kind: Kind,
        payload: Payload<'_>,
        deadline: Option<Instant>,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        let entered = self.enter()?;
        let _waiting = waits::begin(&self.target, entered.id).map_err(Fault::Circle)?;
        let (sent, _) = self.send(kind, entered.id, payload, deadline)?;
        self.wait_or_forget(entered.sent(sent), deadline, &mut None, outcome)
    }

    /// Waits for the reply of a call that is noted; one that timed out is forgotten.
    pub(super) fn wait_or_forget(
        &self,
        ticket: Ticket,
        deadline: Option<Instant>,
        waiting_since: &mut Option<Moment>,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        self.wait_noted(ticket, deadline, waiting_since, outcome).inspect_err(|fault| {
            if let Fault::TimedOut = fault {
                self.forget(ticket);
            }
        })
    }

    /// Enters a call in the table, until it has left or cannot.
    #[inline]
    fn enter(&self) -> Result<Entered<'_>, Fault> {
        let mut state = self.state();
        match &state.death {
            Some(death) => Err(Fault::NotSent(death.exit.clone())),
            None => Ok(Entered { client: self, id: state.table.enter() }),
        }
    }

    /// As [`Client::start`], if that takes no waiting.
    pub(crate) fn start_now(&self, kind: Kind, payload: Payload<'_>) -> Result<Ticket, NotNow> {
        let entered = self.enter().map_err(NotNow::Fault)?;
        let sent = self.send_now(kind, entered.id, payload)?;
        Ok(entered.sent(sent))
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
        let mut outcome = Outcome::default();
        if identity::served() == 0 || self.is_ready(ticket) {
            return self.wait_noted(ticket, deadline, &mut None, &mut outcome).map(|()| outcome);
        }
        match waits::begin_sent(&self.target, ticket.id, &|| self.is_ready(ticket)) {
            Ok(_waiting) => self.wait_noted(ticket, deadline, &mut None, &mut outcome).map(|()| outcome),
            Err(circle) => {
                self.forget(ticket);
                Err(Fault::Circle(circle))
            }
        }
    }

    /// Waits; that it does is noted where it has to be.
    #[inline]
    pub(super) fn wait_noted(
        &self,
        ticket: Ticket,
        deadline: Option<Instant>,
        waiting_since: &mut Option<Moment>,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        loop {
            let mut state = self.state();
            if let Look::Answered(reply) = state.table.look(ticket.id) {
                *outcome = reply.into();
                return Ok(());
            }
            if let Some(death) = &state.death {
                let death = death.clone();
                let left = state.table.forget(ticket.id);
                drop(state);
                drop(left);
                return Err(self.fault_of(death, ticket, *waiting_since));
            }
            if !state.is_led() {
                match self.lead(state, Goal::Reply(ticket.id), deadline, waiting_since, outcome) {
                    Lead::Replied => return Ok(()),
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
            self.lead(state, Goal::Death, now, &mut None, &mut Outcome::default());
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
pub(super) struct Entered<'client> {
    client: &'client Client,
    id: u64,
}

impl<'client> Entered<'client> {
    /// A call that is entered, by the thread that was alone, before its request leaves.
    pub(super) fn of_alone(client: &'client Client, id: u64) -> Self {
        Self { client, id }
    }

    /// The request has left.
    #[inline]
    pub(super) fn sent(self, sent: Sent) -> Ticket {
        let ticket = Ticket { id: self.id, sent };
        std::mem::forget(self);
        ticket
    }
}

// On an error, and when a value panics while it is encoded.
impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let left = self.client.state().table.withdraw(self.id);
        drop(left);
    }
}
