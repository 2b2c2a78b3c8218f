//! What ends with the last clone of a pool; and the one thread that a pool may have, for what is due while nobody comes.
//! Not here: everything that is due when somebody comes, which needs no thread.
//! Layer 7: above `shared`.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::shared::Shared;
use super::state::State;
use crate::actor::Frontend;
use crate::errors::DepartureReason;

/// Closes the pool with its last clone. Leases hold no owner: they go on with their processes.
pub(super) struct Owner<F: Frontend> {
    shared: Arc<Shared<F>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl<F: Frontend> Owner<F> {
    pub(super) fn new(shared: &Arc<Shared<F>>) -> Self {
        Self { shared: Arc::clone(shared), keeper: Mutex::default() }
    }
}

impl<F: Frontend> Drop for Owner<F> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        state.abandoned = true;
        let left = (std::mem::take(&mut state.members), std::mem::take(&mut state.spares));
        let left = (left, std::mem::take(&mut state.begun));
        // A map that goes on without the pool has to be told that nothing more comes.
        state.line.wake_all();
        self.shared.changed.notify_all();
        drop(state);
        // Their last frontends, so they end: nobody waits for it.
        drop(left);
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A listener that runs on the keeper may drop the last clone there.
        if let Some(keeper) = keeper.filter(|keeper| keeper.thread().id() != thread::current().id()) {
            let _ = keeper.join();
        }
    }
}

/// Starts the thread, if the settings ask for what only it can do.
pub(super) fn start_keeper<F: Frontend>(shared: &Arc<Shared<F>>, owner: &Arc<Owner<F>>) -> io::Result<()> {
    let Some(idle_timeout) = shared.options.idle_timeout else { return Ok(()) };
    let shared = Arc::clone(shared);
    let keeper =
        thread::Builder::new().name("worker-pool".to_owned()).spawn(move || keep(&shared, idle_timeout))?;
    *owner.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    Ok(())
}

/// Sleeps until a process is due, again and again, until the pool is closed.
fn keep<F: Frontend>(shared: &Shared<F>, idle_timeout: Duration) {
    loop {
        shared.look_at_spares();
        let mut state = shared.state();
        if state.closed {
            return;
        }
        let now = Instant::now();
        state.trim(&shared.options, now);
        if let Some(limit) = shared.options.max_age {
            age(&mut state, limit, now);
        }
        shared.tidy(state);
        let state = shared.state();
        if state.closed {
            return;
        }
        let next = next_due(shared, &state, idle_timeout, Instant::now());
        // Whatever changes, it looks again; a process that is used is idle later than it thought, and no sooner.
        drop(state.wait(&shared.changed, Some(next)));
    }
}

/// Notes which processes are too old, though nobody uses them.
fn age<F: Frontend>(state: &mut State<F>, limit: Duration, now: Instant) {
    for member in &mut state.members {
        let age = now.saturating_duration_since(member.born);
        if member.serves() && member.due.is_none() && age >= limit {
            member.due = Some(DepartureReason::Age(age));
        }
    }
}

/// Time until something may be due.
fn next_due<F: Frontend>(
    shared: &Shared<F>,
    state: &State<F>,
    idle_timeout: Duration,
    now: Instant,
) -> Duration {
    let is_large = state.in_service() > shared.options.min;
    let idle = state.members.iter().filter(|_| is_large).map(|member| member.idle_since + idle_timeout);
    let old = shared.options.max_age.into_iter().flat_map(|limit| {
        state.members.iter().filter(|member| member.due.is_none()).map(move |member| member.born + limit)
    });
    // A process that was due is replaced by a spare that is still starting; and one that somebody began for himself,
    // and left, takes a place when it is ready.
    let waits_for_spare = state.members.iter().any(|member| member.due.is_some())
        || state.spares.len() > shared.options.spare && state.ready_spares() < state.spares.len();
    let spare = waits_for_spare.then(|| now + SPARE_LOOK);
    let first = idle.chain(old).chain(spare).min();
    first.map_or(idle_timeout, |first| first.saturating_duration_since(now).max(SHORTEST))
}

/// How often a spare that is starting is looked at, if nobody else does.
const SPARE_LOOK: Duration = Duration::from_millis(10);
/// Shortest sleep: what is used all the time is not watched all the time.
const SHORTEST: Duration = Duration::from_millis(1);
