//! Waiting without a thread: tasks that are suspended, and watchers that lead for them when the bell rings.
//! Not here: which runtime watches (`calls::watch`), and threads that sleep (`super`, `leading`).
//! Layer 4: over `link::Incoming`.
//!
//! # For whoever waits for calls and other things at once
//!
//! `Select` is a watcher of its own: it polls descriptors on its own thread.
//!
//! 1. [`Client::watch_by_hand`], once for each link, gives a [`Key`]. Its waker must end the poll.
//! 2. [`Client::register`], for each call; `true` means that it is ready. The same waker will do.
//! 3. Poll [`Client::bell`] for reading. When it is readable, or the waker was woken, [`Client::look`]
//!    takes in what has come, and wakes whoever registered. [`Seen::More`] asks for another look.
//!    After [`Seen::Led`] the bell may stay readable while another thread leads: leave it out of the
//!    poll until the waker is woken. [`Seen::Dying`] is for `watch::run_aside`, or for this thread.
//! 4. [`Client::unregister`] for each call that is not over, then [`Client::unwatch`]: both, always.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::leading::{LAP, take_mine};
use super::{Client, Ending, Fault, Locked, Outcome, Ticket};
use crate::calls::table::Look;
use crate::calls::watch::{self, Key};
use crate::link::{Incoming, Rings};

/// What a watcher saw.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Everything has been taken in; the bell rings for what comes next, if a task waits for it.
    Quiet,
    /// There may be more: look again, when others have had their turn.
    More,
    /// Somebody else leads; the watcher is woken when that ends. The bell is to be left as it is.
    Led,
    /// The backend is gone; how is to be found out where a thread may block.
    Dying(Dying),
    /// The death of the backend is known already: there is nothing left to watch.
    Dead,
}

/// A leader that has found the backend gone, on its way to a thread that may block (C8).
#[derive(Debug)]
pub(crate) struct Dying {
    client: Arc<Client>,
    /// What it leads with, until the end is noted.
    lead: Option<(Ending, Box<Incoming>)>,
}

impl Dying {
    /// Finds out how the backend ended, notes it and wakes everybody.
    pub(crate) fn find_out(mut self) {
        if let Some((ending, incoming)) = self.lead.take() {
            // This thread may block, for as long as it takes: without a deadline a death is found.
            let _ = self.client.die(ending, incoming, None);
        }
    }
}

impl Dying {
    /// Whether the link itself was broken, so that its process may well live on.
    pub(crate) fn is_broken(&self) -> bool {
        self.lead.as_ref().is_some_and(|(ending, _)| *ending == Ending::Broken)
    }
}

impl Drop for Dying {
    /// The thread was refused, or is not to be: somebody else will find the end.
    fn drop(&mut self) {
        if let Some((_, incoming)) = self.lead.take() {
            self.client.step_down(incoming, None);
            // Each was told of the end once, and of nothing since.
            let watchers = self.client.state().watchers.wakers();
            watchers.into_iter().for_each(Waker::wake);
        }
    }
}

/// What a look without sleep found.
enum Taken {
    Mine(Outcome),
    Everything,
    /// As much as one look may take.
    Lap,
    Broken,
}

impl Client {
    /// The result of a call, for a task: suspends it until there is one.
    ///
    /// Dropped meanwhile, [`Client::forget`] ends the call.
    pub(crate) fn poll(
        self: &Arc<Self>,
        ticket: Ticket,
        context: &Context<'_>,
    ) -> Poll<Result<Outcome, Fault>> {
        let mut state = match self.settle(self.state(), ticket) {
            Ok(result) => return Poll::Ready(result),
            Err(state) => state,
        };
        let key = Key::current();
        if !state.watchers.has(key) {
            drop(state);
            if let Err(error) = self.have_watched(key) {
                return Poll::Ready(Err(Fault::Memory(error)));
            }
            state = match self.settle(self.state(), ticket) {
                Ok(result) => return Poll::Ready(result),
                Err(state) => state,
            };
        }
        let left = state.table.set_task(ticket.id, context.waker());
        let taken = self.look_if_free(state, Some(ticket.id));
        drop(left);
        match taken {
            Taken::Mine(outcome) => Poll::Ready(Ok(outcome)),
            Taken::Everything | Taken::Lap | Taken::Broken => Poll::Pending,
        }
    }

    /// Enters the caller as a watcher, for the calls that it registers.
    pub(crate) fn watch_by_hand(&self, waker: &Waker) -> Key {
        let key = Key::by_hand();
        let mut state = self.state();
        state.watchers.enter(key, watch::End::nothing());
        let _ = state.watchers.set_waker(key, waker);
        key
    }

    /// Has `waker` woken when a call is ready; `true` if it is.
    pub(crate) fn register(self: &Arc<Self>, ticket: Ticket, waker: &Waker) -> bool {
        let mut state = self.state();
        if state.is_settled(ticket) {
            return true;
        }
        let left = state.table.set_task(ticket.id, waker);
        self.look_if_free(state, None);
        drop(left);
        self.state().is_settled(ticket)
    }

    /// As [`Client::register`], for a task of whatever executor polls here: its watcher leads for this link too (C7).
    pub(crate) fn register_task(self: &Arc<Self>, ticket: Ticket, waker: &Waker) -> io::Result<bool> {
        let key = Key::current();
        let mut state = self.state();
        if state.is_settled(ticket) {
            return Ok(true);
        }
        let is_watched = state.watchers.has(key);
        drop(state);
        if !is_watched {
            self.have_watched(key)?;
        }
        Ok(self.register(ticket, waker))
    }

