//! The next life of an actor whose last one has ended: begun once, by whoever comes first.
//! Not here: how often it may be (`restart`), and what a group makes of it (`group`).
//! Layer 5: above `calls`.
//!
//! No thread waits for an end. A caller that finds one does the work for all others, who wait:
//!
//! ```text
//!  living -- an end is found --> due at a time --> starting --> living
//!                |                                    |
//!                +-- no more allowed, or stopped      +-- failed: counts as an end
//!                v
//!              ended for good
//! ```
//!
//! * R1: the current life is replaced under the lock of `state`, and only after its end is known.
//! * R2: a caller whose deadline passes leaves a life that is starting where it is; the next caller
//!   goes on with it. So a slow constructor and impatient callers come to an end all the same.
//! * R3: one thread at a time waits for a starting life: the one that has set `busy`.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use super::life::{Life, Recipe, Started, Starting};
use super::restart::{Ledger, When};
use crate::calls::Fault;
use crate::errors::Exit;
use crate::sys::{clock, pidfd};

/// What it takes to begin another life.
#[derive(Debug)]
pub(crate) struct Renewal {
    current: RwLock<Arc<Life>>,
    recipe: Recipe,
    state: Mutex<State>,
    changed: Condvar,
    /// One descriptor for all lives: whatever the number stands for, it is the process of the current one.
    watched: OwnedFd,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    /// When the next life may begin, once the end of the current one has been counted.
    due: Option<Instant>,
    starting: Option<Arc<Starting>>,
    /// Some thread begins a life or waits for one (R3).
    busy: bool,
    /// How the last start ended, if that was no life.
    failed: Option<(Exit, String)>,
    /// Asked to stop: no life begins any more.
    closed: bool,
    /// The answer to every call, once there will be no other life.
    ended: Option<Exit>,
    restarts: u64,
    /// A group looks after the actor, and somebody runs it just now.
    attended: bool,
}

impl Renewal {
    pub(super) fn new(life: Arc<Life>, recipe: Recipe) -> io::Result<Self> {
        let watched = life.body.as_fd().try_clone_to_owned()?;
        let state = State {
            ledger: Ledger::new(&recipe.origin.builder.restart),
            due: None,
            starting: None,
            busy: false,
            failed: None,
            closed: false,
            ended: None,
            restarts: 0,
            attended: false,
        };
        Ok(Self {
            current: RwLock::new(life),
            recipe,
            state: Mutex::new(state),
            changed: Condvar::new(),
            watched,
        })
    }

    #[inline]
    pub(crate) fn current(&self) -> Arc<Life> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn restarts(&self) -> u64 {
        self.state().restarts
    }

    /// The life after a dead one, begun here or by somebody else.
    #[cold]
    pub(super) fn renew(&self, dead: &Arc<Life>, deadline: Option<Instant>) -> Result<Arc<Life>, Fault> {
        dead.body.announce();
        if !dead.body.is_ours() {
            // A fork of the program would begin a second life beside the first.
            return Err(Fault::NotSent(dead.body.unknown_exit()));
        }
        let mut state = self.state();
        loop {
            let current = self.current();
            if !Arc::ptr_eq(&current, dead) {
                return Ok(current);
            }
            if let Some(exit) = &state.ended {
                return Err(Fault::NotSent(exit.clone()));
            }
            if state.closed {
                return Err(Fault::NotSent(dead.body.wait()));
            }
            if self.recipe.origin.builder.in_group {
                if !state.attended || SUPERVISES.get() {
                    return Err(Fault::NotSent(dead.body.wait()));
                }
                state = self.wait(state, None, deadline)?;
            } else if state.busy {
                state = self.wait(state, None, deadline)?;
            } else if state.starting.is_some() {
                let waited;
                (state, waited) = self.finish(state, deadline);
                waited?;
            } else if let Some(due) = state.due {
                if Instant::now() < due {
                    state = self.wait(state, Some(due), deadline)?;
                } else {
                    state = self.begin(state);
                }
            } else {
                self.judge(&mut state, dead);
            }
        }
    }

    /// Counts an end, and decides what comes after it.
    fn judge(&self, state: &mut State, dead: &Life) {
        let failed = state.failed.take();
        let exit = failed.as_ref().map_or_else(|| dead.body.wait(), |(exit, _)| exit.clone());
        let wanted = match self.recipe.origin.builder.restart.when {
            When::Never => false,
            // A constructor that fails ends its process in order; it is no life all the same.
            When::Crashed => failed.is_some() || !exit.is_clean(),
            When::Ended => true,
        };
        let now = Instant::now();
        if !wanted {
            state.ended = Some(exit);
        } else if let Some(wait) = state.ledger.enter(now) {
            state.due = Some(now.checked_add(wait).unwrap_or(now));
        } else {
            state.ended = Some(state.ledger.give_up(exit, failed.map(|(_, why)| why)));
        }
        self.changed.notify_all();
    }

