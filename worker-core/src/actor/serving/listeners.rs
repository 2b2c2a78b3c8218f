//! What an actor listens to besides its calls: timers, and descriptors that it watches.
//! Not here: waiting for them (`turns`), and the public way to them (`actor::context`).
//! Layer 6: plain data, and callbacks of the user.
//!
//! A callback may register others and cancel any, itself too. So it is taken out of its entry while it
//! runs, and no list is borrowed meanwhile.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::actor::context::Context;

/// Code of the user that the loop calls.
pub(in crate::actor) type Callback<A> = Box<dyn FnMut(&mut A, &Context<A>)>;

/// A timer or a watched descriptor of a backend, by which it can be cancelled.
///
/// Dropping it changes nothing: the backend goes on listening until it is cancelled, or ends.
///
/// # Examples
///
/// See [`Context::every`] and [`Context::watch`].
#[derive(Clone, Debug)]
pub struct Registration {
    cancelled: Rc<Cell<bool>>,
}

impl Registration {
    /// Ends it: the callback does not run again, and what it holds is dropped before the next turn.
    ///
    /// A second time changes nothing.
    pub fn cancel(&self) {
        self.cancelled.set(true);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }
}

/// When a timer runs, or what a watch looks at.
enum Trigger {
    Every { period: Duration, due: Instant },
    Readable(Box<dyn AsFd>),
}

struct Listener<A> {
    trigger: Trigger,
    /// Absent while it runs.
    callback: Option<Callback<A>>,
    cancelled: Rc<Cell<bool>>,
}

/// Everything an actor listens to besides its calls.
pub(in crate::actor) struct Listeners<A> {
    entries: RefCell<Vec<Listener<A>>>,
    /// Whether there are any: what the loop asks after each message.
    some: Cell<bool>,
}

/// Which entries are due: their places in the list, which only grows while callbacks run.
pub(super) type Due = Vec<usize>;

impl<A> Listeners<A> {
    pub(in crate::actor) fn new() -> Self {
        Self { entries: RefCell::default(), some: Cell::new(false) }
    }

    pub(in crate::actor) fn every(&self, period: Duration, callback: Callback<A>) -> Registration {
        let due = after(Instant::now(), period);
        self.enter(Trigger::Every { period, due }, callback)
    }

    pub(in crate::actor) fn watch(&self, source: Box<dyn AsFd>, callback: Callback<A>) -> Registration {
        self.enter(Trigger::Readable(source), callback)
    }

    fn enter(&self, trigger: Trigger, callback: Callback<A>) -> Registration {
        let cancelled = Rc::new(Cell::new(false));
        let entry = Listener { trigger, callback: Some(callback), cancelled: Rc::clone(&cancelled) };
        self.entries.borrow_mut().push(entry);
        self.some.set(true);
        Registration { cancelled }
    }

    #[inline]
    pub(super) fn are_some(&self) -> bool {
        self.some.get()
    }

    /// Takes out what was cancelled, for the caller to drop: that may run code of the user.
    pub(super) fn take_cancelled(&self) -> Vec<impl Sized + use<A>> {
        let mut entries = self.entries.borrow_mut();
        let (cancelled, kept): (Vec<_>, _) = entries.drain(..).partition(|entry| entry.cancelled.get());
        *entries = kept;
        self.some.set(!entries.is_empty());
        cancelled
    }

    /// When the next timer is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let entries = self.entries.borrow();
        let due = |entry: &Listener<A>| match entry.trigger {
            Trigger::Every { due, .. } if !entry.cancelled.get() => Some(due),
            _ => None,
        };
        entries.iter().filter_map(due).min()
    }

    /// The timers that are due by now, each of which is set to its next time.
    pub(super) fn take_due(&self, now: Instant) -> Due {
        let mut taken = Vec::new();
        for (index, entry) in self.entries.borrow_mut().iter_mut().enumerate() {
            if let Trigger::Every { period, due } = &mut entry.trigger
                && *due <= now
            {
                *due = next_tick(*due, *period, now);
                taken.push(index);
            }
        }
        taken
    }

    /// Shows each watched descriptor, with its place in the list.
    pub(super) fn with_watched<T>(&self, look: impl FnOnce(&[(usize, BorrowedFd<'_>)]) -> T) -> T {
        let entries = self.entries.borrow();
        let watched = entries.iter().enumerate().filter(|(_, entry)| !entry.cancelled.get());
        let watched: Vec<_> = watched
            .filter_map(|(index, entry)| match &entry.trigger {
                Trigger::Readable(source) => Some((index, source.as_fd())),
                Trigger::Every { .. } => None,
            })
            .collect();
        look(&watched)
    }

    /// Takes a callback out, to run it; `None` if it was cancelled meanwhile.
    pub(super) fn take(&self, index: usize) -> Option<Callback<A>> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.get_mut(index).filter(|entry| !entry.cancelled.get())?;
        entry.callback.take()
    }

    /// Puts back a callback that has run.
    pub(super) fn put_back(&self, index: usize, callback: Callback<A>) {
        if let Some(entry) = self.entries.borrow_mut().get_mut(index) {
            entry.callback = Some(callback);
        }
    }

    /// Cancels an entry.
    pub(super) fn cancel(&self, index: usize) {
        if let Some(entry) = self.entries.borrow().get(index) {
            entry.cancelled.set(true);
        }
    }
}

/// The first tick after `now` in the rhythm of a timer: what was missed is left out, not made up for.
fn next_tick(due: Instant, period: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(due).as_nanos();
    let period_ns = period.as_nanos().max(1);
    let missed = late / period_ns;
    let ahead = u64::try_from((missed + 1).saturating_mul(period_ns)).unwrap_or(u64::MAX);
    after(due, Duration::from_nanos(ahead))
}

/// A moment so much later; what lies beyond the clock comes to a century.
fn after(moment: Instant, time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    moment.checked_add(time.min(CENTURY)).unwrap_or(moment)
}

impl<A> fmt::Debug for Listeners<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Listeners").field("count", &self.entries.borrow().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_timer_skips_what_it_missed_and_keeps_its_rhythm() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        assert_eq!(next_tick(start, ms(10), start), start + ms(10));
        assert_eq!(next_tick(start, ms(10), start + ms(9)), start + ms(10));
        assert_eq!(next_tick(start, ms(10), start + ms(10)), start + ms(20));
        assert_eq!(next_tick(start, ms(10), start + ms(37)), start + ms(40), "three are left out");
        assert!(next_tick(start, Duration::MAX, start) > start, "no overflow");
    }

    #[test]
    fn what_is_cancelled_is_dropped_and_the_rest_stays() {
        let listeners = Listeners::<()>::new();
        let held = Rc::new(());
        let holding = Rc::clone(&held);
        let first = listeners.every(Duration::from_secs(1), Box::new(move |_, _| drop(Rc::clone(&holding))));
        let second = listeners.every(Duration::from_secs(3), Box::new(|_, _| {}));
        let soonest = listeners.next_due();
        first.cancel();
        assert!(listeners.next_due() > soonest && listeners.take(0).is_none());
        drop(listeners.take_cancelled());
        assert_eq!((Rc::strong_count(&held), listeners.are_some()), (1, true));
        second.cancel();
        drop(listeners.take_cancelled());
        assert!(!listeners.are_some() && listeners.next_due().is_none());
    }
}
