//! Sending: one request at a time, and what to do while there is no room.
//! Not here: entering the call (`super`), and taking in replies meanwhile (`leading`).
//! Layer 4: over `link::Outgoing`.

use std::sync::{MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::leading::{Goal, Lead};
use super::{Client, Fault, NotNow, Outcome, Sending, park};
use crate::link::{Payload, Room, SendError, Sent};
use crate::wire::kind::Kind;

impl Client {
    /// Sends; says where the message went and whether the other side had to be rung for it.
    #[inline]
    pub(super) fn send(
        &self,
        kind: Kind,
        id: u64,
        payload: Payload<'_>,
        deadline: Option<Instant>,
    ) -> Result<(Sent, bool), Fault> {
        let mut sending = self.sending();
        if sending.turn_taken {
            sending = self.wait_for_turn(sending, deadline)?;
        }
        sending.messages += 1;
        match sending.outgoing.send(kind, id, payload) {
            Ok(sent) => Ok((sent, sending.outgoing.notify())),
            Err(SendError::NoRoom(room)) => {
                self.send_when_room(sending, room, kind, id, payload, deadline, || ())
            }
            Err(SendError::Value(cause)) => Err(Fault::Value(cause)),
            Err(SendError::Memory(error)) => Err(Fault::Memory(error)),
            Err(SendError::Gone) => {
                drop(sending);
                Err(self.not_sent(deadline))
            }
        }
    }

    /// As [`Client::send`], if that takes no waiting.
    pub(super) fn send_now(&self, kind: Kind, id: u64, payload: Payload<'_>) -> Result<Sent, NotNow> {
        let mut sending = self.sending();
        if sending.turn_taken {
            return Err(NotNow::Room);
        }
        sending.messages += 1;
        match sending.outgoing.send(kind, id, payload) {
            Ok(sent) => {
                sending.outgoing.notify();
                Ok(sent)
            }
            Err(SendError::NoRoom(_)) => {
                sending.outgoing.withdraw();
                sending.outgoing.notify();
                Err(NotNow::Room)
            }
            Err(SendError::Value(cause)) => Err(NotNow::Fault(Fault::Value(cause))),
            Err(SendError::Memory(error)) => Err(NotNow::Fault(Fault::Memory(error))),
            // How it ended takes time to find out.
            Err(SendError::Gone) => Err(NotNow::Room),
        }
    }

    fn wait_for_turn<'client>(
        &'client self,
        mut sending: MutexGuard<'client, Sending>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'client, Sending>, Fault> {
        while sending.turn_taken {
            sending = match deadline {
                None => self.turn_free.wait(sending).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Fault::NotSentInTime);
                    }
                    self.turn_free.wait_timeout(sending, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            // Notified without a lock on `sending` in between: the death is noted before (C4).
            if let Some(exit) = self.death() {
                return Err(Fault::NotSent(exit));
            }
        }
        Ok(sending)
    }

    /// Waits for room with the turn in hand (C3), and sends; `before` is done once the turn is taken.
    #[cold]
    #[expect(clippy::too_many_arguments, reason = "what a request is, and how far it has come")]
    pub(super) fn send_when_room<'client>(
        &'client self,
        mut sending: MutexGuard<'client, Sending>,
        mut room: Room,
        kind: Kind,
        id: u64,
        payload: Payload<'_>,
        deadline: Option<Instant>,
        before: impl FnOnce(),
    ) -> Result<(Sent, bool), Fault> {
        sending.turn_taken = true;
        // Declared before `sending`, so given back after it is unlocked, also when a value panics
        // while it is encoded.
        let _turn = Turn(self);
        let mut sending = sending;
        let mut before = Some(before);
        loop {
            // What is out already, of a message in parts, is worth waking for.
            sending.outgoing.notify();
            drop(sending);
            if let Some(before) = before.take() {
                before();
            }
            let waited = self.wait_for_room(room, deadline);
            sending = self.sending();
            if let Err(fault) = waited {
                sending.outgoing.withdraw();
                sending.outgoing.notify();
                return Err(fault);
            }
            match sending.outgoing.send(kind, id, payload) {
                Ok(sent) => return Ok((sent, sending.outgoing.notify())),
                // A backend that never stops ringing makes no room by that.
                Err(SendError::NoRoom(_)) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    sending.outgoing.withdraw();
                    sending.outgoing.notify();
                    return Err(Fault::NotSentInTime);
                }
                Err(SendError::NoRoom(more)) => room = more,
                Err(SendError::Value(cause)) => return Err(Fault::Value(cause)),
                Err(SendError::Memory(error)) => return Err(Fault::Memory(error)),
                Err(SendError::Gone) => {
                    drop(sending);
                    return Err(self.not_sent(deadline));
                }
            }
        }
    }

    /// Waits until there may be room. Only the holder of the turn comes here.
    fn wait_for_room(&self, room: Room, deadline: Option<Instant>) -> Result<(), Fault> {
        let mut state = self.state();
        if let Some(death) = &state.death {
            return Err(Fault::NotSent(death.exit.clone()));
        }
        state.room_wanted = Some(room);
        let in_time = if state.is_led() {
            state.others.push(thread::current());
            drop(state);
            // The leader may sleep without looking for room; it must be told, or we must see it.
            let in_time = self.sending().outgoing.alarm_for(room) || park(deadline);
            state = self.state();
            state.forget_other();
            in_time
        } else {
            let lead = self.lead(state, Goal::Room, deadline, &mut None, &mut Outcome::default());
            state = self.state();
            !matches!(lead, Lead::TimedOut)
        };
        state.room_wanted = None;
        let death = state.death.clone();
        self.wake_next(state);
        match death {
            Some(death) => Err(Fault::NotSent(death.exit)),
            None if in_time => Ok(()),
            None => Err(Fault::NotSentInTime),
        }
    }
}

/// The turn (C3), given back when it is dropped, without a lock in hand.
struct Turn<'client>(&'client Client);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.sending().turn_taken = false;
        // Everybody: a single one that is woken may need no turn, or give up, and would wake nobody.
        self.0.turn_free.notify_all();
    }
}
