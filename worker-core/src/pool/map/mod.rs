//! A method called for every input, on all processes of a pool: results in order, or as they come.
//! Not here: the work itself (`run`), and how results are asked for (`results`, `stream`).
//! Layer 7: over `run`.

mod alarm;
mod awaiter;
mod begin;
mod feeding;
mod landing;
mod lane;
mod options;
mod results;
mod run;
mod standing;
mod stream;
mod task;
mod timer;
mod watch;

use std::fmt;
use std::time::Duration;

use super::Pool;
use crate::actor::{Frontend, Pending};
use crate::errors::{ItemError, PoolError, TakeError};
use awaiter::Awaiter;
use run::Run;

pub use options::Progress;
pub use results::{Ordered, Unordered};
pub use stream::Awaited;

/// The results of [`Pool::map`] or [`Pool::map_unordered`], one for each input: an iterator. Those of their async twins are
/// awaited.
///
/// It is lazy: nothing is sent before the first result is asked for, and inputs are taken, results collected and
/// deadlines looked after while the next one is asked for, on that thread or in that task. What is with a process goes on meanwhile.
///
/// The methods choose how, and are to be called before the first result is asked for.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use worker_core::{Pool, process_actor};
///
/// pub struct Squarer;
///
/// #[process_actor]
/// impl Squarer {
///     pub fn new() -> Self { Self }
///     pub fn square(&self, n: u64) -> u64 {
///         if n == 3 { std::process::abort() }
///         n * n
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if std::env::var_os("WORKER_START").is_some() { return Ok(()) }
/// let pool = Pool::<SquarerFrontend>::builder().size(2).spawn(SquarerFrontend::spawn_with)?;
/// let results: Vec<_> = pool
///     .map(0..6, |squarer, n| squarer.square_async(n))
///     .deadline(Duration::from_secs(60))
///     .collect();
/// assert_eq!(*results[5].as_ref().unwrap(), 25);
/// let poison = results[3].as_ref().unwrap_err(); // and only that one
/// assert_eq!(poison.index, 3);
/// assert!(poison.exit().is_some());
/// # Ok(())
/// # }
/// ```
#[must_use = "a map is lazy, and does nothing unless it is iterated over"]
pub struct Map<F: Frontend, I: Iterator, C, T, E, O> {
    run: Option<Run<F, I, C, T, E>>,
    /// What a thread sleeps with while there is nothing to do.
    awaiter: Option<Awaiter>,
    /// Why there can be no run.
    refused: Option<TakeError>,
    order: O,
}

impl<F: Frontend> Pool<F> {
    /// Calls a method for every input, on all processes; gives the results in the order of the inputs.
    ///
    /// `call` sends the call for an input and must not wait for it. Inputs may be without end: only so many are taken
    /// as keep the processes busy ([`Map::look_ahead`]). Each input has one result. A process that dies costs the
    /// one input that it worked on; those that it had not begun go to another, which is what the inputs are cloned
    /// for: map over references where a clone is dear. Dropped early, the map sends nothing more, and throws away what
    /// is in flight ([`Map::kill_on_drop`]).
    ///
    /// The pool is used beside others: leases come first, and hooks are not run.
    ///
    /// # Errors
    ///
    /// Of an item: [`PoolError::Call`](crate::PoolError::Call) as of the call itself, `Exited` if the process died of it;
    /// [`PoolError::Take`](crate::PoolError::Take) if no process could be made, or the pool was stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// use worker_core::{Pool, process_actor};
    ///
    /// pub struct Counter;
    ///
    /// #[process_actor]
    /// impl Counter {
    ///     pub fn new() -> Self { Self }
    ///     pub fn words(&self, text: &str) -> usize { text.split_whitespace().count() }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = Pool::<CounterFrontend>::builder().size(2).spawn(CounterFrontend::spawn_with)?;
    /// let texts = ["one", "one two", "one two three"];
    /// let counts: Vec<_> = pool.map(texts, |counter, text| counter.words_async(text)).collect::<Result<_, _>>()?;
    /// assert_eq!(counts, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<I, C, T, E>(&self, inputs: I, call: C) -> Map<F, I::IntoIter, C, T, E, Ordered<T, E>>
    where
        I: IntoIterator,
        I::Item: Clone,
        C: FnMut(&F, I::Item) -> Pending<T, E>,
    {
        Map::new(self, inputs.into_iter(), call, Ordered::new())
    }

    /// As [`Pool::map`], but gives each result when it is ready, with the index of its input.
    ///
    /// # Errors
    ///
    /// As for [`Pool::map`].
    pub fn map_unordered<I, C, T, E>(&self, inputs: I, call: C) -> Map<F, I::IntoIter, C, T, E, Unordered>
    where
        I: IntoIterator,
        I::Item: Clone,
        C: FnMut(&F, I::Item) -> Pending<T, E>,
    {
        Map::new(self, inputs.into_iter(), call, Unordered::new())
    }

