//! Processes of one kind, made early, kept, lent, and used side by side.
//! Not here: one actor, and its lives (`actor`, `process`), and actors that depend on each other (`group`).
//! Layer 7: above `actor`.
//!
//! ```text
//!                 begin                 constructor done
//!   nothing ----------------> spare ----------------------> member <--+
//!      ^                        |                           |  |  |   |
//!      |  it failed             |                     lease |  |  | share
//!      +------------------------+                           v  |  v   |
//!      |                                              one user |  several, by load
//!      |            ended, recycled, idle too long             |
//!      +-------------------------------------------------------+
//! ```
//!
//! * P1: what a process is doing is changed under the lock of `state`, and nothing is waited for, made, dropped
//!   or told under it. So a slow constructor, a listener or an end keeps nobody from the others.
//! * P2: whoever waits stands in the line, in the order of coming. Only the first may choose, and every change that
//!   could give it something wakes it. So nobody overtakes, and nobody sleeps beside a free process.
//! * P3: a process that is to be recycled stays in service until a spare is ready to take its place, and goes
//!   between two uses.

mod balanced;
mod builder;
mod keeper;
mod lease;
mod line;
mod locked;
mod making;
mod map;
mod member;
mod place;
mod recycling;
mod seat;
mod shared;
mod state;
mod stopping;
mod tasks;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actor::Frontend;
use crate::errors::{Exit, StopError, TakeError};
use keeper::Owner;
use shared::{Patience, Shared};

pub use balanced::Share;
pub use builder::PoolBuilder;
pub use lease::Lease;
pub use map::{Awaited, Map, Ordered, Progress, Unordered};

/// Processes with the same actor in each: made early, lent one at a time, or used by load.
///
/// [`take`](Pool::take) lends a process to one user, with the `#[activate]` hook before and the
/// `#[deactivate]` hook after. A process that ends is replaced, and so is one that is to be recycled. Clones are the
/// same pool; when the last is dropped, its processes end as actors do whose last frontend is dropped. See
/// `docs/pools.md`.
///
/// # Examples
///
/// ```
/// use worker_core::{Pool, process_actor};
///
/// pub struct Session { notes: Vec<String> }
///
/// #[process_actor]
/// impl Session {
///     pub fn new() -> Self { Self { notes: Vec::new() } }
///     #[activate]
///     fn fresh(&mut self) { self.notes.clear() }
///     pub fn note(&mut self, text: &str) -> usize {
///         self.notes.push(text.to_owned());
///         self.notes.len()
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::<SessionFrontend>::builder().size(1).spawn(SessionFrontend::spawn_with)?;
/// let first = pool.take()?;
/// assert_eq!(first.note("one")?, 1);
/// assert_eq!(first.note("two")?, 2);
/// drop(first); // back in the pool
///
/// let second = pool.take()?;
/// assert_eq!(second.note("three")?, 1); // the same process, and a fresh state
/// pool.stop()?;
/// # Ok(())
/// # }
/// ```
pub struct Pool<F: Frontend> {
    shared: Arc<Shared<F>>,
    /// The last one to go closes the pool.
    _owner: Arc<Owner<F>>,
}

impl<F: Frontend> Pool<F> {
    /// The settings of a pool that is to be.
    pub fn builder() -> PoolBuilder<F> {
        PoolBuilder::new()
    }

    /// Lends a process to the caller alone, waiting for one in the order of coming.
    ///
    /// The most recently used of those that nobody uses; else a new one, up to the pool's size; else one that only
    /// finishes calls that were made without a lease, which are done first.
    ///
    /// # Errors
    ///
    /// [`TakeError::Stopped`]; [`TakeError::Spawn`] if a process was needed and could not be made;
    /// [`TakeError::Activate`] if the hook panicked.
    pub fn take(&self) -> Result<Lease<F>, TakeError> {
        lease::take(&self.shared, Patience::Forever)
    }

    /// As [`Pool::take`], but where that would have to wait for other users it fails.
    ///
    /// It still waits for the `#[activate]` hook, and for the constructor where it makes a process.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::take`]; and [`TakeError::Busy`] if others use all processes, or stand in line.
    pub fn try_take(&self) -> Result<Lease<F>, TakeError> {
        lease::take(&self.shared, Patience::None)
    }

    /// As [`Pool::take`], but waits no longer than `timeout`, for whatever there is to wait for.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::take`]; and [`TakeError::Busy`] when the time has passed.
    pub fn take_timeout(&self, timeout: Duration) -> Result<Lease<F>, TakeError> {
        let patience = Instant::now().checked_add(timeout).map_or(Patience::Forever, Patience::Until);
        lease::take(&self.shared, patience)
    }

    /// As [`Pool::take`], for a task: it waits without a thread. Dropped meanwhile, it leaves everything in order.
    ///
    /// Where a process has to be made, that is begun on this thread, which takes a fraction of a millisecond; its
    /// constructor is awaited. See [`Pending`](crate::Pending) for what awaits calls.
    ///
    /// # Errors
    ///
    /// As for [`Pool::take`].
    pub async fn take_async(&self) -> Result<Lease<F>, TakeError> {
        tasks::take(&self.shared).await
    }

    /// Number of processes that are in service: in use or waiting for it. Spares are none of them, nor is one that takes
    /// the place of a dead one, before it is ready.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.look_at_spares();
        self.shared.tidy(self.shared.state());
        self.shared.state().in_service()
    }

    /// Whether no process is in service just now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of processes that nobody uses just now.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.shared.state().idle()
    }

    /// Number of spare processes that are ready to be used.
    #[must_use]
    pub fn spares(&self) -> usize {
        self.shared.look_at_spares();
        self.shared.state().ready_spares()
    }

    /// Ends every process, those that are leased and the spares too, and whoever waits for one.
    ///
    /// All are asked before any is waited for, so it takes about as long as the slowest. What was sent before is
    /// done first; what holds out longer than its stop timeout is ended by force. Gives the ends in the order in which
    /// the processes were made; a pool that was stopped gives the same again.
    ///
    /// # Errors
    ///
    /// If the system refuses to signal a process; the others are stopped all the same.
    pub fn stop(&self) -> Result<Vec<Exit>, StopError> {
        stopping::stop(&self.shared)
    }
}

impl<F: Frontend> Clone for Pool<F> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), _owner: Arc::clone(&self._owner) }
    }
}

impl<F: Frontend> fmt::Debug for Pool<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        formatter
            .debug_struct("Pool")
            .field("in_service", &state.in_service())
            .field("idle", &state.idle())
            .field("waiting", &state.line.len())
            .finish_non_exhaustive()
    }
}
