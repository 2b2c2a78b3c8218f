//! Calls that cannot leave at once, from code that must not wait: they leave in order, from a thread that may.
//! Not here: whether a call can leave (`calls`), and who waits for its result (`actor::pending`).
//! Layer 5: above `calls`.
//!
//! * D1: calls leave in the order in which they came. One that comes while others wait goes behind them, and
//!   a call that blocks waits until all have left, so it overtakes none.
//! * D2: one thread at a time sends them: the one that has set `running`. It begins with the first and ends
//!   with the last. Not one of a runtime's pool: a runtime that is dropped waits for those, and a backend
//!   that never reads would keep it for ever.
//! * D3: a call that was given up before its turn never leaves. One whose turn it is leaves all the same,
//!   and its reply is forgotten.
//! * D4: whatever panics on that thread, a listener of the user's or a waker, ends nothing else: the call that met it has
//!   left or failed, and those behind it have their turn.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::life::Life;
use crate::calls::{Fault, Ticket, on_thread};

/// What came of sending a call.
pub(crate) enum Departed {
    InFlight(Arc<Life>, Ticket),
    /// It never left; and whether the backend was ended because of that.
    Failed {
        fault: Fault,
        killed: bool,
    },
}

/// Sends a call, and may wait.
pub(crate) type Depart = Box<dyn FnOnce() -> Departed + Send>;

/// The calls of one actor that wait to leave.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    queue: Mutex<Queue>,
    all_left: Condvar,
    /// Whether any wait, for a look without the lock.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<Departure>>,
    running: bool,
}

/// One of them, shared with whoever waits for its result.
pub(crate) struct Departure {
    state: Mutex<State>,
    left: Condvar,
}

enum State {
    Waiting {
        depart: Depart,
        waker: Option<Waker>,
    },
    /// It is being sent.
    Leaving(Option<Waker>),
    Left(Departed),
    /// Nobody wants it any more, or its outcome has been taken.
    Over,
}

