//! The end of a pool: every process at once.
//! Not here: the end of one (`process`).
//! Layer 7: above `actor`.

use std::sync::PoisonError;

use super::shared::Shared;
use crate::actor::{Frontend, Remote, stop_all};
use crate::errors::{Exit, StopError};

/// Stops whatever there is, and whatever somebody is just making.
pub(super) fn stop<F: Frontend>(shared: &Shared<F>) -> Result<Vec<Exit>, StopError> {
    let mut state = shared.state();
    state.closed = true;
    let mut frontends: Vec<(u64, F)> = Vec::new();
    frontends.extend(state.members.drain(..).map(|member| (member.number, member.frontend)));
    frontends.extend(state.spares.drain(..).map(|spare| (spare.number, spare.frontend)));
    frontends.sort_by_key(|(number, _)| *number);
    state.stopped.extend(frontends.into_iter().map(|(_, frontend)| frontend));
    state.line.wake_all();
    shared.changed.notify_all();
    let known = state.stopped.clone();
    drop(state);
    // Before waiting for those that are just being made: these have their time meanwhile.
    known.iter().for_each(|frontend| frontend.ask_to_stop());
    let mut state = shared.state();
    // Whoever makes a process finds the pool closed, and leaves it here.
    while state.making + state.in_hand > 0 {
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    let all = state.stopped.clone();
    drop(state);
    stop_all(all.iter().map(|frontend| -> &Remote { frontend })).into_iter().collect()
}
