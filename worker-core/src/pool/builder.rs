//! What a user may choose about a pool before it is made.
//! Not here: doing any of it.
//! Layer 7: plain data.

use std::convert::Infallible;
use std::fmt;
use std::io::{Error, ErrorKind};
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Pool;
use super::keeper::{Owner, start_keeper};
use super::shared::Shared;
use crate::actor::Frontend;
use crate::errors::{Departure, SpawnError};
use crate::process::{Builder, Restart};

/// Whoever asked to be told of processes that leave.
pub(super) type DepartureListener = Arc<dyn Fn(&Departure) + Send + Sync>;

/// Settings of a [`Pool`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use worker_core::{Builder, Limits, Pool, process_actor};
///
/// pub struct Parser { strict: bool }
///
/// #[process_actor]
/// impl Parser {
///     pub fn new(strict: bool) -> Self { Self { strict } }
///     pub fn parse(&self, text: &str) -> Option<u32> {
///         text.trim().parse().ok().filter(|n| !self.strict || *n > 0)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::<ParserFrontend>::builder()
///     .min(1)
///     .max(4)
///     .spare(1)
///     .max_calls(10_000)
///     .process(Builder::new().name("parser").stop_timeout(Duration::from_secs(1)))
///     .spawn(|builder| ParserFrontend::spawn_with(builder, true))?;
/// let parser = pool.take()?;
/// assert_eq!(parser.process().name(), "parser-1");
/// assert_eq!(parser.parse(" 7 ")?, Some(7));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct PoolBuilder<F> {
    options: Options,
    frontend: PhantomData<fn() -> F>,
}

/// The settings, without the actor.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) spare: usize,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_calls: Option<u64>,
    pub(super) max_memory: Option<u64>,
    pub(super) max_age: Option<Duration>,
    pub(super) process: Builder,
    pub(super) on_departure: Option<DepartureListener>,
}

impl<F: Frontend> PoolBuilder<F> {
    pub(super) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let options = Options {
            min: processors,
            max: processors,
            spare: 0,
            idle_timeout: None,
            max_calls: None,
            max_memory: None,
            max_age: None,
            process: Builder::new(),
            on_departure: None,
        };
        Self { options, frontend: PhantomData }
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Sets the number of processes, all made early. One for each processor by default.
    pub fn size(self, size: usize) -> Self {
        self.min(size).max(size)
    }

    /// Sets the number of processes that are made early, and below which the pool does not shrink.
    pub fn min(self, min: usize) -> Self {
        self.with(|options| options.min = min)
    }

    /// Sets the number of processes up to which the pool grows when all are in use. Spares come on top.
    pub fn max(self, max: usize) -> Self {
        self.with(|options| options.max = max)
    }

    /// Keeps so many more processes ready, to take the place of one that ends, or to let the pool grow without waiting.
    /// None by default.
    pub fn spare(self, spare: usize) -> Self {
        self.with(|options| options.spare = spare)
    }

    /// Ends a process that nobody has used for so long, down to [`min`](PoolBuilder::min).
    ///
    /// With this one setting the pool has a thread, `worker-pool`, which sleeps until a process is due; without it no
    /// thread is started. It ends with the pool.
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.idle_timeout = Some(timeout))
    }

    /// Recycles a process after so many calls, of any kind. See `docs/pools.md` for what recycling is.
    pub fn max_calls(self, calls: u64) -> Self {
        self.with(|options| options.max_calls = Some(calls))
    }

    /// Recycles a process that uses more than so many bytes of its own ([`Usage::unique`](crate::Usage::unique)).
    ///
    /// It is measured between calls, and no more often than keeps the measuring at a hundredth of the time.
    pub fn max_memory(self, bytes: u64) -> Self {
        self.with(|options| options.max_memory = Some(bytes))
    }

    /// Recycles a process that has lived so long, when it is next used, or, with an
    /// [`idle_timeout`](PoolBuilder::idle_timeout), by itself.
    pub fn max_age(self, age: Duration) -> Self {
        self.with(|options| options.max_age = Some(age))
    }

    /// Sets what every process is made with. Names get a number; restarts are the pool's business, whatever this says.
    pub fn process(self, builder: Builder) -> Self {
        self.with(|options| options.process = builder)
    }

    /// Has `listener` told of every process that leaves the pool before it is stopped, and of every spare that could not
    /// be made.
    ///
    /// It runs on the thread that finds out, with nothing locked, so it may use the pool. If it panics, the panic goes on there,
    /// when it has been told of whatever else was found at that moment.
    pub fn on_departure(self, listener: impl Fn(&Departure) + Send + Sync + 'static) -> Self {
        self.with(|options| options.on_departure = Some(Arc::new(listener)))
    }

    /// Makes the pool and its first processes, whose constructors run side by side, and waits for them.
    ///
    /// `spawn` must use the builder that it is given, and is called again for every process that is made later, on any
    /// thread that uses the pool. If it uses another, everything works, but each process is waited for.
    ///
    /// # Errors
    ///
    /// Those of `spawn`, and nothing is left behind then; a constructor that fails is run once more, to learn its error.
    /// [`SpawnError::Io`] if `min` is above `max`, or `max` is zero.
    pub fn spawn<E: 'static>(
        self,
        spawn: impl Fn(&Builder) -> Result<F, SpawnError<E>> + Send + Sync + 'static,
    ) -> Result<Pool<F>, SpawnError<E>> {
        let mut options = self.options;
        let (min, max) = (options.min, options.max);
        if max == 0 || min > max {
            let message = format!(
                "a pool of {min} to {max} processes cannot be: `max` must be at least 1 and at least `min`"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message).into());
        }
        options.process = options.process.restart(Restart::never());
        let spawn = Arc::new(spawn);
        let make = {
            let spawn = Arc::clone(&spawn);
            move |builder: &Builder| spawn(builder).map_err(text_of)
        };
        let shared = Arc::new(Shared::new(options, Box::new(make)));
        let owner = Arc::new(Owner::new(&shared));
        shared.fill(&*spawn)?;
        start_keeper(&shared, &owner)?;
        Ok(Pool { shared, _owner: owner })
    }
}

/// What is left of an error where its type is not known.
fn text_of<E>(error: SpawnError<E>) -> String {
    let error = match error {
        SpawnError::Constructor(_) => return "its constructor returned an error".to_owned(),
        SpawnError::Panicked(report) => SpawnError::<Infallible>::Panicked(report),
        SpawnError::ThreadsRunning { threads } => SpawnError::ThreadsRunning { threads },
        SpawnError::Exited(exit) => SpawnError::Exited(exit),
        SpawnError::Executable(reason) => SpawnError::Executable(reason),
        SpawnError::Encode(error) => SpawnError::Encode(error),
        SpawnError::Decode(error) => SpawnError::Decode(error),
        SpawnError::Io(error) => SpawnError::Io(error),
    };
    error.to_string()
}

impl<F> fmt::Debug for PoolBuilder<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { min, max, spare, .. } = &self.options;
        formatter
            .debug_struct("PoolBuilder")
            .field("min", min)
            .field("max", max)
            .field("spare", spare)
            .finish_non_exhaustive()
    }
}