    /// Has a process made for the next life.
    fn begin<'renewal>(
        &'renewal self,
        mut state: MutexGuard<'renewal, State>,
    ) -> MutexGuard<'renewal, State> {
        state.busy = true;
        drop(state);
        let begun = self.recipe.begin();
        let mut state = self.state();
        state.busy = false;
        state.due = None;
        match begun {
            Ok(starting) => state.starting = Some(Arc::new(starting)),
            Err(refused) => state.failed = Some((self.current().body.wait(), refused.to_string())),
        }
        self.changed.notify_all();
        state
    }

    /// Waits for the life that is starting (R3).
    fn finish<'renewal>(
        &'renewal self,
        mut state: MutexGuard<'renewal, State>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'renewal, State>, Result<(), Fault>) {
        let Some(starting) = state.starting.clone() else { return (state, Ok(())) };
        state.busy = true;
        drop(state);
        let started = starting.finish(deadline);
        if matches!(started, Started::Failed(..)) {
            starting.life.body.announce();
        }
        let mut state = self.state();
        state.busy = false;
        let mut result = Ok(());
        match started {
            Started::Alive => {
                state.starting = None;
                self.install(&mut state, &starting.life);
            }
            Started::Failed(exit, why) => {
                state.starting = None;
                state.failed = Some((exit, why));
            }
            Started::NotYet => result = Err(Fault::NotSentInTime),
        }
        self.changed.notify_all();
        (state, result)
    }

    fn install(&self, state: &mut State, life: &Arc<Life>) {
        // On an error the descriptor stays that of the earlier life, and says that it has ended.
        let _ = pidfd::stand_for(&self.watched, life.body.as_fd());
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(life);
        state.restarts += 1;
    }

    /// Waits for a change, or until the earlier of two moments, of which only the deadline is an error.
    fn wait<'renewal>(
        &self,
        state: MutexGuard<'renewal, State>,
        until: Option<Instant>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'renewal, State>, Fault> {
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Fault::NotSentInTime);
        }
        let until = until.into_iter().chain(deadline).min();
        Ok(match until {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(now);
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        })
    }

    /// Lets no other life begin.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Ends the actor for good: also a life that is only starting.
    pub(super) fn stop(&self) -> io::Result<Exit> {
        self.close();
        let mut state = self.state();
        let grace = clock::after(self.current().body.stop_timeout());
        loop {
            let left = grace.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.kill_starting(&state);
            }
            if state.busy && left.is_zero() {
                // Whoever waits for the life that is starting sees it end now.
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if state.busy {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            } else if state.starting.is_some() {
                state = self.finish(state, (!left.is_zero()).then_some(grace)).0;
            } else {
                break;
            }
        }
        if let Some(exit) = &state.ended {
            return Ok(exit.clone());
        }
        drop(state);
        let exit = self.current().stop()?;
        Ok(self.state().ended.get_or_insert(exit).clone())
    }

    fn kill_starting(&self, state: &State) {
        if let Some(starting) = &state.starting {
            let _ = starting.life.body.kill();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// Whether this thread runs a group just now: then it must not wait for one.
    static SUPERVISES: Cell<bool> = const { Cell::new(false) };
}

/// Runs what a supervisor does. A listener that it tells of an end may call a member that has ended,
/// and would wait for this very thread; it gets `NotSent` instead.
pub(crate) fn as_supervisor<T>(run: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            SUPERVISES.set(self.0);
        }
    }
    let _restore = Restore(SUPERVISES.replace(true));
    run()
}

/// What a group does with its member.
impl Renewal {
    /// Says whether somebody runs the group: then a call to a dead member waits for its next life.
    pub(crate) fn attend(&self, attended: bool) {
        self.state().attended = attended;
        self.changed.notify_all();
    }

    /// Begins the next life and waits for it; the current one has ended.
    pub(crate) fn restart(&self) -> Result<(), (Exit, String)> {
        let mut state = self.state();
        if state.closed {
            return Err((self.current().body.wait(), "it was stopped meanwhile".to_owned()));
        }
        state.failed = None;
        state = self.begin(state);
        while state.starting.is_some() {
            if state.closed {
                self.kill_starting(&state);
            }
            state = self.finish(state, None).0;
        }
        match state.failed.take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Lets no other life begin, and ends the one that is only starting.
    pub(crate) fn interrupt(&self) {
        let mut state = self.state();
        state.closed = true;
        self.kill_starting(&state);
        self.changed.notify_all();
    }

    /// Says that there will be no other life, and why.
    pub(crate) fn end_for_good(&self, exit: Exit) {
        let mut state = self.state();
        state.closed = true;
        state.ended = Some(exit);
        self.changed.notify_all();
    }

    /// Ends the current life in order; another may follow.
    pub(crate) fn stop_this_life(&self) -> io::Result<Exit> {
        let life = self.current();
        let exit = life.stop();
        life.body.announce();
        exit
    }
}

impl AsFd for Renewal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}
