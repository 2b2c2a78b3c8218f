//! A process that somebody makes for himself, in a place that the pool keeps for it.
//! Not here: spares, which are made for nobody yet (`making`).
//! Layer 7: over `process::Starting`.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::making::Counted;
use super::member::{Member, Spare};
use super::seat::Seat;
use super::shared::{Shared, not_made_departure};
use super::state::Want;
use crate::actor::Frontend;
use crate::calls::Ticket;
use crate::errors::TakeError;
use crate::process::{Life, Started};

/// A process that somebody makes in a place that the pool keeps for it (`Choice::Make`).
///
/// Dropped unfinished, it is left as a spare, so that the next one goes on with it.
pub(super) struct Making<F: Frontend> {
    shared: Arc<Shared<F>>,
    spare: Option<Spare<F>>,
    /// It was a spare, so if it fails, that says nothing of a new one.
    was_spare: bool,
    /// Its place is still kept.
    is_counted: bool,
}

/// What [`Making::finish_now`] comes to.
pub(super) enum Now<F: Frontend> {
    Serves(Seat<F>),
    /// It is still to be waited for, or what was begun in the place of a spare that failed.
    NotYet(Making<F>),
}

impl<F: Frontend> Making<F> {
    /// Takes the spare that is next, or begins a process.
    pub(super) fn begin(shared: &Arc<Shared<F>>, spare_only: bool) -> Result<Self, TakeError> {
        let mut making = Self { shared: Arc::clone(shared), spare: None, was_spare: true, is_counted: true };
        let mut state = shared.state();
        let closed = state.closed;
        making.spare = if closed { None } else { state.take_spare() };
        let known = making.spare.as_ref().map(|spare| (spare.number, spare.frontend.clone()));
        state.begun.extend(known);
        drop(state);
        if closed {
            return Err(TakeError::Stopped);
        }
        match (&making.spare, spare_only) {
            (Some(_), _) => {}
            (None, true) => return Err(TakeError::Busy),
            (None, false) => making.begin_new()?,
        }
        Ok(making)
    }

    fn begin_new(&mut self) -> Result<(), TakeError> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.closed {
            return Err(TakeError::Stopped);
        }
        let number = state.number();
        state.beginning += 1;
        drop(state);
        let counted = Counted::held(&shared, |state| &mut state.beginning);
        self.was_spare = false;
        let begun = shared.begin(number);
        let mut state = shared.state();
        counted.end(&mut state);
        let spare = begun.map_err(TakeError::Spawn)?;
        if state.closed {
            let left = state.put_back(spare);
            drop(state);
            drop(left);
            return Err(TakeError::Stopped);
        }
        state.begun.push((number, spare.frontend.clone()));
        self.spare = Some(spare);
        Ok(())
    }

    /// Whether [`Making::finish_now`] would come to something.
    pub(super) fn is_ready(&self) -> bool {
        let starting = self.spare.as_ref().and_then(|spare| spare.starting.as_ref());
        starting.is_none_or(|starting| starting.is_finished())
    }

    /// What to wait for until it is ready.
    pub(super) fn waits_for(&self) -> Option<(&Arc<Life>, Ticket)> {
        self.spare.as_ref()?.starting.as_ref()?.waits_for()
    }

    /// Waits for the constructor, and puts the process into service, in use by the caller.
    pub(super) fn finish(mut self, want: Want<'_>, deadline: Option<Instant>) -> Result<Seat<F>, TakeError> {
        if !self.wait(deadline)? {
            // The next one who needs a process goes on waiting for this one.
            return Err(TakeError::Busy);
        }
        self.serve(want)
    }

    /// As [`Making::finish`], for a task.
    pub(super) async fn finish_async(mut self, want: Want<'_>) -> Result<Seat<F>, TakeError> {
        loop {
            poll_fn(|context| {
                let starting = self.spare.as_ref().and_then(|spare| spare.starting.as_ref());
                starting.map_or(Poll::Ready(()), |starting| starting.poll(context))
            })
            .await;
            match self.finish_now(want)? {
                Now::Serves(seat) => return Ok(seat),
                Now::NotYet(making) => self = making,
            }
        }
    }

    /// As [`Making::finish`], without waiting.
    ///
    /// What is not there yet is given back, and has to be kept. Left to the pool it would be a spare, of which a failure
    /// says nothing: where every constructor fails, nobody would ever be told.
    pub(super) fn finish_now(mut self, want: Want<'_>) -> Result<Now<F>, TakeError> {
        if !self.wait(Some(Instant::now()))? {
            return Ok(Now::NotYet(self));
        }
        self.serve(want).map(Now::Serves)
    }

    /// Waits for the constructor, of a new process where a spare has failed; says whether it is done.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<bool, TakeError> {
        while let Some(spare) = &mut self.spare {
            let Some(starting) = &spare.starting else { break };
            match starting.finish(deadline) {
                Started::Alive => spare.starting = None,
                Started::NotYet => return Ok(false),
                Started::Failed(exit, why) => {
                    // Whoever found it has waited for its end, if anybody can.
                    spare.frontend.process().lives().with_current(|life| life.body.announce());
                    let number = spare.number;
                    self.spare = None;
                    let mut state = self.shared.state();
                    let (left, closed) = (state.take_begun(number), state.closed);
                    state.pause_spares();
                    drop(state);
                    drop(left);
                    if closed {
                        // It was stopped with the pool.
                        return Err(TakeError::Stopped);
                    }
                    if !self.was_spare {
                        return Err(TakeError::Spawn(format!("{exit}: {why}")));
                    }
                    self.shared.tell(&not_made_departure(exit.name.clone(), exit.pid, why));
                    self.begin_new()?;
                }
            }
        }
        Ok(true)
    }

    /// Puts the process into service, in use by the caller.
    fn serve(mut self, want: Want<'_>) -> Result<Seat<F>, TakeError> {
        let Some(spare) = self.spare.take() else { return Err(TakeError::Busy) };
        let (number, frontend, shared) = (spare.number, spare.frontend.clone(), Arc::clone(&self.shared));
        let mut state = shared.state();
        // Counted as made until now, and as a member from now on.
        self.is_counted = false;
        state.making -= 1;
        let left = state.take_begun(number);
        shared.changed.notify_all();
        if state.closed {
            // Whoever closed the pool has it in hand.
            drop(state);
            return Err(TakeError::Stopped);
        }
        let mut member = Member::new(spare);
        match want {
            Want::Lease { .. } => member.leased = true,
            Want::Share { .. } => member.load = 1,
        }
        state.members.push(member);
        shared.tidy(state);
        drop(left);
        Ok(Seat::new(&shared, number, frontend, want, true))
    }
}

impl<F: Frontend> Drop for Making<F> {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        let spare = self.spare.take();
        let mut state = self.shared.state();
        state.making -= 1;
        let known = spare.as_ref().and_then(|spare| state.take_begun(spare.number));
        // Where the pool is closed, whoever closed it has it in hand.
        let left = if state.closed { spare } else { spare.and_then(|spare| state.put_back(spare)) };
        self.shared.changed.notify_all();
        self.shared.tidy(state);
        drop((known, left));
    }
}
