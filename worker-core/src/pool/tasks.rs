//! Taking a process without blocking: the same turns, for a task.
//! Not here: threads that wait (`shared`, `lease`).
//! Layer 7: above `seat`.
//!
//! A future that is dropped leaves everything in order: its place in the line, a process that it was making, which
//! becomes a spare, and a process that it had, which goes back.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::lease::{DEATHS_MAX, Lease, condemn};
use super::line::{Place, Wake};
use super::member::Hook;
use super::place::Making;
use super::seat::Seat;
use super::shared::Shared;
use super::state::{Choice, Want};
use crate::actor::Frontend;
use crate::errors::{CallError, TakeError};
use crate::wire::kind::Kind;

/// Takes a process that answers, with its hooks done.
pub(super) async fn take<F: Frontend>(shared: &Arc<Shared<F>>) -> Result<Lease<F>, TakeError> {
    let want = Want::Lease { or_busy: true };
    let mut deaths = 0;
    loop {
        let mut seat = seat(shared, want).await?;
        if finish_left_hook(&mut seat).await
            && let Some(lease) = activate(seat, deaths < DEATHS_MAX).await?
        {
            return Ok(lease);
        }
        deaths += 1;
    }
}

/// A process for the caller: one that is there, or one that is made.
pub(super) async fn seat<F: Frontend>(shared: &Arc<Shared<F>>, want: Want<'_>) -> Result<Seat<F>, TakeError> {
    shared.look_at_spares();
    match choose(shared, want).await? {
        Choice::Member { number, frontend } => Ok(Seat::new(shared, number, frontend, want, false)),
        Choice::Make => Making::begin(shared, false)?.finish_async(want).await,
        Choice::Nothing => Err(TakeError::Busy),
    }
}

/// A place in the line that is given up with this.
struct Waiting<'shared, F: Frontend> {
    shared: &'shared Shared<F>,
    place: Option<Place>,
}

impl<F: Frontend> Drop for Waiting<'_, F> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut state = self.shared.state();
            let wake = state.line.leave(place);
            state.line.wake_first();
            drop(state);
            drop(wake);
        }
    }
}

async fn choose<F: Frontend>(shared: &Shared<F>, want: Want<'_>) -> Result<Choice<F>, TakeError> {
    let mut waiting = Waiting { shared, place: None };
    poll_fn(|context| {
        let mut state = shared.state();
        if state.closed {
            return Poll::Ready(Err(TakeError::Stopped));
        }
        let is_my_turn = waiting.place.map_or(state.line.is_empty(), |place| state.line.is_first(place));
        if is_my_turn {
            match state.choose(want, &shared.options) {
                Choice::Nothing => {}
                choice => return Poll::Ready(Ok(choice)),
            }
        }
        let wake = Wake::Task(context.waker().clone());
        let old = match waiting.place {
            Some(place) => state.line.renew(place, wake),
            None => {
                waiting.place = Some(state.line.enter(wake));
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    })
    .await
}

/// Sees the last user's `#[deactivate]` done; says whether the process is good for another one.
async fn finish_left_hook<F: Frontend>(seat: &mut Seat<F>) -> bool {
    // It stays with the seat meanwhile, and goes back with it.
    seat.hook = seat.take_left_hook();
    if let Hook::Owed = seat.hook {
        seat.hooks += 1;
        seat.hook = Hook::Sent(seat.frontend.hook(Kind::Deactivate, None));
    }
    let result = poll_fn(|context| match &mut seat.hook {
        Hook::Sent(pending) => Pin::new(pending).poll(context),
        Hook::Failed(error) => Poll::Ready(Err(error.clone())),
        Hook::None | Hook::Owed => Poll::Ready(Ok(())),
    });
    let result = result.await;
    seat.hook = Hook::None;
    if let Err(error) = &result {
        condemn(seat, error);
    }
    result.is_ok()
}

/// Runs `#[activate]`; `None` if the process had ended, which is no error as long as there may be others.
async fn activate<F: Frontend>(mut seat: Seat<F>, may_be_dead: bool) -> Result<Option<Lease<F>>, TakeError> {
    seat.hooks += 1;
    let pending = seat.frontend.hook(Kind::Activate, None);
    // A lease from now on: dropped while it waits, it sends the counterpart, behind the hook.
    let mut lease = Lease::new(seat);
    let Err(error) = pending.await else { return Ok(Some(lease)) };
    lease.is_active = false;
    let has_ended = matches!(error, CallError::NotSent(_) | CallError::Exited(_));
    condemn(&lease.seat, &error);
    if has_ended && may_be_dead && !lease.seat.is_fresh { Ok(None) } else { Err(TakeError::Activate(error)) }
}
