//! Processes used side by side, without a lease: by load, or all of them.
//! Not here: a call for each of many inputs (`map`).
//! Layer 7: above `seat`.

use std::fmt;
use std::ops::Deref;

use super::Pool;
use super::seat::Seat;
use super::shared::Patience;
use super::state::Want;
use super::tasks;
use crate::actor::{Frontend, Pending};
use crate::errors::{CallError, PoolError, TakeError};

/// The use of a process beside others: it counts as load for as long as it lives.
///
/// It derefs to the frontend. No hooks are run for it.
pub struct Share<F: Frontend> {
    seat: Seat<F>,
}

/// One use beside others, of whichever process.
const ANY: Want<'static> = Want::Share { full: &[], grows: true };

/// Processes that a call is sent to at most, if all die before they begin it.
const SENT_MAX: u32 = 16;

impl<F: Frontend> Pool<F> {
    /// The process with the least to do: one that nobody uses, else a new one, up to the pool's size, else the one with the
    /// fewest uses, of those that are not leased.
    ///
    /// # Errors
    ///
    /// [`TakeError::Stopped`], and [`TakeError::Spawn`] if a process was needed and could not be made.
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
    /// let (one, other) = (pool.least_loaded()?, pool.least_loaded()?);
    /// assert_ne!(one.process().name(), other.process().name());
    /// let (first, second) = (one.square_async(3), other.square_async(4));
    /// assert_eq!((first.wait()?, second.wait()?), (9, 16));
    /// # Ok(())
    /// # }
    /// ```
    pub fn least_loaded(&self) -> Result<Share<F>, TakeError> {
        loop {
            let seat = self.shared.seat(ANY, Patience::Forever)?;
            if let Some(share) = Share::of_living(seat) {
                return Ok(share);
            }
        }
    }

    /// As [`Pool::least_loaded`], for a task: see [`Pool::take_async`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::least_loaded`].
    pub async fn least_loaded_async(&self) -> Result<Share<F>, TakeError> {
        loop {
            let seat = tasks::seat(&self.shared, ANY).await?;
            if let Some(share) = Share::of_living(seat) {
                return Ok(share);
            }
        }
    }

    /// Makes a call on the process with the least to do, and waits for its result.
    ///
    /// `call` sends the call and must not wait for it. It is called again, with another process, if the request was
    /// certainly not begun.
    ///
    /// # Errors
    ///
    /// [`PoolError::Call`] as of the call itself; [`PoolError::Take`] as of [`Pool::least_loaded`].
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
    /// assert_eq!(pool.call(|squarer| squarer.square_async(5))?, 25);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<T, E>(&self, mut call: impl FnMut(&F) -> Pending<T, E>) -> Result<T, PoolError<E>> {
        let mut sent = 0;
        loop {
            let share = self.least_loaded().map_err(PoolError::Take)?;
            let result = call(&share).wait_exactly();
            sent += 1;
            if let Some(result) = share.judge(result, sent) {
                return result;
            }
        }
    }

    /// As [`Pool::call`], for a task. Dropped meanwhile, it forgets the reply, as a [`Pending`] does.
    ///
    /// # Errors
    ///
    /// As for [`Pool::call`].
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "tokio", doc = "```")]
    #[cfg_attr(not(feature = "tokio"), doc = "```ignore")]
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
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = Pool::<SquarerFrontend>::builder().size(2).spawn(SquarerFrontend::spawn_with)?;
    /// let (nine, sixteen) = tokio::join!(
    ///     pool.call_async(|squarer| squarer.square_async(3)),
    ///     pool.call_async(|squarer| squarer.square_async(4)),
    /// );
    /// assert_eq!((nine?, sixteen?), (9, 16));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn call_async<T, E>(
        &self,
        mut call: impl FnMut(&F) -> Pending<T, E>,
    ) -> Result<T, PoolError<E>> {
        let mut sent = 0;
        loop {
            let share = self.least_loaded_async().await.map_err(PoolError::Take)?;
            let result = call(&share).exactly().await;
            sent += 1;
            if let Some(result) = share.judge(result, sent) {
                return result;
            }
        }
    }

    /// Makes a call on every process there is, leased ones and spares too; gives the results in the order in which the
    /// processes were made.
    ///
    /// On a leased one the call stands in line behind those of its holder. Processes that are made later do not know of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use worker_core::{Pool, process_actor};
    ///
    /// pub struct Worker { level: u32 }
    ///
    /// #[process_actor]
    /// impl Worker {
    ///     pub fn new() -> Self { Self { level: 0 } }
    ///     pub fn set_level(&mut self, level: u32) { self.level = level }
    ///     pub fn level(&self) -> u32 { self.level }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = Pool::<WorkerFrontend>::builder().size(3).spawn(WorkerFrontend::spawn_with)?;
    /// for result in pool.broadcast(|worker| worker.set_level_async(2)) {
    ///     result?;
    /// }
    /// assert_eq!(pool.take()?.level()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn broadcast<T, E>(&self, mut call: impl FnMut(&F) -> Pending<T, E>) -> Vec<Result<T, CallError<E>>> {
        let frontends = self.shared.state().everybody();
        let pending: Vec<_> = frontends.iter().map(&mut call).collect();
        pending.into_iter().map(Pending::wait).collect()
    }

    /// As [`Pool::broadcast`], for a task: all are sent at once, and the future waits for the results.
    pub fn broadcast_async<T, E, C>(
        &self,
        call: C,
    ) -> impl Future<Output = Vec<Result<T, CallError<E>>>> + use<F, T, E, C>
    where
        C: FnMut(&F) -> Pending<T, E>,
    {
        let frontends = self.shared.state().everybody();
        let pending: Vec<_> = frontends.iter().map(call).collect();
        async move {
            let mut results = Vec::new();
            for pending in pending {
                results.push(pending.await);
            }
            results
        }
    }
}

impl<F: Frontend> Share<F> {
    /// A use of a process that had not ended unnoticed.
    fn of_living(mut seat: Seat<F>) -> Option<Self> {
        seat.is_looked_at = true;
        (seat.is_fresh || seat.frontend.process().is_alive()).then(|| Self { seat })
    }

    /// What a call came to that was made on it; nothing if it is to be made on another one.
    fn judge<T, E>(&self, result: Result<T, CallError<E>>, sent: u32) -> Option<Result<T, PoolError<E>>> {
        let Err(error) = result else { return Some(result.map_err(PoolError::Call)) };
        self.seat.condemn_if_dead(&error);
        let is_last = !matches!(error, CallError::NotSent(_)) || sent == SENT_MAX;
        is_last.then(|| Err(PoolError::Call(error)))
    }
}

impl<F: Frontend> Deref for Share<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.seat.frontend
    }
}

impl<F: Frontend> fmt::Debug for Share<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Share").field("process", self.seat.frontend.process()).finish()
    }
}
