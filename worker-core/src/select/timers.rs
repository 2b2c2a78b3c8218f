//! The timers of a select, by the moment that is next.
//! Not here: what rings (`poller`).
//! Layer 7: plain data.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Timers that will ring. One that was taken out stays in the heap until its moment.
#[derive(Debug, Default)]
pub(super) struct Timers {
    next: BinaryHeap<Reverse<(Instant, u64)>>,
    /// What the system's timer is set to.
    set_to: Option<Instant>,
}

impl Timers {
    pub(super) fn enter(&mut self, moment: Instant, number: u64) {
        self.next.push(Reverse((moment, number)));
    }

    /// Takes a timer whose moment has come; whether it is still wanted is for the caller to know.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, u64)> {
        let Reverse((moment, _)) = self.next.peek()?;
        if *moment > now {
            return None;
        }
        self.next.pop().map(|Reverse(timer)| timer)
    }

    /// What the system's timer has to be set to, if that is something else than before.
    pub(super) fn reset(&mut self) -> Option<Option<Instant>> {
        let wanted = self.next.peek().map(|Reverse((moment, _))| *moment);
        (wanted != self.set_to).then(|| {
            self.set_to = wanted;
            wanted
        })
    }

    /// The system's timer has rung, and is set to nothing now.
    pub(super) fn rang(&mut self) {
        self.set_to = None;
    }
}

/// The next moment of a rhythm after `now`: missed ones are left out, and the rhythm stays.
pub(super) fn next_tick(last: Instant, period: Duration, now: Instant) -> Instant {
    let period = period.max(Duration::from_nanos(1));
    let missed = now.saturating_duration_since(last).as_nanos() / period.as_nanos();
    let periods = u32::try_from(missed + 1).unwrap_or(u32::MAX);
    let next = period.checked_mul(periods).and_then(|ahead| last.checked_add(ahead));
    next.filter(|next| *next > now).unwrap_or(now + period)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn timers_come_in_the_order_of_their_moments() {
        let start = Instant::now();
        let mut timers = Timers::default();
        assert_eq!(timers.reset(), None);
        timers.enter(start + 2 * SECOND, 20);
        timers.enter(start + SECOND, 10);
        assert_eq!(timers.reset(), Some(Some(start + SECOND)));
        assert_eq!(timers.reset(), None, "it is set already");
        assert_eq!(timers.take_due(start), None);
        timers.rang();
        let later = start + 3 * SECOND;
        assert_eq!(timers.take_due(later), Some((start + SECOND, 10)));
        assert_eq!(timers.reset(), Some(Some(start + 2 * SECOND)));
        assert_eq!(timers.take_due(later), Some((start + 2 * SECOND, 20)));
        assert_eq!(timers.reset(), Some(None));
    }

    #[test]
    fn a_rhythm_stays_and_leaves_out_what_was_missed() {
        let start = Instant::now();
        assert_eq!(next_tick(start, SECOND, start), start + SECOND);
        assert_eq!(next_tick(start, SECOND, start + SECOND / 2), start + SECOND);
        assert_eq!(next_tick(start, SECOND, start + 7 * SECOND / 2), start + 4 * SECOND);
        let endless = Duration::from_nanos(0);
        assert!(next_tick(start, endless, start + SECOND) > start + SECOND);
    }
}
