//! A call of a thread that has the actor to itself: it leads from before its request leaves until it has its reply.
//! Not here: how it goes on once anybody else has come (`leading`, `calling`), and the word that tells (`calls::seat`).
//! Layer 4: over `link`.

use std::sync::MutexGuard;
use std::time::Instant;

use super::calling::Entered;
use super::leading::{Goal, Lead, take_mine};
use super::{Client, Ending, Fault, Outcome, Sending, State, Ticket};
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
    /// What makes no sense.
    Broken,
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
            Came::Broken => {
                if let Some((incoming, _)) = lead.enter(id) {
                    // Without a deadline a death is found.
                    let _ = self.die(Ending::Broken, incoming, None);
                }
                self.wait_or_forget(Ticket { id, sent }, deadline, &mut waiting_since, outcome)
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
                Err(_) => return Came::Broken,
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use super::*;
    use crate::calls::client::Death;
    use crate::calls::waits::Target;
    use crate::errors::{Exit, ExitReason};
    use crate::link::beside::Beside;
    use crate::link::{self, LinkEnd, LinkKind, NewLink};

    fn client(end: LinkEnd) -> Client {
        let exit = Exit::new(1, "test", ExitReason::Unknown);
        let find_death = move |_, _| Some(Death { exit: exit.clone(), gone_at: None });
        Client::new(end, Arc::new(Target::new(1, "test", 0)), Box::new(find_death))
    }

    fn call(client: &Client, deadline: Option<Instant>) -> Result<(), Fault> {
        client.call(Kind::Request, &|_| Ok(()), deadline, &mut Outcome::default())
    }

    #[test]
    fn what_makes_no_sense_is_the_end_of_whoever_sent_it() {
        let (beside, _far_end) = Beside::pair().unwrap();
        let NewLink { ours, theirs, .. } = link::create(LinkKind::Socket, Arc::new(beside)).unwrap();
        let [theirs] = <[OwnedFd; 1]>::try_from(theirs).unwrap();
        // A whole message that says it brings a descriptor, and brings none. It is taken in once, and found once.
        let mut message = [0; 25];
        (message[16], message[17], message[18], message[24]) = (Kind::Returned as u8, 1, 1, 1);
        File::from(theirs.try_clone().unwrap()).write_all(&message).unwrap();
        let client = client(ours);
        assert!(matches!(call(&client, None), Err(Fault::Exited(_))));
        assert!(matches!(call(&client, None), Err(Fault::NotSent(_))));
        drop(theirs);
    }

    #[test]
    fn a_watcher_that_came_for_nothing_keeps_nobody_from_being_alone() {
        for kind in [LinkKind::Shared, LinkKind::Socket] {
            let (beside, far_end) = Beside::pair().unwrap();
            let NewLink { ours, theirs, .. } = link::create(kind, Arc::new(beside)).unwrap();
            let _theirs = link::open(kind, theirs, Arc::new(Beside::from(far_end))).unwrap();
            let client = Arc::new(client(ours));
            let key = client.watch_by_hand(std::task::Waker::noop());
            // Whoever leads by the lock and steps down sees that nobody is left.
            assert!(client.wait_death(Some(Instant::now())).is_none());
            let lead = client.try_alone().unwrap();
            assert!(matches!(client.look(key, std::task::Waker::noop()), super::super::Seen::Led));
            drop(lead);
            assert!(client.try_alone().is_some(), "nobody waits for anything");
        }
    }

    /// A task of which the table has the last waker: to drop that drops the task, and what the task holds may call.
    #[test]
    fn the_last_waker_of_a_task_is_dropped_without_a_lock_in_hand() {
        struct Task(std::sync::Weak<Client>, std::sync::mpsc::Sender<bool>);
        impl std::task::Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        impl Drop for Task {
            fn drop(&mut self) {
                let is_alive = self.0.upgrade().is_some_and(|client| client.death().is_none());
                self.1.send(is_alive).unwrap();
            }
        }
        let (beside, far_end) = Beside::pair().unwrap();
        let NewLink { ours, theirs, .. } = link::create(LinkKind::Shared, Arc::new(beside)).unwrap();
        let mut theirs = link::open(LinkKind::Shared, theirs, Arc::new(Beside::from(far_end))).unwrap();
        let client = Arc::new(client(ours));
        let (dropped, was_dropped) = std::sync::mpsc::channel();
        let ticket = client.start(Kind::Request, &|_| Ok(()), None).unwrap();
        let waker = std::task::Waker::from(Arc::new(Task(Arc::downgrade(&client), dropped)));
        assert!(!client.register(ticket, &waker));
        drop(waker);
        let id = theirs.incoming.next().unwrap().unwrap().id;
        theirs.outgoing.send(Kind::Returned, id, &|_| Ok(())).unwrap();
        assert_eq!(client.wait(ticket, None).unwrap().kind, Kind::Returned);
        assert!(was_dropped.recv().unwrap());
    }

    #[test]
    fn a_deadline_that_has_passed_ends_a_call_and_leaves_the_link_to_the_next() {
        let (beside, far_end) = Beside::pair().unwrap();
        let NewLink { ours, theirs, .. } = link::create(LinkKind::Shared, Arc::new(beside)).unwrap();
        let theirs = link::open(LinkKind::Shared, theirs, Arc::new(Beside::from(far_end))).unwrap();
        let client = client(ours);
        for _ in 0..3 {
            assert!(matches!(call(&client, Some(Instant::now())), Err(Fault::TimedOut)));
        }
        assert!(client.try_alone().is_none(), "replies are owed");
        drop(theirs);
        assert!(matches!(call(&client, None), Err(Fault::Exited(_) | Fault::NotSent(_))));
    }
}
