//! The frontend's side of a link: any thread sends, one thread at a time receives for all.
//! Not here: values and their types (`actor::handle`), and how a backend's end is found out (`process`).
//! Layer 4: over `link`.
//!
//! # Leader and followers
//!
//! No thread is started for receiving. Of the threads that wait for something, one is the *leader*:
//! it alone takes in messages, hands replies to the others, and sleeps at the doorbell. The others,
//! the *followers*, park. A leader that has what it waited for steps down and wakes one follower.
//!
//! * C1: `leading` is set and cleared under the lock of `state`, and so are the sleepers entered. So
//!   a follower either is entered before the leader steps down, and is woken, or looks after it, and
//!   finds the lead free.
//! * C2: a call is entered in the table before its request leaves. So its reply finds it.
//! * C3: a thread that waits for room holds the *turn*: no other request overtakes it, and while it
//!   waits it leads or somebody else does, so replies are taken in and the backend can go on.
//! * C4: whoever finds the backend gone first takes in what it had replied before, then notes the
//!   death, then wakes everybody. Nobody waits for a dead backend.
//!
//! # Tasks and watchers
//!
//! A task that waits for a reply is suspended, so it can neither sleep at the doorbell nor lead. For it
//! the doorbell is watched, by its runtime or by the reactor (`calls::watch`): a *watcher* runs when the
//! bell rings, and leads for as long as there is something to take in, but never sleeps.
//!
//! * C5: while nobody leads and a task sleeps, the link is *armed*, which means that the next message
//!   rings, or has rung; or all watchers have been woken to look. Whoever gives the lead away sees to
//!   it, under the lock of `state`; a task goes to sleep under that lock too, and finds the link armed,
//!   or somebody leading, or the lead free, and takes it for a look. So no message is left lying.
//! * C6: a ring is taken out of the doorbell by a leader only. A watcher that is woken while somebody
//!   leads leaves the ring, which may be that leader's, in place, is noted as *held back*, and is woken
//!   again when the lead is given away. So no ring is stolen from a thread that sleeps for it, and none
//!   is forgotten by a watcher that is told of each ring only once.
//! * C7: a watcher belongs to the runtime of the tasks it watches for. Each runtime that waits for a
//!   link has its own, so no task depends on a runtime other than the one that runs it.
//! * C8: how a backend ended takes time to find out, so no task, watcher or reactor does it: it goes
//!   to a thread that may block, with the lead still taken, so that C4 holds.

mod awaiting;
mod leading;
#[cfg(test)]
mod model;
mod sending;

pub(crate) use awaiting::{Dying, Seen};

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::Instant;
use std::{fmt, io};

use leading::{Goal, Lead};

use super::table::{Look, Reply, Table};
use super::waits::{self, Target};
use super::watch::Watchers;
use crate::calls::identity;
use crate::errors::Exit;
use crate::link::{Incoming, LinkEnd, Outgoing, Payload, Room, Sent};
use crate::sys::clock::Moment;
use crate::wire::descriptors::Attached;
use crate::wire::kind::Kind;

/// How a backend ended, and when that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    pub(crate) exit: Exit,
    /// A moment at which it was certainly gone, if one is known.
    pub(crate) gone_at: Option<Moment>,
}

/// Why a link is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The other side is closed.
    Gone,
    /// The other side broke the protocol.
    Broken,
}

/// Finds out how the backend behind a link ended, and sees to it that it has; `None` when the deadline passed
/// before it had. A backend may take its time to stop behind the end of its link.
pub(crate) type FindDeath = Box<dyn Fn(Ending, Option<Instant>) -> Option<Death> + Send + Sync>;

/// A call whose request has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    id: u64,
    sent: Sent,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) payload: Vec<u8>,
    /// Descriptors that came along.
    pub(crate) attached: Attached,
}

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) enum Fault {
    NotSent(Exit),
    /// The deadline passed before the request had left.
    NotSentInTime,
    Exited(Exit),
    /// The deadline passed with the request in flight.
    TimedOut,
    Value(String),
    Memory(io::Error),
    /// The wait would be one for itself, through these actors.
    Circle(Vec<String>),
}

/// Why a call did not leave at once.
#[derive(Debug)]
pub(crate) enum NotNow {
    /// It would have to wait for room, or for others that do. Nothing of it has left.
    Room,
    Fault(Fault),
}

/// The frontend's end of a link, for any number of threads.
pub(crate) struct Client {
    target: Arc<Target>,
    sending: Mutex<Sending>,
    turn_free: Condvar,
    state: Mutex<State>,
    /// Locked by the leader alone, so never fought for.
    incoming: Mutex<Incoming>,
    /// What rings for `incoming`, for watchers: they must have it while a leader sleeps.
    bell: Arc<OwnedFd>,
    /// Held while a watcher is begun.
    beginning: Mutex<()>,
    find_death: FindDeath,
}

#[derive(Debug)]
struct Sending {
    outgoing: Outgoing,
    /// Somebody waits for room, or for the turn of its message in parts (C3).
    turn_taken: bool,
    /// Messages so far, of every kind.
    messages: u64,
}

