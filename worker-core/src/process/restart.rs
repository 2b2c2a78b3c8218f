//! Whether, when and how often a backend that has ended is made anew.
//! Not here: doing it (`lives`).
//! Layer 5: plain data.

use std::collections::VecDeque;
use std::ops::{RangeFull, RangeInclusive};
use std::time::{Duration, Instant};

use crate::errors::{Exit, GivenUp};

/// Whether, and how often, a backend that has ended is made anew.
///
/// A new life runs the same constructor with the same arguments, and every frontend stays good. It is
/// begun by the next call that finds the old one ended; no thread waits for that. Calls in flight at the
/// end come back with [`Exited`](crate::CallError::Exited), whatever the policy; calls that had not
/// left yet go to the new life. See `docs/supervision.md`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use worker_core::{Builder, Restart, process_actor};
///
/// pub struct Counter { total: i64 }
///
/// #[process_actor]
/// impl Counter {
///     pub fn new(start: i64) -> Self { Self { total: start } }
///     pub fn add(&mut self, n: i64) -> i64 { self.total += n; self.total }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let restart = Restart::on_crash().max(5).within(Duration::from_secs(10));
/// let counter = CounterFrontend::spawn_with(&Builder::new().restart(restart), 40)?;
/// assert_eq!(counter.add(2)?, 42);
/// counter.process().kill()?;
/// counter.process().wait();
/// assert_eq!(counter.add(2)?, 42); // a new life, constructed with 40
/// assert_eq!(counter.process().restarts(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Restart {
    pub(crate) when: When,
    pub(crate) max: u32,
    pub(crate) within: Duration,
    pub(crate) backoff: Backoff,
}

/// After what end there is a next life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Never,
    Crashed,
    Ended,
}

/// Restarts in a window, unless a policy says otherwise.
const MAX: u32 = 5;
/// The window, unless a policy says otherwise.
const WITHIN: Duration = Duration::from_secs(10);

impl Restart {
    /// An actor that has ended stays so. The default.
    pub fn never() -> Self {
        Self::when(When::Never)
    }

    /// A new life after every end but a clean one: a signal, an exit status other than zero, or a fork
    /// server that was killed. At most five in ten seconds, with [`Backoff::default`].
    pub fn on_crash() -> Self {
        Self::when(When::Crashed)
    }

    /// A new life also after a clean end, such as [`Context::stop`](crate::Context::stop); only
    /// `stop()` on a frontend is final.
    pub fn always() -> Self {
        Self::when(When::Ended)
    }

    fn when(when: When) -> Self {
        Self { when, max: MAX, within: WITHIN, backoff: Backoff::default() }
    }

    /// Sets how many restarts a window may see; one more end in it, and the actor is given up.
    pub fn max(mut self, max: u32) -> Self {
        self.max = max;
        self
    }

    /// Sets the length of the window, which moves: it always ends now.
    pub fn within(mut self, window: Duration) -> Self {
        self.within = window;
        self
    }

    /// Sets the waiting time before a restart: a [`Backoff`], a [`Duration`] for one that is always
    /// the same, or a range such as `first..=longest` for one that doubles.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.backoff = backoff.into();
        self
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self::never()
    }
}

/// Time to wait before a restart.
///
/// The default is none before the first restart in a window, then 10 ms, doubling up to one second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    before_first: Duration,
    then: Duration,
    longest: Duration,
}

impl Backoff {
    /// No waiting: only the limit keeps a crash at every start from being a storm.
    #[must_use]
    pub const fn none() -> Self {
        Self::constant(Duration::ZERO)
    }

    /// The same time before every restart.
    #[must_use]
    pub const fn constant(time: Duration) -> Self {
        Self { before_first: time, then: time, longest: time }
    }

    /// None before the first restart in a window, then `first`, then twice as long each time, at most
    /// `longest`.
    #[must_use]
    pub const fn exponential(first: Duration, longest: Duration) -> Self {
        Self { before_first: Duration::ZERO, then: first, longest }
    }

    /// Time to wait when the window has seen so many restarts.
    pub(crate) fn after(&self, restarts: usize) -> Duration {
        let Some(doublings) = restarts.checked_sub(1) else { return self.before_first };
        let factor = u32::try_from(doublings).ok().and_then(|doublings| 2_u32.checked_pow(doublings));
        factor.and_then(|factor| self.then.checked_mul(factor)).unwrap_or(self.longest).min(self.longest)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(10), Duration::from_secs(1))
    }
}

impl From<Duration> for Backoff {
    fn from(time: Duration) -> Self {
        Self::constant(time)
    }
}

impl From<RangeInclusive<Duration>> for Backoff {
    fn from(range: RangeInclusive<Duration>) -> Self {
        Self::exponential(*range.start(), *range.end())
    }
}

impl From<RangeFull> for Backoff {
    fn from(_: RangeFull) -> Self {
        Self::default()
    }
}

/// The restarts of the window, by which the next one is allowed or not.
#[derive(Debug)]
pub(crate) struct Ledger {
    max: u32,
    within: Duration,
    backoff: Backoff,
    /// Never longer than `max`.
    recent: VecDeque<Instant>,
}

impl Ledger {
    pub(crate) fn new(policy: &Restart) -> Self {
        Self {
            max: policy.max,
            within: policy.within,
            backoff: policy.backoff.clone(),
            recent: VecDeque::new(),
        }
    }

    /// Enters a restart; gives the time to wait before it, or `None` if it is one too many.
    pub(crate) fn enter(&mut self, now: Instant) -> Option<Duration> {
        while self.recent.front().is_some_and(|&first| now.duration_since(first) > self.within) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.max as usize {
            return None;
        }
        let wait = self.backoff.after(self.recent.len());
        self.recent.push_back(now);
        Some(wait)
    }

    /// The end of an actor that is given up.
    pub(crate) fn give_up(&self, exit: Exit, failure: Option<String>) -> Exit {
        let given_up = GivenUp { max: self.max, within: self.within, failure };
        Exit { given_up: Some(Box::new(given_up)), ..exit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_allows_so_many_restarts_and_then_moves_on() {
        let second = Duration::from_secs(1);
        let mut ledger = Ledger::new(&Restart::on_crash().max(2).within(10 * second).backoff(second));
        let start = Instant::now();
        assert_eq!(ledger.enter(start), Some(second));
        assert_eq!(ledger.enter(start + 6 * second), Some(second));
        assert_eq!(ledger.enter(start + 10 * second), None, "both are in the window still");
        assert_eq!(ledger.enter(start + 11 * second), Some(second), "the first has left it");
        assert_eq!(ledger.enter(start + 12 * second), None);
    }

    #[test]
    fn none_are_allowed_where_the_limit_is_none() {
        assert_eq!(Ledger::new(&Restart::always().max(0)).enter(Instant::now()), None);
    }

    #[test]
    fn a_backoff_doubles_up_to_its_longest() {
        let ms = Duration::from_millis;
        let backoff = Backoff::from(ms(10)..=ms(70));
        let waits: Vec<_> = (0..6).map(|restarts| backoff.after(restarts)).collect();
        assert_eq!(waits, [ms(0), ms(10), ms(20), ms(40), ms(70), ms(70)]);
        assert_eq!(backoff.after(1000), ms(70), "no overflow");
        assert_eq!(Backoff::from(ms(5)).after(0), ms(5));
        assert_eq!(Backoff::none().after(9), ms(0));
    }
}
