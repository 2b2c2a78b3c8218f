//! The clock that every process of a machine shares, and moments that are too far away to be told.
//! Not here: who waits until then.
//! Layer 1: system calls.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// The moment after so much time; where no clock goes that far, one that nobody will see.
pub(crate) fn after(time: Duration) -> Instant {
    later(Instant::now(), time)
}

/// As [`after`], from another moment than now.
pub(crate) fn later(moment: Instant, time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    moment.checked_add(time).unwrap_or_else(|| moment + CENTURY)
}

/// A moment that two processes can compare, in nanoseconds since the machine started.
///
/// # Source
///
/// `CLOCK_MONOTONIC` in `clock_gettime(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct Moment(u64);

impl Moment {
    #[inline]
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        Self(time.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Nanoseconds since the clock began to run.
    #[inline]
    pub(crate) fn nanoseconds(self) -> u64 {
        self.0
    }

    /// Time since this moment.
    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_nanos(Self::now().0.saturating_sub(self.0))
    }
}
