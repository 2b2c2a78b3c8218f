//! Leading: the one thread that takes in messages hands each to whoever waits for it, and sleeps for all.
//! Not here: waiting without the lead (`super`).
//! Layer 4: over `link::Incoming`.

use std::task::Waker;
use std::time::Instant;

use super::outcome::SPARE;
use super::{Client, Ending, Locked, Outcome};
use crate::calls::table::Reply;
use crate::errors::DecodeError;
use crate::link::{Arrived, Incoming, Interest, Lost, Room, Wake};
use crate::sys::clock::Moment;
use crate::wire::codec;
use crate::wire::kind::Kind;
use crate::wire::writer::Writer;

/// What a thread leads for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    Reply(u64),
    Room,
    Death,
}

/// What a leader came back with.
pub(super) enum Lead {
    /// The reply is in the outcome that the leader was given for it.
    Replied,
    LookAgain,
    TimedOut,
}

/// How many messages a leader takes in before it looks up: as many as a ring can hold, so that a lap
/// after a death finds all that is left.
pub(super) const LAP: usize = 4096;

/// How many bytes in messages count as one message more.
const LAP_BYTES: usize = 64 << 10;

impl Client {
    /// Takes the lead, which must be free, until the goal is reached.
    pub(super) fn lead(
        &self,
        mut state: Locked<'_>,
        goal: Goal,
        deadline: Option<Instant>,
        waiting_since: &mut Option<Moment>,
        outcome: &mut Outcome,
    ) -> Lead {
        let Some(incoming) = state.take_lead() else { return Lead::LookAgain };
        let room = state.room_wanted;
        drop(state);
        self.lead_on(incoming, room, goal, deadline, waiting_since, outcome)
    }

    /// Leads, with the lead in hand and what the holder of the turn waits for.
    pub(super) fn lead_on(
        &self,
        mut incoming: Box<Incoming>,
        mut room: Option<Room>,
        goal: Goal,
        deadline: Option<Instant>,
        waiting_since: &mut Option<Moment>,
        outcome: &mut Outcome,
    ) -> Lead {
        let mut gone = false;
        let mut timed_out = false;
        loop {
            let mut handed_over = 0;
            // A backend that never stops sending must not keep us from its death, nor from the clock.
            while handed_over < LAP {
                match incoming.next() {
                    Ok(Some(mut arrived)) => match (goal, arrived.id) {
                        (Goal::Reply(mine), id) if mine == id => {
                            take_mine(&mut incoming, &mut arrived, outcome);
                            self.step_down(incoming, Some(mine));
                            return Lead::Replied;
                        }
                        _ => {
                            // After a death there is an end to it: what was left has room in the memory, or in a socket.
                            let copied_bytes = if gone { 0 } else { incoming.copied_bytes(&arrived) };
                            handed_over += 1 + copied_bytes / LAP_BYTES;
                            self.hand_over(&mut incoming, arrived);
                        }
                    },
                    Ok(None) => break,
                    Err(_) => {
                        // Without a deadline a death is found.
                        let _ = self.die(Ending::Broken, incoming, None);
                        return Lead::LookAgain;
                    }
                }
            }
            // Only now, with everything taken in that it had replied before (C4).
            if gone || timed_out && incoming.has_ended() {
                let Err(incoming) = self.die(Ending::Gone, incoming, deadline) else {
                    return Lead::LookAgain;
                };
                // It has closed its link and still takes its time to stop; whoever leads next goes on with it.
                self.step_down(incoming, None);
                return Lead::TimedOut;
            }
            if timed_out {
                self.step_down(incoming, None);
                return Lead::TimedOut;
            }
            let wake = if handed_over >= LAP {
                Ok(look_up(&incoming, deadline))
            } else {
                let wake = incoming.wait(Interest { room, ..Interest::MESSAGE }, deadline);
                *waiting_since = waiting_since.or(incoming.last_sleep_began());
                wake
            };
            match wake {
                Ok(Wake::Rung) if matches!(goal, Goal::Room) => {
                    self.step_down(incoming, None);
                    return Lead::LookAgain;
                }
                // Nor must one that never stops ringing. The last of what rang may have been its end.
                Ok(Wake::Rung) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    gone = incoming.has_hung_up();
                    timed_out = !gone;
                }
                Ok(Wake::Rung) => {}
                Ok(Wake::TimedOut) => timed_out = true,
                Ok(Wake::Gone) | Err(_) => gone = true,
            }
            let mut state = self.state();
            if state.room_wanted.is_some() {
                // Our sleep may have ended for the room, or with us its alarm: let its holder look.
                state.others.drain(..).for_each(|other| other.unpark());
            }
            room = state.room_wanted;
        }
    }

    /// Gives a message that is not the leader's to whoever waits for it.
    pub(super) fn hand_over(&self, incoming: &mut Incoming, mut arrived: Arrived) {
        let id = arrived.id;
        if !self.state().table.expects(id) {
            // Its caller has given up, or never was: nobody will miss it.
            incoming.release(&mut arrived);
            return;
        }
        let reply = take(incoming, &mut arrived);
        let waiter = self.state().table.answer(id, reply);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Gives the lead away, and ends the leader's call if it is answered.
    ///
    /// Nobody leads for a task that sleeps; a watcher does when the bell rings (C5). So it must ring.
    #[inline]
    pub(super) fn step_down(&self, incoming: Box<Incoming>, answered: Option<u64>) {
        self.step_down_locked(self.state(), incoming, answered);
    }

    /// As [`Client::step_down`], with the lock in hand.
    pub(super) fn step_down_locked(
        &self,
        mut state: Locked<'_>,
        mut incoming: Box<Incoming>,
        answered: Option<u64>,
    ) {
        let left = answered.map(|id| state.table.forget_answered(id));
        if answered.is_some() && state.table.owes_replies() {
            // C9 does not hold: the backend may wait for just the room that the reply has freed.
            incoming.tell_room();
        }
        if state.table.has_tasks() {
            let watchers = state.arm(&mut incoming);
            state.put(incoming);
            self.wake_next(state);
            watchers.into_iter().for_each(Waker::wake);
        } else {
            state.put(incoming);
            if state.is_quiet() {
                state.disperse();
            } else {
                self.wake_next(state);
            }
        }
        drop(left);
    }

    /// Wakes a follower if nobody leads (C1).
    #[inline]
    pub(super) fn wake_next(&self, mut state: Locked<'_>) {
        if state.is_led() {
            return;
        }
        if let Some(next) = state.others.pop().or_else(|| state.table.any_sleeper()) {
            drop(state);
            next.unpark();
        }
    }
}

