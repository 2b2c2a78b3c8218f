//! Whether to spin for a moment before sleeping: worth a factor of a hundred, or pure loss.
//! Not here: the waiting itself.
//! Layer 3: decisions only, no system state but processor numbers and the clock.
//!
//! Measured on a machine with two processors: a message between two running processes takes 0.1 us;
//! a wake-up on the same processor 5 us, on another one 10 to 40 us; and a spinner on the one
//! processor that the other side needs delays it by its whole spin. So a wait spins if the other side
//! was last seen on another processor, and waits have been short of late.
//!
//! Two processes that the scheduler has put on one processor would stay there for good, because
//! neither ever waits to run: each sleeps while the other works. Where there are more processors, a
//! *burst* of spins is tried from time to time, so that both are runnable and one is moved. A burst
//! that does not help doubles the time to the next.
//!
//! A megabyte takes 20 us to copy, and a reply of that length two copies: its waits end just behind a spin, and
//! each then costs two wake-ups more. So a spin that was in vain by little is followed by a *long* one.

use std::time::{Duration, Instant};

use crate::sys::cpu;

/// Longest spin: about what a wake-up on another processor costs, so that at worst a wait doubles.
const SPIN_MAX: Duration = Duration::from_micros(50);
/// A long spin: as long again.
const SPIN_LONG: Duration = Duration::from_micros(100);
/// A sleep shorter than this would perhaps have been a short spin.
const SHORT_SLEEP: Duration = Duration::from_micros(150);
/// How many waits do not spin after one that did so in vain.
const WAITS_AFTER_FAILURE: u32 = 16;
/// How many waits in a row spin in a burst: some milliseconds, the time between two looks of a
/// scheduler at who might be moved.
const BURST_WAITS: u32 = 100;
/// How many waits on one processor pass before a burst, at first and at most.
const FIRST_BURST_GAP: u32 = 256;
const LAST_BURST_GAP: u32 = 256 * 1024;
/// Looks between two looks at the clock.
const LOOKS_PER_CLOCK: u32 = 32;

/// What a waiter has learnt about its waits.
#[derive(Debug)]
pub(crate) struct Spin {
    /// Processor on which the other side ran when it wrote to us last.
    peer_cpu: Option<u16>,
    /// Whether the last sleep was so short that spinning pays.
    waits_are_short: bool,
    /// The first sleep has been: that of a spawn, which tells nothing of the calls to come.
    has_slept: bool,
    /// How long the next spin may take.
    spin_max: Duration,
    /// The last wait spun in vain, and the sleep behind it has not been told of.
    was_in_vain: bool,
    /// Waits that are still to pass without a spin.
    waits_to_skip: u32,
    burst_waits_left: u32,
    waits_until_burst: u32,
    burst_gap: u32,
}

impl Spin {
    pub(crate) fn new() -> Self {
        Self {
            peer_cpu: None,
            waits_are_short: true,
            has_slept: false,
            spin_max: SPIN_MAX,
            was_in_vain: false,
            waits_to_skip: 0,
            burst_waits_left: 0,
            waits_until_burst: FIRST_BURST_GAP,
            burst_gap: FIRST_BURST_GAP,
        }
    }

    /// Notes on which processor a message was written.
    #[inline]
    pub(crate) fn saw_peer_on(&mut self, cpu: u16) {
        self.peer_cpu = Some(cpu);
    }

