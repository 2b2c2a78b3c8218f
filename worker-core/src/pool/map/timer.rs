//! Deadlines of a map whose results a task asks for: the runtime's timers, or a thread while there is no runtime.
//! Not here: which deadline (`run`).
//! Layer 7: over tokio's timers, or `std`.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Instant;

use crate::calls::on_thread;

/// Has the task woken that waits; nothing is done before it is first asked for.
#[derive(Default)]
pub(super) struct Timer {
    #[cfg(feature = "tokio")]
    sleep: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
    thread: Option<Arc<Clock>>,
}

/// What a thread, `worker-timer`, looks at; it ends with the map.
#[derive(Default)]
struct Clock {
    state: Mutex<Due>,
    changed: Condvar,
}

#[derive(Default)]
struct Due {
    next: Option<(Instant, Waker)>,
    is_over: bool,
}

impl Timer {
    /// Whether it is so late; if not, the task is woken when it is.
    pub(super) fn is_due(&mut self, deadline: Instant, context: &mut Context<'_>) -> bool {
        if deadline <= Instant::now() {
            return true;
        }
        #[cfg(feature = "tokio")]
        if tokio::runtime::Handle::try_current().is_ok() {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
            if sleep.deadline() != deadline.into() {
                sleep.as_mut().reset(deadline.into());
            }
            return sleep.as_mut().poll(context).is_ready();
        }
        let clock = self.thread.get_or_insert_with(|| {
            let clock = Arc::new(Clock::default());
            let of_thread = Arc::clone(&clock);
            // Refused a thread, the deadline would pass unseen until something else happens.
            on_thread("worker-timer", move || of_thread.run());
            clock
        });
        let mut state = clock.state();
        let old = state.next.replace((deadline, context.waker().clone()));
        drop(state);
        clock.changed.notify_one();
        drop(old);
        false
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(clock) = &self.thread {
            clock.state().is_over = true;
            clock.changed.notify_one();
        }
    }
}

impl Clock {
    fn run(&self) {
        let mut state = self.state();
        while !state.is_over {
            let left = state.next.as_ref().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    let due = state.next.take();
                    drop(state);
                    if let Some((_, waker)) = due {
                        waker.wake();
                    }
                    self.state()
                }
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, Due> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