/// Takes a message in, and tells a backend that waits for its room.
#[inline]
fn take(incoming: &mut Incoming, arrived: &mut Arrived) -> Reply {
    let mut reply = Reply { kind: arrived.kind, payload: SPARE.take(), attached: arrived.attached.take() };
    if let Some(lost) = arrived.lost.or(incoming.copy_payload(arrived, &mut reply.payload).err()) {
        (reply.kind, reply.payload) = not_taken_in(lost);
    }
    incoming.release(arrived);
    reply
}

/// Takes a message in; whether a backend waits for its room is looked at by [`Client::step_down`] (C9).
#[inline]
pub(super) fn take_mine(incoming: &mut Incoming, arrived: &mut Arrived, outcome: &mut Outcome) {
    outcome.kind = arrived.kind;
    if arrived.attached.is_some() {
        outcome.attached = arrived.attached.take();
    }
    if !incoming.copy_short(arrived, &mut outcome.payload) {
        take_long(incoming, arrived, outcome);
    }
    incoming.release_quietly(arrived);
}

fn take_long(incoming: &mut Incoming, arrived: &Arrived, outcome: &mut Outcome) {
    let payload = outcome.payload.long();
    *payload = SPARE.take();
    if let Some(lost) = arrived.lost.or(incoming.copy_payload(arrived, payload).err()) {
        (outcome.kind, *payload) = not_taken_in(lost);
    }
}

/// What stands in place of a reply for which there was no room here.
#[cold]
fn not_taken_in(lost: Lost) -> (Kind, Vec<u8>) {
    let mut payload = Vec::new();
    // Plain data of this crate encodes, and for a line of text there is memory.
    let _ = codec::encode(&DecodeError::of_lost_message(lost), &mut Writer::to_heap(&mut payload));
    (Kind::NotDecoded, payload)
}

/// What a wait would end with, were there no message.
#[cold]
fn look_up(incoming: &Incoming, deadline: Option<Instant>) -> Wake {
    match deadline {
        _ if incoming.has_hung_up() => Wake::Gone,
        Some(deadline) if deadline <= Instant::now() => Wake::TimedOut,
        _ => Wake::Rung,
    }
}