    /// Takes in what has come, if nobody else does, without asking to be rung for what comes next.
    pub(crate) fn take_in_now(self: &Arc<Self>) {
        drop(self.look_if_free(self.state(), None));
    }

    /// The result of a call, if it has been taken in.
    ///
    /// For whoever sends several and must know which of them a backend died of: one that it never began is `NotSent`,
    /// whenever it died.
    pub(crate) fn take_settled(&self, ticket: Ticket) -> Option<Result<Outcome, Fault>> {
        match self.settle(self.state(), ticket) {
            Ok(Err(Fault::Exited(exit))) if !self.was_begun(ticket) => Some(Err(Fault::NotSent(exit))),
            Ok(result) => Some(result),
            Err(_) => None,
        }
    }

    /// Whether a call is neither over nor forgotten.
    pub(crate) fn is_in_flight(&self, ticket: Ticket) -> bool {
        self.state().table.holds(ticket.id)
    }

    /// Ends what [`Client::register`] began; the call goes on.
    pub(crate) fn unregister(&self, ticket: Ticket) {
        let left = self.state().table.unset_task(ticket.id);
        drop(left);
    }

    /// The descriptor to watch. It stays open for whoever holds it.
    pub(crate) fn bell(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.bell)
    }

    /// Takes in what has come, as the watcher `key`, which `waker` wakes (C5, C6).
    pub(crate) fn look(self: &Arc<Self>, key: Key, waker: &Waker) -> Seen {
        let mut state = self.state();
        if !state.watchers.has(key) && state.death.is_none() {
            // Begun, and not entered yet: noted now, its waker would be noted nowhere, and a leader that steps down
            // would wake nobody.
            return Seen::More;
        }
        let outdated = state.watchers.set_waker(key, waker);
        if state.death.is_some() {
            drop(state);
            drop(outdated);
            return Seen::Dead;
        }
        let Some(mut incoming) = state.take_lead() else {
            state.held_back = true;
            drop(state);
            drop(outdated);
            return Seen::Led;
        };
        drop(state);
        drop(outdated);
        // Before the messages: what comes after the last of them rings anew.
        let rings = incoming.take_rings();
        let taken = self.take_in(&mut incoming, None);
        let ending = match (&rings, &taken) {
            (_, Taken::Broken) => Some(Ending::Broken),
            // Only now, with everything taken in that it had replied before (C4).
            (Ok(Rings::Gone) | Err(_), _) => Some(Ending::Gone),
            (_, Taken::Everything) if incoming.has_ended() => Some(Ending::Gone),
            _ => None,
        };
        if let Some(ending) = ending {
            return Seen::Dying(Dying { client: Arc::clone(self), lead: Some((ending, incoming)) });
        }
        self.step_down(incoming, None);
        if matches!(rings, Ok(Rings::More)) || matches!(taken, Taken::Lap) { Seen::More } else { Seen::Quiet }
    }

    /// Sees to it that somebody watches for the tasks of `key` (C7).
    fn have_watched(self: &Arc<Self>, key: Key) -> io::Result<()> {
        // One at a time, or two of the same runtime would begin.
        let _beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state().watchers.has(key) {
            return Ok(());
        }
        let end = watch::begin(self, key)?;
        self.state().watchers.enter(key, end);
        Ok(())
    }

    /// Ends a watcher that looks no more.
    pub(crate) fn unwatch(&self, key: Key) {
        let left = self.state().watchers.leave(key);
        drop(left);
    }

    /// The result of a call; without one, the lock is given back.
    fn settle<'client>(
        &'client self,
        mut state: Locked<'client>,
        ticket: Ticket,
    ) -> Result<Result<Outcome, Fault>, Locked<'client>> {
        if let Look::Answered(reply) = state.table.look(ticket.id) {
            return Ok(Ok(reply.into()));
        }
        let Some(death) = state.death.clone() else { return Err(state) };
        let awaited_since = state.table.awaited_since(ticket.id);
        let left = state.table.forget(ticket.id);
        drop(state);
        drop(left);
        Ok(Err(self.fault_of(death, ticket, awaited_since)))
    }

    /// Takes in what has come, unless somebody else does, or a watcher will (C5).
    fn look_if_free(self: &Arc<Self>, mut state: Locked<'_>, mine: Option<u64>) -> Taken {
        if state.armed {
            return Taken::Everything;
        }
        let Some(mut incoming) = state.take_lead() else { return Taken::Everything };
        drop(state);
        let taken = self.take_in(&mut incoming, mine);
        if matches!(taken, Taken::Broken) {
            let lead = Some((Ending::Broken, incoming));
            watch::run_aside(Dying { client: Arc::clone(self), lead });
            return taken;
        }
        let answered = mine.filter(|_| matches!(taken, Taken::Mine(_)));
        // What is more than a lap is found by the watchers, for the link cannot be armed then.
        self.step_down(incoming, answered);
        taken
    }

    /// Hands over what has come, up to the one that is `mine`.
    fn take_in(&self, incoming: &mut Incoming, mine: Option<u64>) -> Taken {
        for _ in 0..LAP {
            match incoming.next() {
                Ok(Some(mut arrived)) if mine == Some(arrived.id) => {
                    let mut outcome = Outcome::default();
                    take_mine(incoming, &mut arrived, &mut outcome);
                    return Taken::Mine(outcome);
                }
                Ok(Some(arrived)) => self.hand_over(incoming, arrived),
                Ok(None) => return Taken::Everything,
                Err(_) => return Taken::Broken,
            }
        }
        Taken::Lap
    }
}
