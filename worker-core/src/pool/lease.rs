//! A process lent to one user: activated when it is taken, deactivated when it is returned.
//! Not here: which process it is (`state`).
//! Layer 7: above `seat`.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use super::member::Hook;
use super::seat::Seat;
use super::shared::{Patience, Shared};
use super::state::Want;
use crate::actor::{Frontend, Pending};
use crate::errors::{CallError, DepartureReason, TakeError};
use crate::wire::kind::Kind;

/// A process of a [`Pool`](crate::Pool) that is its holder's alone.
///
/// It derefs to the frontend. When it is dropped, also by a panic, the backend runs its `#[deactivate]` hook, behind
/// whatever was sent before, and the process goes back. Nobody waits for that but the next one who takes it. If the
/// process has ended meanwhile, or the hook panics, it is replaced.
///
/// A clone of the frontend outlives the lease, and then means a process that somebody else has.
///
/// # Examples
///
/// ```
/// use worker_core::{Pool, process_actor};
///
/// pub struct Squarer;
///
/// #[process_actor]
/// impl Squarer {
///     pub fn new() -> Self { Self }
///     pub fn square(&self, n: u64) -> u64 { n * n }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::<SquarerFrontend>::builder().size(2).spawn(SquarerFrontend::spawn_with)?;
/// {
///     let squarer = pool.take()?;
///     assert_eq!(squarer.square(3)?, 9);
///     assert_eq!(pool.idle(), 1);
/// }
/// assert_eq!(pool.idle(), 2);
/// # Ok(())
/// # }
/// ```
pub struct Lease<F: Frontend> {
    pub(super) seat: Seat<F>,
    /// Its counterpart is due at the end.
    pub(super) is_active: bool,
}

impl<F: Frontend> Lease<F> {
    pub(super) fn new(seat: Seat<F>) -> Self {
        Self { seat, is_active: true }
    }
}

/// Takes a process that answers, with its hooks done.
pub(super) fn take<F: Frontend>(shared: &Arc<Shared<F>>, patience: Patience) -> Result<Lease<F>, TakeError> {
    let want = Want::Lease { or_busy: patience != Patience::None };
    let mut deaths = 0;
    loop {
        let mut seat = shared.seat(want, patience)?;
        if finish_left_hook(&mut seat, patience.deadline())?
            && activate(&mut seat, patience.deadline(), deaths < DEATHS_MAX)?
        {
            return Ok(Lease::new(seat));
        }
        deaths += 1;
    }
}

/// Processes that one taker finds dead at most, before it is told: more than any pool loses by accident meanwhile.
pub(super) const DEATHS_MAX: u32 = 100;

/// Sees the last user's `#[deactivate]` done; says whether the process is good for another one.
fn finish_left_hook<F: Frontend>(seat: &mut Seat<F>, deadline: Option<Instant>) -> Result<bool, TakeError> {
    let mut pending = match seat.take_left_hook() {
        Hook::None => return Ok(true),
        Hook::Sent(pending) => pending,
        Hook::Failed(error) => {
            condemn(seat, &error);
            return Ok(false);
        }
        Hook::Owed => {
            seat.hooks += 1;
            seat.frontend.hook(Kind::Deactivate, deadline)
        }
    };
    match wait(&mut pending, deadline) {
        None => {
            // It is still to be waited for, by the next one.
            seat.hook = Hook::Sent(pending);
            Err(TakeError::Busy)
        }
        Some(Ok(())) => Ok(true),
        Some(Err(CallError::NotSentInTime { .. })) => {
            seat.hook = Hook::Owed;
            Err(TakeError::Busy)
        }
        Some(Err(error)) => {
            condemn(seat, &error);
            Ok(false)
        }
    }
}

/// Runs `#[activate]`; says whether the process is good. One that had ended unnoticed, or ends just now, is not, and that
/// is no error as long as there may be others; a fresh one that ends does so because of the hook.
fn activate<F: Frontend>(
    seat: &mut Seat<F>,
    deadline: Option<Instant>,
    may_be_dead: bool,
) -> Result<bool, TakeError> {
    seat.hooks += 1;
    let mut pending = seat.frontend.hook(Kind::Activate, deadline);
    match wait(&mut pending, deadline) {
        Some(Ok(())) => Ok(true),
        None => {
            // It may still run, so its counterpart is due, behind it.
            seat.hook = deactivate(seat);
            Err(TakeError::Busy)
        }
        Some(Err(CallError::NotSentInTime { .. })) => Err(TakeError::Busy),
        Some(Err(error)) => {
            let has_ended = matches!(error, CallError::NotSent(_) | CallError::Exited(_));
            condemn(seat, &error);
            if has_ended && may_be_dead && !seat.is_fresh {
                Ok(false)
            } else {
                Err(TakeError::Activate(error))
            }
        }
    }
}

fn wait(pending: &mut Pending<()>, deadline: Option<Instant>) -> Option<Result<(), CallError>> {
    pending.wait_until(deadline)
}

pub(super) fn condemn<F: Frontend>(seat: &Seat<F>, error: &CallError) {
    match error {
        CallError::Panicked(report) => seat.condemn(DepartureReason::Panicked(report.clone())),
        // A hook takes and gives nothing that could fail otherwise, but the process may be a hostile one.
        error if !seat.condemn_if_dead(error) => {
            let _ = seat.frontend.process().kill();
            seat.condemn(DepartureReason::Ended(seat.frontend.process().wait()));
        }
        _ => {}
    }
}

/// Sends the hook if there is room, which there nearly always is.
fn deactivate<F: Frontend>(seat: &mut Seat<F>) -> Hook {
    let mut pending = seat.frontend.hook(Kind::Deactivate, Some(Instant::now()));
    seat.hooks += 1;
    match pending.wait_until(Some(Instant::now())) {
        None => Hook::Sent(pending),
        Some(Ok(())) => Hook::None,
        Some(Err(CallError::NotSentInTime { .. })) => {
            seat.hooks -= 1;
            Hook::Owed
        }
        Some(Err(error)) => Hook::Failed(error),
    }
}

impl<F: Frontend> Drop for Lease<F> {
    fn drop(&mut self) {
        if self.is_active {
            self.seat.hook = deactivate(&mut self.seat);
        }
    }
}

impl<F: Frontend> Deref for Lease<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.seat.frontend
    }
}

impl<F: Frontend> fmt::Debug for Lease<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lease").field("process", self.seat.frontend.process()).finish()
    }
}
