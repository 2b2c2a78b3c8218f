//! A call of a thread that has the actor to itself: it leads from before its request leaves until it has its reply.
//! Not here: how it goes on once anybody else has come (`leading`, `calling`), and the word that tells (`calls::seat`).
//! Layer 4: over `link`.

use std::sync::MutexGuard;
use std::time::Instant;

use super::calling::Entered;
use super::leading::{Goal, Lead, take_mine};
use super::{Client, Fault, Outcome, Sending, State, Ticket};
use crate::calls::seat::Alone;
use crate::calls::table;
use crate::link::{Arrived, Incoming, Interest, Payload, Room, SendError, Wake};
use crate::sys::clock::Moment;
use crate::wire::kind::Kind;

/// The lead of a thread that is alone; given back when it is dropped.
pub(super) struct Leader<'client> {
    client: &'client Client,
    alone: Option<Alone<'client, State, Box<Incoming>>>,
}

/// How far a thread got while it was alone.
enum Came {
    /// Its reply.
    Reply,
    /// Something else: this message, or none, but others, or the end.
    Else(Option<Arrived>),
}

/// A request, and how long it may take.
#[derive(Clone, Copy)]
struct Request<'call> {
    kind: Kind,
    id: u64,
    payload: Payload<'call>,
    deadline: Option<Instant>,
}

impl Client {
    /// The lead, for a thread that nobody else keeps company (C10).
    #[inline]
    pub(super) fn try_alone(&self) -> Option<Leader<'_>> {
        self.state.try_alone().map(|alone| Leader { client: self, alone: Some(alone) })
    }

    /// [`Client::call`] of a thread that is alone.
    #[inline]
    pub(super) fn call_alone<'client>(
        &'client self,
        mut lead: Leader<'client>,
        kind: Kind,
        payload: Payload<'_>,
        deadline: Option<Instant>,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        let mut sending = self.sending();
        if sending.turn_taken {
            // Somebody waits for room for a message that has no reply.
            drop(sending);
            drop(lead);
            return self.call_among_others(kind, payload, deadline, outcome);
        }
        sending.messages += 1;
        let id = table::alone_id(sending.messages);
        let sent = match sending.outgoing.send(kind, id, payload) {
            Ok(sent) => sent,
            Err(error) => {
                let request = Request { kind, id, payload, deadline };
                return self.send_among_others(lead, sending, error, request, outcome);
            }
        };
        sending.outgoing.notify();
        drop(sending);
        let mut waiting_since = None;
        match lead.wait(id, deadline, &mut waiting_since, outcome) {
            Came::Reply => Ok(()),
            Came::Else(arrived) => {
                self.wait_among_others(lead, arrived, Ticket { id, sent }, deadline, waiting_since, outcome)
            }
        }
    }

    /// What a request comes to that did not leave at once.
    #[cold]
    fn send_among_others<'client>(
        &'client self,
        lead: Leader<'client>,
        sending: MutexGuard<'client, Sending>,
        error: SendError,
        Request { kind, id, payload, deadline }: Request<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        let room = match error {
            SendError::NoRoom(room) => room,
            SendError::Value(cause) => return Err(Fault::Value(cause)),
            SendError::Memory(error) => return Err(Fault::Memory(error)),
            SendError::Gone => {
                drop(sending);
                drop(lead);
                return Err(self.not_sent(deadline));
            }
        };
        let entered = Entered::of_alone(self, id);
        let enter = || lead.enter_and_leave(id);
        let (sent, _) = self.send_when_room(sending, room, kind, id, payload, deadline, enter)?;
        self.wait_or_forget(entered.sent(sent), deadline, &mut None, outcome)
    }

    /// Goes on waiting, as the leader of all who have come (C10).
    #[cold]
    fn wait_among_others<'client>(
        &'client self,
        lead: Leader<'client>,
        arrived: Option<Arrived>,
        ticket: Ticket,
        deadline: Option<Instant>,
        mut waiting_since: Option<Moment>,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        let Some((mut incoming, room)) = lead.enter(ticket.id) else {
            return self.wait_or_forget(ticket, deadline, &mut waiting_since, outcome);
        };
        if let Some(arrived) = arrived {
            self.hand_over(&mut incoming, arrived);
        }
        let goal = Goal::Reply(ticket.id);
        match self.lead_on(incoming, room, goal, deadline, &mut waiting_since, outcome) {
            Lead::Replied => Ok(()),
            Lead::LookAgain => self.wait_or_forget(ticket, deadline, &mut waiting_since, outcome),
            Lead::TimedOut => {
                self.forget(ticket);
                Err(Fault::TimedOut)
            }
        }
    }
}

impl Leader<'_> {
    /// Waits for the reply, for as long as nothing else comes.
    #[inline]
    fn wait(
        &mut self,
        id: u64,
        deadline: Option<Instant>,
        waiting_since: &mut Option<Moment>,
        outcome: &mut Outcome,
    ) -> Came {
        let Some(alone) = &mut self.alone else { return Came::Else(None) };
        let mut arrived = Arrived::none();
        loop {
            match alone.next_into(&mut arrived) {
                Ok(true) if arrived.id == id => {
                    take_mine(alone, &mut arrived, outcome);
                    return Came::Reply;
                }
                Ok(false) if !alone.has_company() => {}
                Ok(has_come) => return Came::Else(has_come.then_some(arrived)),
                // Found once more, by a leader who knows what to do about it.
                Err(_) => return Came::Else(None),
            }
            let wake = alone.wait(Interest::MESSAGE, deadline);
            *waiting_since = waiting_since.or(alone.last_sleep_began());
            match wake {
                // A backend that never stops ringing must not keep us from the clock.
                Ok(Wake::Rung) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                _ => return Came::Else(None),
            }
        }
    }

    /// Enters the call in the table, among those of the others, and leads all of them; gives the lead, and the room that
    /// the holder of the turn waits for.
    fn enter(mut self, id: u64) -> Option<(Box<Incoming>, Option<Room>)> {
        let (mut state, incoming) = self.alone.take()?.join();
        state.table.enter_alone(id);
        if state.room_wanted.is_some() {
            // Our sleep may have ended for the room: let its holder look.
            state.others.drain(..).for_each(|other| other.unpark());
        }
        Some((incoming, state.room_wanted))
    }

    /// Enters the call, and gives the lead away.
    fn enter_and_leave(mut self, id: u64) {
        let Some(alone) = self.alone.take() else { return };
        let (mut state, incoming) = alone.join();
        state.table.enter_alone(id);
        self.client.step_down_locked(state, incoming, None);
    }
}

impl Drop for Leader<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(alone) = self.alone.take() else { return };
        if let Err((state, incoming)) = alone.leave() {
            // C9 does not hold: the backend may wait for just the room that the reply has freed.
            incoming.tell_room();
            self.client.step_down_locked(state, incoming, None);
        }
    }
}
