//! One process of a pool, and what it is doing.
//! Not here: choosing among several (`state`), and what is done about it (`shared`).
//! Layer 7: above `actor`.

use std::time::{Duration, Instant};

use crate::actor::{Frontend, Pending};
use crate::errors::{CallError, Departure, DepartureReason};
use crate::process::Starting;

/// A process that was begun, and is not in service yet.
#[derive(Debug)]
pub(super) struct Spare<F> {
    pub(super) number: u64,
    pub(super) frontend: F,
    /// What to wait for; nothing if the constructor is known to be done.
    pub(super) starting: Option<Starting>,
    pub(super) born: Instant,
}

/// The `#[deactivate]` hook of a process that was returned.
#[derive(Debug, Default)]
pub(super) enum Hook {
    #[default]
    None,
    /// It was sent.
    Sent(Pending<()>),
    /// It came to this at once.
    Failed(CallError),
    /// There was no room to send it; the next one to take the process does.
    Owed,
}

/// A process in service.
#[derive(Debug)]
pub(super) struct Member<F> {
    pub(super) number: u64,
    pub(super) frontend: F,
    /// Lent to one user alone.
    pub(super) leased: bool,
    /// Uses without a lease.
    pub(super) load: usize,
    pub(super) hook: Hook,
    pub(super) born: Instant,
    /// Since when nobody uses it; the time of its last use, if somebody does.
    pub(super) idle_since: Instant,
    /// Why it is to be recycled, once a spare is ready.
    pub(super) due: Option<DepartureReason>,
    /// It is out of service, and goes when its last user does.
    pub(super) leaving: Option<DepartureReason>,
    /// It is ending, and out of service before anybody knows how it ends.
    pub(super) ending: bool,
    /// Hooks that were sent, which are no calls of the user's.
    pub(super) hooks: u64,
    /// When its memory may be measured again.
    pub(super) memory_look: Instant,
}

impl<F> Member<F> {
    pub(super) fn new(spare: Spare<F>) -> Self {
        let now = Instant::now();
        Self {
            number: spare.number,
            frontend: spare.frontend,
            leased: false,
            load: 0,
            hook: Hook::None,
            born: spare.born,
            idle_since: now,
            due: None,
            leaving: None,
            ending: false,
            hooks: 0,
            memory_look: now,
        }
    }

    pub(super) fn is_free(&self) -> bool {
        !self.leased && self.load == 0
    }

    /// Whether others may still be given it.
    pub(super) fn serves(&self) -> bool {
        self.leaving.is_none() && !self.ending
    }

    pub(super) fn idle_time(&self, now: Instant) -> Option<Duration> {
        self.is_free().then(|| now.saturating_duration_since(self.idle_since))
    }
}

/// Something to be dropped and told of, once nothing is locked.
#[derive(Debug)]
pub(super) struct Departed<F> {
    pub(super) frontend: F,
    /// Nothing for one that is ending: that is waited for.
    pub(super) reason: Option<DepartureReason>,
    /// Dropped with it.
    pub(super) _hook: Hook,
}

impl<F: Frontend> Departed<F> {
    /// What is to be told of it. One that has ended, or is about to, tells its builder's own listener.
    pub(super) fn told(&self) -> Departure {
        let process = self.frontend.process();
        let reason = match &self.reason {
            None => DepartureReason::Ended(process.wait()),
            Some(reason) => {
                if let DepartureReason::Ended(_) = reason {
                    process.wait();
                }
                reason.clone()
            }
        };
        Departure { name: process.name().to_owned(), pid: process.pid(), reason }
    }
}
