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
//! * C1: the lead is what messages are taken from: it is taken out of `state` and put back under its lock,
//!   and sleepers are entered under it too. So a follower either is entered before the leader steps down,
//!   and is woken, or looks after it, and finds the lead free.
//! * C2: a call is entered in the table before its request leaves. So its reply finds it.
//! * C3: a thread that waits for room holds the *turn*: no other request overtakes it, and while it
//!   waits it leads or somebody else does, so replies are taken in and the backend can go on.
//! * C4: whoever finds the backend gone first takes in what it had replied before, then notes the
//!   death, then wakes everybody. Nobody waits for a dead backend.
//! * C9: a leader that takes its own reply frees its room without a look at who waits for room, if under the
//!   lock of `state` it sees that no other reply is owed. A backend waits for room only to reply. Whoever
//!   enters a call later takes the lock after the leader gave it back, so its request says too that the
//!   room is free: the backend that acts on that request sees it.
//! * C10: a thread that calls while nobody waits, nobody is owed a reply and nobody has to be told anything is
//!   *alone*: it takes the lead before its request leaves, without the lock (`calls::seat`). Whoever comes
//!   meanwhile goes by the lock, finds somebody leading, and may rely on it that this leader takes the lock too
//!   before it gives the lead away. If nobody has come, no reply is owed (C9), for who enters a call does so by
//!   the same word. Its own call need not be in the table (C2), for nobody else takes messages; it is entered
//!   when it goes on among others. While its request is encoded nobody takes in a message, nor sees an end.
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

mod alone;
mod awaiting;
mod calling;
mod ending;
mod leading;
#[cfg(test)]
mod model;
mod outcome;
mod sending;

pub(crate) use awaiting::{Dying, Seen};
pub(crate) use outcome::{Death, Ending, Fault, NotNow, Outcome, Ticket, recycle};

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::Instant;

use super::seat::{Held, Seat};
use super::table::Table;
use super::waits::Target;
use super::watch::Watchers;
use crate::errors::Exit;
use crate::link::{Incoming, LinkEnd, Outgoing, Room};

/// Finds out how the backend behind a link ended, and sees to it that it has; `None` when the deadline passed
/// before it had. A backend may take its time to stop behind the end of its link.
pub(crate) type FindDeath = Box<dyn Fn(Ending, Option<Instant>) -> Option<Death> + Send + Sync>;

/// The frontend's end of a link, for any number of threads.
pub(crate) struct Client {
    target: Arc<Target>,
    sending: Mutex<Sending>,
    turn_free: Condvar,
    state: Seat<State, Box<Incoming>>,
    /// Whether a death is noted, for a look without the lock.
    is_dead: AtomicBool,
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

/// What all threads and tasks that have to do with a client share, beside what messages are taken from: whoever has
/// taken that leads (C1).
#[derive(Debug, Default)]
struct State {
    table: Table,
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
    /// Whether nobody waits, or is owed anything, or has to be told anything: then the next caller may be alone (C10).
    ///
    /// A watcher that is held back (C6) has nobody to watch for: the next task that sleeps finds the link not armed, and whoever
    /// steps down then wakes it.
    #[inline]
    fn is_quiet(&self) -> bool {
        self.table.is_empty()
            && !self.table.owes_replies()
            && self.others.is_empty()
            && self.room_wanted.is_none()
            && !self.armed
            && self.death.is_none()
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

/// The state, locked, and the lead with it.
type Locked<'client> = Held<'client, State, Box<Incoming>>;

impl Locked<'_> {
    /// Whether somebody leads.
    #[inline]
    fn is_led(&self) -> bool {
        self.is_taken()
    }

    /// Takes the lead, if it is free.
    #[inline]
    fn take_lead(&mut self) -> Option<Box<Incoming>> {
        let incoming = self.take()?;
        self.armed = false;
        Some(incoming)
    }
}

impl Client {
    pub(crate) fn new(end: LinkEnd, target: Arc<Target>, find_death: FindDeath) -> Self {
        Self {
            target,
            sending: Mutex::new(Sending { outgoing: end.outgoing, turn_taken: false, messages: 0 }),
            turn_free: Condvar::new(),
            is_dead: AtomicBool::new(false),
            bell: end.incoming.bell(),
            state: Seat::new(State::default(), Box::new(end.incoming)),
            beginning: Mutex::default(),
            find_death,
        }
    }

    /// Whether tasks wait for replies here, or have.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.state().watchers.is_empty()
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

    /// Whether the backend is known to be gone: what is not known yet shows later.
    #[inline]
    fn is_dead(&self) -> bool {
        // Relaxed: how it ended is read under the lock.
        self.is_dead.load(Ordering::Relaxed)
    }

    #[inline]
    fn state(&self) -> Locked<'_> {
        self.state.lock()
    }

    #[inline]
    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let (state, incoming) = self.state.get_mut();
        if let (false, Some(incoming)) = (state.watchers.is_empty(), incoming) {
            incoming.hang_up();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("death", &self.death()).finish_non_exhaustive()
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
