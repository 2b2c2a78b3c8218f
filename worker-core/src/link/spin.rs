//! Whether to spin for a moment before sleeping: worth a factor of a hundred, or pure loss.
//! Not here: the waiting itself.
//! Layer 3: decisions only, no system state but the processor number.
//!
//! Measured on a machine with two processors: a message between two running processes takes 0.1 us;
//! a wake-up on the same processor 5 us, on another one 35 us; and a spinner on the one processor
//! that the other side needs delays it by its whole spin. So a wait spins only if all of this holds:
//!
//! * there are two processors to run on, and the other side was last seen on another one;
//! * the other side was awake when we last wrote to it (if we had to wake it, a wake-up is ahead,
//!   and the kernel wakes faster what may take over our own processor);
//! * waits have been short of late.

use std::time::{Duration, Instant};

use crate::sys::cpu;

/// Longest spin: about what a wake-up on another processor costs, so that at worst a wait doubles.
const SPIN_MAX: Duration = Duration::from_micros(50);
/// A sleep shorter than this would perhaps have been a short spin.
const SHORT_SLEEP: Duration = Duration::from_micros(150);
/// How many waits on one processor pass before spinning is tried out again, at first and at most.
const FIRST_TRIAL_GAP: u32 = 64;
const LAST_TRIAL_GAP: u32 = 16 * 1024;
/// Looks between two looks at the clock.
const LOOKS_PER_CLOCK: u32 = 32;

/// What a waiter has learnt about its waits.
#[derive(Debug)]
pub(crate) struct Spin {
    one_processor: bool,
    /// Processor on which the other side ran when it wrote to us last.
    peer_cpu: Option<u16>,
    /// Whether the last wait was so short that spinning pays.
    waits_are_short: bool,
    waits_until_trial: u32,
    trial_gap: u32,
}

impl Spin {
    pub(crate) fn new() -> Self {
        Self {
            one_processor: cpu::allowed_count() < 2,
            peer_cpu: None,
            waits_are_short: false,
            waits_until_trial: FIRST_TRIAL_GAP,
            trial_gap: FIRST_TRIAL_GAP,
        }
    }

    /// Notes on which processor a message was written.
    #[inline]
    pub(crate) fn saw_peer_on(&mut self, cpu: u16) {
        self.peer_cpu = Some(cpu);
    }

    /// Looks for `ready` for a moment if that is likely to pay; says whether it came true.
    ///
    /// `rang` says whether the other side slept when we last wrote to it.
    #[inline]
    pub(crate) fn spin_until(&mut self, rang: bool, mut ready: impl FnMut() -> bool) -> bool {
        if self.one_processor || self.peer_cpu.is_none() || !self.waits_are_short {
            return false;
        }
        let trial = rang || self.peer_cpu == Some(cpu::current());
        if trial && !self.trial_is_due() {
            return false;
        }
        let start = Instant::now();
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                if ready() {
                    self.trial_gap = FIRST_TRIAL_GAP;
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN_MAX {
                break;
            }
        }
        if trial {
            self.trial_gap = (self.trial_gap * 2).min(LAST_TRIAL_GAP);
        } else {
            self.waits_are_short = false;
        }
        false
    }

    fn trial_is_due(&mut self) -> bool {
        self.waits_until_trial = self.waits_until_trial.saturating_sub(1);
        let due = self.waits_until_trial == 0;
        if due {
            self.waits_until_trial = self.trial_gap;
        }
        due
    }

    /// Notes how long a sleep took.
    #[inline]
    pub(crate) fn slept_for(&mut self, duration: Duration) {
        self.waits_are_short = duration < SHORT_SLEEP;
    }
}
