//! The end of a pool: every process at once.
//! Not here: the end of one (`process`).
//! Layer 7: above `actor`.

use super::shared::Shared;
use crate::actor::{Frontend, Remote, stop_all};
use crate::errors::{Exit, StopError};

/// Stops whatever there is, and whatever somebody is making: no constructor is waited for, and no map that is not asked
/// for results.
pub(super) fn stop<F: Frontend>(shared: &Shared<F>) -> Result<Vec<Exit>, StopError> {
    let mut state = shared.state();
    state.closed = true;
    let (members, spares) = (std::mem::take(&mut state.members), std::mem::take(&mut state.spares));
    let begun = std::mem::take(&mut state.begun);
    let known = members.iter().map(|member| (member.number, member.frontend.clone()));
    let known = known.chain(spares.iter().map(|spare| (spare.number, spare.frontend.clone()))).chain(begun);
    state.stopped.extend(known);
    let known = state.stopped.clone();
    state.line.wake_all();
    shared.changed.notify_all();
    drop(state);
    drop((members, spares));
    // Before waiting for those that are being begun: these have their time meanwhile.
    known.iter().for_each(|(_, frontend)| frontend.ask_to_stop());
    let mut state = shared.state();
    // Whoever has the user's closure make a process finds the pool closed, and leaves it here.
    while state.beginning + state.in_hand > 0 {
        state = state.wait(&shared.changed, None);
    }
    state.stopped.sort_by_key(|(number, _)| *number);
    let all = state.stopped.clone();
    drop(state);
    stop_all(all.iter().map(|(_, frontend)| -> &Remote { frontend })).into_iter().collect()
}