    /// As [`Pool::map`], for a task: nothing blocks it, and results are awaited.
    ///
    /// With the feature `tokio` it is a `futures_core::Stream`; [`next_async`](Map::next_async) is there on any executor. What
    /// awaits calls is told at [`Pending`]. Dropped, it is as a [`Map`] that is dropped; and when a future of `next_async`
    /// is dropped, as one that nobody asks for results. As a stream it cannot know that nobody polls it any more: where it
    /// waits for a process, it keeps its place in the line, and others wait behind it. Poll it on, or drop it.
    ///
    /// # Errors
    ///
    /// As for [`Pool::map`].
    ///
    /// # Panics
    ///
    /// When it is polled, with a [`deadline`](Map::deadline), in a tokio runtime without timers (`enable_time`).
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "tokio", doc = "```")]
    #[cfg_attr(not(feature = "tokio"), doc = "```ignore")]
    /// use worker_core::{Pool, process_actor};
    ///
    /// pub struct Counter;
    ///
    /// #[process_actor]
    /// impl Counter {
    ///     pub fn new() -> Self { Self }
    ///     pub fn words(&self, text: &str) -> usize { text.split_whitespace().count() }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = Pool::<CounterFrontend>::builder().size(2).spawn(CounterFrontend::spawn_with)?;
    /// let texts = ["one", "one two", "one two three"];
    /// let mut counts = pool.map_async(texts, |counter, text| counter.words_async(text));
    /// let mut sum = 0;
    /// while let Some(count) = counts.next_async().await {
    ///     sum += count?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok(())
    /// # }
    /// ```
    #[allow(clippy::type_complexity, reason = "it is `map`'s, in one word more")]
    pub fn map_async<I, C, T, E>(
        &self,
        inputs: I,
        call: C,
    ) -> Map<F, I::IntoIter, C, T, E, Awaited<Ordered<T, E>>>
    where
        I: IntoIterator,
        I::Item: Clone,
        C: FnMut(&F, I::Item) -> Pending<T, E>,
    {
        Map::awaited(self, inputs.into_iter(), call, Ordered::new())
    }

    /// As [`Pool::map_unordered`], for a task: see [`Pool::map_async`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::map`].
    ///
    /// # Panics
    ///
    /// As for [`Pool::map_async`].
    pub fn map_unordered_async<I, C, T, E>(
        &self,
        inputs: I,
        call: C,
    ) -> Map<F, I::IntoIter, C, T, E, Awaited<Unordered>>
    where
        I: IntoIterator,
        I::Item: Clone,
        C: FnMut(&F, I::Item) -> Pending<T, E>,
    {
        Map::awaited(self, inputs.into_iter(), call, Unordered::new())
    }
}

impl<F, I, C, T, E, O> Map<F, I, C, T, E, O>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    fn new(pool: &Pool<F>, inputs: I, call: C, order: O) -> Self {
        match Awaiter::new() {
            Ok(awaiter) => {
                let run = Run::new(&pool.shared, inputs, call, false);
                Self { run: Some(run), awaiter: Some(awaiter), refused: None, order }
            }
            Err(error) => {
                Self { run: None, awaiter: None, refused: Some(TakeError::Spawn(error.to_string())), order }
            }
        }
    }

    fn with(mut self, change: impl FnOnce(&mut options::RunOptions)) -> Self {
        if let Some(run) = &mut self.run {
            change(&mut run.options);
        }
        self
    }

    /// Sets how many items one process has at a time, the one that it works on included; at least one.
    ///
    /// By default as many as last for about a millisecond, from 2 to 64, so that a process need not wait for its next
    /// item. Over a socket it is one, because there nobody can know which of several a process had begun when it died;
    /// and one with a [`deadline`](Map::deadline) where processes are threads, which cannot be killed.
    pub fn in_flight(self, items: usize) -> Self {
        self.with(|options| options.in_flight = Some(items.max(1)))
    }

    /// Sets how many inputs are taken before the results of earlier ones are handed out; at least one. By default four
    /// times as many as all processes can have.
    pub fn look_ahead(self, items: usize) -> Self {
        self.with(|options| options.look_ahead = Some(items.max(1)))
    }

    /// Gives each item so long, from when its process began it, as seen from here.
    ///
    /// Then the process is killed and replaced, the item has [`TimedOut`](crate::CallError::TimedOut), and those behind it
    /// go to another process. It passes late, never early, and is looked after while a result is asked for.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with(|options| options.deadline = Some(deadline))
    }

    /// Says that an item may be run more than once without harm: one whose process died is tried up to `more` times again.
    ///
    /// Without this, only an item that certainly was not begun is sent to another process.
    pub fn idempotent(self, more: u32) -> Self {
        self.with(|options| options.idempotent = more)
    }

    /// Kills and replaces the processes that have items in flight when the map is dropped.
    ///
    /// Without this they work off what they have, at most [`in_flight`](Map::in_flight) items each, for nobody.
    pub fn kill_on_drop(self) -> Self {
        self.with(|options| options.kill_on_drop = true)
    }

    /// Has `listener` told after every item, on the thread that asks for results.
    pub fn on_progress(self, listener: impl FnMut(&Progress) + Send + 'static) -> Self {
        self.with(|options| options.on_progress = Some(Box::new(listener)))
    }

    /// The one error of a map that cannot run.
    fn refusal(&mut self) -> Option<ItemError<E>> {
        let error = PoolError::Take(self.refused.take()?);
        Some(ItemError { index: 0, attempts: 0, error })
    }
}

/// Nothing in it is pinned.
impl<F: Frontend, I: Iterator, C, T, E, O> Unpin for Map<F, I, C, T, E, O> {}

impl<F: Frontend, I: Iterator, C, T, E, O: fmt::Debug> fmt::Debug for Map<F, I, C, T, E, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Map").field("order", &self.order).finish_non_exhaustive()
    }
}