    /// Looks for `ready` for a moment if that is likely to pay; says whether it came true.
    #[inline]
    pub(crate) fn spin_until(&mut self, ready: impl FnMut() -> bool) -> bool {
        // Of an earlier wait, if nobody told how that one ended.
        self.was_in_vain = false;
        if !self.waits_are_short || self.peer_cpu.is_none() {
            return false;
        }
        let is_apart = self.peer_cpu != Some(cpu::current());
        if is_apart && self.waits_to_skip > 0 {
            self.waits_to_skip -= 1;
            return false;
        }
        if !is_apart && !self.is_in_burst() {
            return false;
        }
        if look_until(ready, if is_apart { self.spin_max } else { SPIN_MAX }) {
            // The other side has moved, or never was on our processor.
            self.burst_waits_left = 0;
            self.burst_gap = FIRST_BURST_GAP;
            return true;
        }
        if is_apart {
            self.waits_to_skip = WAITS_AFTER_FAILURE;
            // A long one that was in vain is followed by no other.
            self.was_in_vain = self.spin_max == SPIN_MAX;
            self.spin_max = SPIN_MAX;
        }
        false
    }

    /// Whether a wait that shares its processor with the other side spins all the same.
    fn is_in_burst(&mut self) -> bool {
        if self.burst_waits_left > 0 {
            self.burst_waits_left -= 1;
            return true;
        }
        self.waits_until_burst = self.waits_until_burst.saturating_sub(1);
        if self.waits_until_burst > 0 {
            return false;
        }
        self.waits_until_burst = self.burst_gap;
        self.burst_gap = (self.burst_gap * 2).min(LAST_BURST_GAP);
        // With one processor there is nowhere to move to. Asked each time: it may change.
        if cpu::allowed_count() > 1 {
            self.burst_waits_left = BURST_WAITS;
        }
        self.burst_waits_left > 0
    }

    /// Notes how long a sleep took.
    #[inline]
    pub(crate) fn slept_for(&mut self, duration: Duration) {
        self.waits_are_short = duration < SHORT_SLEEP || !self.has_slept;
        self.has_slept = true;
        if std::mem::take(&mut self.was_in_vain) && duration < SPIN_MAX {
            self.spin_max = SPIN_LONG;
            self.waits_to_skip = 0;
        }
    }
}

/// Looks until it is `ready`, but no longer than `spin_max`; says whether it came true.
#[inline]
fn look_until(mut ready: impl FnMut() -> bool, spin_max: Duration) -> bool {
    // The shortest waits end before the clock is read once, which takes longer than they do.
    let mut start = None;
    loop {
        for _ in 0..LOOKS_PER_CLOCK {
            if ready() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.get_or_insert_with(Instant::now).elapsed() > spin_max {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart() -> Spin {
        let mut spin = Spin::new();
        spin.slept_for(Duration::ZERO);
        // No machine has so many processors.
        spin.saw_peer_on(u16::MAX);
        spin
    }

    #[test]
    fn a_spin_in_vain_by_little_is_followed_by_one_long_one() {
        let mut spin = apart();
        assert!(!spin.spin_until(|| false));
        assert_eq!(spin.waits_to_skip, WAITS_AFTER_FAILURE);
        spin.slept_for(SPIN_MAX / 2);
        assert_eq!((spin.spin_max, spin.waits_to_skip), (SPIN_LONG, 0));
        // As long as it pays it stays.
        assert!(spin.spin_until(|| true));
        assert_eq!(spin.spin_max, SPIN_LONG);
        assert!(!spin.spin_until(|| false));
        spin.slept_for(SPIN_MAX / 2);
        assert_eq!((spin.spin_max, spin.waits_to_skip), (SPIN_MAX, WAITS_AFTER_FAILURE));
    }

    #[test]
    fn a_spin_in_vain_by_much_is_followed_by_none() {
        let mut spin = apart();
        assert!(!spin.spin_until(|| false));
        spin.slept_for(SPIN_MAX);
        assert_eq!((spin.spin_max, spin.waits_to_skip), (SPIN_MAX, WAITS_AFTER_FAILURE));
        // A short sleep of which no spin went ahead says nothing.
        assert!(!spin.spin_until(|| true));
        spin.slept_for(SPIN_MAX / 2);
        assert_eq!((spin.spin_max, spin.waits_to_skip), (SPIN_MAX, WAITS_AFTER_FAILURE - 1));
    }
}