impl Departures {
    /// Whether a call has to go behind others.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        // Relaxed: who came before us in our own thread is seen; others have no order with us.
        self.any.load(Ordering::Relaxed)
    }

    /// Has a call leave as soon as it can, behind those that wait.
    pub(crate) fn enter(self: &Arc<Self>, depart: Depart) -> Arc<Departure> {
        let state = Mutex::new(State::Waiting { depart, waker: None });
        let departure = Arc::new(Departure { state, left: Condvar::new() });
        let mut queue = self.queue();
        queue.waiting.push_back(Arc::clone(&departure));
        self.any.store(true, Ordering::Relaxed);
        if !std::mem::replace(&mut queue.running, true) {
            drop(queue);
            let departures = Arc::clone(self);
            on_thread("worker-sender", move || departures.run());
        }
        departure
    }

    /// Waits until all have left; says whether they have.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut queue = self.queue();
        while queue.running {
            queue = match deadline {
                None => self.all_left.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.all_left.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// Sends all that wait (D2).
    fn run(&self) {
        loop {
            let mut queue = self.queue();
            let Some(next) = queue.waiting.pop_front() else {
                queue.running = false;
                self.any.store(false, Ordering::Relaxed);
                drop(queue);
                self.all_left.notify_all();
                return;
            };
            drop(queue);
            // D4. The panic hook has told of it.
            let _ = catch_unwind(AssertUnwindSafe(|| next.leave()));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Departure {
    fn leave(&self) {
        let mut state = self.state();
        let depart = match std::mem::replace(&mut *state, State::Over) {
            State::Waiting { depart, waker } => {
                *state = State::Leaving(waker);
                depart
            }
            _ => return,
        };
        drop(state);
        let departed = catch_unwind(AssertUnwindSafe(depart)).unwrap_or_else(|_| {
            // D4: whoever waits for it must be told, and cannot know how far it came.
            let error = io::Error::other("what had to be done to send it panicked");
            Departed::Failed { fault: Fault::Memory(error), killed: false }
        });
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Over) {
            State::Leaving(waker) => {
                *state = State::Left(departed);
                drop(state);
                self.left.notify_all();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            // Given up while it was being sent: so is its reply.
            _ => {
                drop(state);
                if let Departed::InFlight(life, ticket) = departed {
                    life.client.forget(ticket);
                }
            }
        }
    }

    /// What came of it, once it has left.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Departed> {
        let mut state = self.state();
        match &mut *state {
            State::Waiting { waker, .. } | State::Leaving(waker) => {
                let outdated = waker.replace(context.waker().clone());
                drop(state);
                drop(outdated);
                Poll::Pending
            }
            State::Left(_) | State::Over => Poll::Ready(Self::take(state)),
        }
    }

    /// Has `waker` woken when it has left; where it is then, if it is in flight. The outcome stays.
    pub(crate) fn watch(&self, waker: &Waker) -> Option<Option<(Arc<Life>, Ticket)>> {
        let mut state = self.state();
        match &mut *state {
            State::Waiting { waker: place, .. } | State::Leaving(place) => {
                let outdated = place.replace(waker.clone());
                drop(state);
                drop(outdated);
                None
            }
            State::Left(Departed::InFlight(life, ticket)) => Some(Some((Arc::clone(life), *ticket))),
            State::Left(Departed::Failed { .. }) | State::Over => Some(None),
        }
    }

    /// As [`Departure::poll`], for a thread; `None` if the deadline passed.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<Departed> {
        let mut state = self.state();
        while matches!(*state, State::Waiting { .. } | State::Leaving(_)) {
            state = match deadline {
                None => self.left.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.left.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        Some(Self::take(state))
    }

    /// Whether there is a result to wait for no longer.
    pub(crate) fn is_ready(&self) -> bool {
        match &*self.state() {
            State::Waiting { .. } | State::Leaving(_) => false,
            State::Left(Departed::InFlight(life, ticket)) => life.client.is_ready(*ticket),
            State::Left(Departed::Failed { .. }) | State::Over => true,
        }
    }

    fn take(mut state: MutexGuard<'_, State>) -> Departed {
        match std::mem::replace(&mut *state, State::Over) {
            State::Left(departed) => departed,
            _ => unreachable!("the outcome of a call is taken once, by the `Pending` that has it"),
        }
    }

    /// Gives the call up: it does not leave any more, or its reply is forgotten.
    pub(crate) fn cancel(&self) {
        let before = std::mem::replace(&mut *self.state(), State::Over);
        match before {
            State::Left(Departed::InFlight(life, ticket)) => life.client.forget(ticket),
            // Dropped here, without a lock in hand: there may be a waker in it.
            State::Waiting { .. }
            | State::Leaving(_)
            | State::Left(Departed::Failed { .. })
            | State::Over => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Departure")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Departed {
        Departed::Failed { fault: Fault::NotSentInTime, killed: false }
    }

    fn fault(departed: Option<Departed>) -> Fault {
        match departed {
            Some(Departed::Failed { fault, killed: false }) => fault,
            _ => panic!("it failed"),
        }
    }

    struct Panics;

    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics, on purpose");
        }
    }

    #[test]
    fn what_panics_on_the_sending_thread_keeps_no_other_call_from_leaving() {
        let departures = Arc::new(Departures::default());
        let first = departures.enter(Box::new(|| panic!("a listener that panics, on purpose")));
        assert!(matches!(fault(first.wait(None)), Fault::Memory(_)), "D4: it is told");
        // Begun, it waits for us, so the next two come behind it.
        let (begin, may_begin) = std::sync::mpsc::channel::<()>();
        let second = departures.enter(Box::new(move || {
            let _ = may_begin.recv();
            failed()
        }));
        let third = departures.enter(Box::new(failed));
        let waker = Waker::from(Arc::new(Panics));
        assert!(third.poll(&Context::from_waker(&waker)).is_pending());
        let fourth = departures.enter(Box::new(failed));
        begin.send(()).unwrap();
        for departure in [second, third, fourth] {
            assert!(matches!(fault(departure.wait(None)), Fault::NotSentInTime));
        }
        assert!(departures.wait(None) && !departures.any());
    }
}