#[derive(Debug, Default)]
struct State {
    table: Table,
    leading: bool,
    /// What the holder of the turn waits for, so that whoever leads looks for it too.
    room_wanted: Option<Room>,
    /// Parked threads that wait for something else than a reply.
    others: Vec<Thread>,
    /// The next message rings, or has rung (C5).
    armed: bool,
    /// A watcher was woken while somebody led (C6).
    held_back: bool,
    watchers: Watchers,
    death: Option<Death>,
}

impl State {
    fn take_lead(&mut self) {
        self.leading = true;
        self.armed = false;
    }

    /// Keeps C5, for the leader that is about to give the lead away; gives the watchers to wake then.
    fn arm(&mut self, incoming: &mut Incoming) -> Vec<Waker> {
        self.armed = !incoming.arm();
        let must_look = std::mem::take(&mut self.held_back) || !self.armed;
        if must_look { self.watchers.wakers() } else { Vec::new() }
    }

    /// Whether a call has a result.
    fn is_settled(&mut self, ticket: Ticket) -> bool {
        self.table.is_answered(ticket.id) || self.death.is_some()
    }

    fn forget_other(&mut self) {
        let me = thread::current().id();
        self.others.retain(|other| other.id() != me);
    }
}

thread_local! {
    /// A buffer for the next reply of this thread, so that short calls allocate nothing.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Longest buffer that a thread keeps.
const SPARE_MAX_BYTES: usize = 64 * 1024;

impl Outcome {
    /// Gives the buffer back for the next reply of this thread.
    #[inline]
    pub(crate) fn recycle(mut self) {
        if self.payload.capacity() <= SPARE_MAX_BYTES {
            self.payload.clear();
            SPARE.set(self.payload);
        }
    }
}

impl Client {
    pub(crate) fn new(end: LinkEnd, target: Arc<Target>, find_death: FindDeath) -> Self {
        Self {
            target,
            sending: Mutex::new(Sending { outgoing: end.outgoing, turn_taken: false, messages: 0 }),
            turn_free: Condvar::new(),
            state: Mutex::default(),
            bell: end.incoming.bell(),
            incoming: Mutex::new(end.incoming),
            beginning: Mutex::default(),
            find_death,
        }
    }

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

    /// Whether tasks wait for replies here, or have.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.state().watchers.is_empty()
    }

    /// Sends a message that has no reply.
    #[inline]
    pub(crate) fn send_one_way(
        &self,
        kind: Kind,
        payload: Payload<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), Fault> {
        if let Some(death) = &self.state().death {
            return Err(Fault::NotSent(death.exit.clone()));
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
        match waits::begin(&self.target, ticket.id) {
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
            if let Some(death) = state.death.clone() {
                let left = state.table.forget(ticket.id);
                drop(state);
                drop(left);
                return Err(self.fault_of(death, ticket, waiting_since));
            }
            if !state.leading {
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
        if !state.leading && !state.is_settled(ticket) {
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

    /// Waits until the backend is known to be gone; `None` when the deadline passed.
    ///
    /// It takes in replies meanwhile, so a backend that has to send one before it can end does end.
    pub(crate) fn wait_death(&self, deadline: Option<Instant>) -> Option<Exit> {
        loop {
            let mut state = self.state();
            if let Some(death) = &state.death {
                return Some(death.exit.clone());
            }
            if !state.leading {
                if let Lead::TimedOut = self.lead(state, Goal::Death, deadline, &mut None) {
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

    /// Messages that were sent so far: the constructor, calls, one-way calls, hooks.
    pub(crate) fn messages(&self) -> u64 {
        self.sending().messages
    }

    /// Whether the backend had begun to work on the request of a call; `true` where nobody can know.
    pub(crate) fn was_begun(&self, ticket: Ticket) -> bool {
        self.sending().outgoing.was_taken(ticket.sent)
    }

    /// Whether [`Client::was_begun`] is known here.
    pub(crate) fn knows_what_was_begun(&self) -> bool {
        self.sending().outgoing.knows_what_was_taken()
    }

    /// The death of the backend, if it has been noticed.
    pub(crate) fn death(&self) -> Option<Exit> {
        self.state().death.as_ref().map(|death| death.exit.clone())
    }

    fn forget_id(&self, id: u64) {
        let left = self.state().table.forget(id);
        drop(left);
    }

    #[cold]
    /// What a send comes to that met the end of the other side: its death, unless the deadline passes first.
    fn not_sent(&self, deadline: Option<Instant>) -> Fault {
        self.wait_death(deadline).map_or(Fault::NotSentInTime, Fault::NotSent)
    }

    /// Tells a call that died with its backend whether it had left (see `Fault`).
    fn fault_of(&self, death: Death, ticket: Ticket, waiting_since: Option<Moment>) -> Fault {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !state.watchers.is_empty() {
            self.incoming.get_mut().unwrap_or_else(PoisonError::into_inner).hang_up();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("death", &self.death()).finish_non_exhaustive()
    }
}

/// A call in the table until it is known to have left.
struct Entered<'client> {
    client: &'client Client,
    id: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.client.forget_id(self.id);
    }
}

/// Parks the thread until it is woken or the deadline passes; says whether the deadline is still ahead.
fn park(deadline: Option<Instant>) -> bool {
    match deadline {
        None => thread::park(),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
    }
    deadline.is_none_or(|deadline| Instant::now() < deadline)
}
