//! What the clones of a pool share: the state under its lock, and waiting for a turn.
//! Not here: choices (`state`), and making processes (`making`).
//! Layer 7: above `actor`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::builder::Options;
use super::line::{Place, Wake};
use super::locked::Locked;
use super::making::{Counted, Make};
use super::member::Departed;
use super::state::{Aftermath, Choice, State, Want};
use crate::actor::Frontend;
use crate::errors::{Departure, DepartureReason, TakeError};

/// How long somebody would wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Not for others.
    None,
    Until(Instant),
    Forever,
}

impl Patience {
    pub(super) fn deadline(self) -> Option<Instant> {
        if let Self::Until(deadline) = self { Some(deadline) } else { None }
    }

    fn is_over(self) -> bool {
        match self {
            Self::None => true,
            Self::Until(deadline) => deadline <= Instant::now(),
            Self::Forever => false,
        }
    }
}

pub(super) struct Shared<F> {
    pub(super) options: Options,
    pub(super) make: Make<F>,
    state: Mutex<State<F>>,
    /// Notified when a process that was in hand, or in the making, is where it belongs; and at the end.
    pub(super) changed: Condvar,
}

impl<F: Frontend> Shared<F> {
    pub(super) fn new(options: Options, make: Make<F>) -> Self {
        Self { options, make, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn state(&self) -> Locked<'_, F> {
        Locked::new(&self.state)
    }

    /// Puts the pool in order after a change, and does what takes time with nothing locked (P1).
    pub(super) fn tidy(&self, state: Locked<'_, F>) {
        drop(self.settle(state, false));
    }

    /// As [`Shared::tidy`], but what takes time is done when the result is dropped.
    fn settle(&self, mut state: Locked<'_, F>, later: bool) -> Chores<'_, F> {
        let Aftermath { departed, begin, is_short } = state.settle(&self.options, later);
        let counted = |number| (number, Counted::held(self, |state| &mut state.in_hand));
        let begin = begin.into_iter().map(counted).collect();
        drop(state);
        Chores { shared: self, departed, begin, is_short, again: later && !is_short }
    }

    /// Takes a process out of service; what it takes to replace it can wait, unless that gives it a replacement.
    pub(super) fn condemn(&self, number: u64, reason: DepartureReason) -> Option<Chores<'_, F>> {
        let mut state = self.state();
        state.condemn(number, reason);
        self.settle_later(state)
    }

    /// As [`Shared::condemn`], for one that is ending, before anybody knows how.
    pub(super) fn retire(&self, number: u64) -> Option<Chores<'_, F>> {
        let mut state = self.state();
        state.retire(number);
        self.settle_later(state)
    }

    fn settle_later(&self, state: Locked<'_, F>) -> Option<Chores<'_, F>> {
        // Whoever keeps the chores may have the user's code run meanwhile. A spare that is to be begun is in hand, and
        // `stop` would wait for it: so none is, before the time comes.
        let chores = self.settle(state, true);
        // Where a process is missing, whoever looks for one finds the one that is begun here.
        (!chores.is_short).then_some(chores)
    }

    pub(super) fn tell(&self, departure: &Departure) {
        if let Some(listener) = &self.options.on_departure {
            listener(departure);
        }
    }

    /// Chooses if it is the turn of whoever has this place in the line, or of anybody; it does not wait.
    pub(super) fn choose_now(&self, want: Want<'_>, place: Option<Place>) -> Result<Choice<F>, TakeError> {
        let mut state = self.state();
        if state.closed {
            return Err(TakeError::Stopped);
        }
        let is_my_turn = place.map_or(state.line.is_empty(), |place| state.line.is_first(place));
        Ok(if is_my_turn { state.choose(want, &self.options) } else { Choice::Nothing })
    }

    /// Chooses when it is the caller's turn, and waits for that as long as its patience lasts (P2).
    pub(super) fn choose(&self, want: Want<'_>, patience: Patience) -> Result<Choice<F>, TakeError> {
        let mut state = self.state();
        let mut place = None;
        let result = loop {
            if state.closed {
                break Err(TakeError::Stopped);
            }
            let is_my_turn = place.map_or(state.line.is_empty(), |place| state.line.is_first(place));
            if is_my_turn {
                match state.choose(want, &self.options) {
                    Choice::Nothing => {}
                    choice => break Ok(choice),
                }
            }
            if patience.is_over() {
                break Err(TakeError::Busy);
            }
            place.get_or_insert_with(|| state.line.enter(Wake::this_thread()));
            drop(state);
            match patience.deadline() {
                None => thread::park(),
                Some(deadline) => thread::park_timeout(deadline.saturating_duration_since(Instant::now())),
            }
            state = self.state();
        };
        if let Some(place) = place {
            state.line.leave(place);
            // The next one may be given something too.
            state.line.wake_first();
        }
        result
    }
}

/// What is to be done about a change, with nothing locked: it is when this is dropped.
///
/// Spares that are to be begun are counted as in hand, so what has any is not kept.
#[must_use = "dropped here, it takes its time here"]
pub(super) struct Chores<'shared, F: Frontend> {
    shared: &'shared Shared<F>,
    departed: Vec<Departed<F>>,
    begin: Vec<(u64, Counted<'shared, F>)>,
    is_short: bool,
    /// What spares are due is found out only then.
    again: bool,
}

impl<F: Frontend> Drop for Chores<'_, F> {
    fn drop(&mut self) {
        if self.again {
            self.shared.tidy(self.shared.state());
        }
        let begin = self.begin.drain(..);
        let not_made: Vec<_> =
            begin.filter_map(|(number, counted)| self.shared.begin_spare(number, counted)).collect();
        // Only when nothing is in hand any more: the listener may stop the pool.
        let not_made = not_made.into_iter().map(|(name, why)| (not_made_departure(name, 0, why), None));
        let departed = self.departed.drain(..).map(|departed| (departed.told(), Some(departed)));
        each_whatever_panics(not_made.chain(departed), |(told, departed)| {
            // Before the listener, which may look whether it is gone.
            drop(departed);
            self.shared.tell(&told);
        });
    }
}

/// What is told of a process that could not be made.
pub(super) fn not_made_departure(name: String, pid: u32, why: String) -> Departure {
    Departure { name, pid, reason: DepartureReason::NotMade(why) }
}

/// Does the same with each, also if the listener panicked at an earlier one; the first panic goes on then.
pub(super) fn each_whatever_panics<T>(items: impl IntoIterator<Item = T>, mut run: impl FnMut(T)) {
    let mut panicked = None;
    for item in items {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(item))) {
            panicked.get_or_insert(panic);
        }
    }
    // Where this thread unwinds already, a second panic would end the program.
    if let Some(panic) = panicked.filter(|_| !thread::panicking()) {
        resume_unwind(panic);
    }
}

impl<F> fmt::Debug for Shared<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}
