//! Deadlines of a map whose results a task asks for: the runtime's timers, or a thread while there is no runtime.
//! Not here: which deadline (`run`).
//! Layer 7: over tokio's timers, or `std`.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::thread::Builder;
use std::time::Instant;

/// Has the task woken that waits; nothing is done before it is first asked for.
#[derive(Default)]
pub(super) struct Timer {
    #[cfg(feature = "tokio")]
    sleep: Option<Asleep>,
    thread: Option<Arc<Clock>>,
}

/// A timer of a runtime.
#[cfg(feature = "tokio")]
struct Asleep {
    sleep: std::pin::Pin<Box<tokio::time::Sleep>>,
    /// A runtime that nobody drives, or that is gone, wakes nobody: the one that polls has to be this.
    runtime: tokio::runtime::Id,
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
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            let runtime = handle.id();
            self.sleep.take_if(|asleep| asleep.runtime != runtime);
            let Asleep { sleep, .. } = self.sleep.get_or_insert_with(|| {
                let sleep = Box::pin(tokio::time::sleep_until(deadline.into()));
                Asleep { sleep, runtime }
            });
            if sleep.deadline() != deadline.into() {
                sleep.as_mut().reset(deadline.into());
            }
            return sleep.as_mut().poll(context).is_ready();
        }
        self.is_due_on(Builder::new(), deadline, context)
    }

    /// As [`Timer::is_due`], where there is no runtime, by a thread that is made so if there is none.
    fn is_due_on(&mut self, builder: Builder, deadline: Instant, context: &Context<'_>) -> bool {
        if self.thread.is_none() {
            let clock = Arc::new(Clock::default());
            let of_thread = Arc::clone(&clock);
            if builder.name("worker-timer".to_owned()).spawn(move || of_thread.run()).is_err() {
                // Refused a thread, the task has to look itself, again and again: it costs the time of a processor, but
                // the deadline is kept, and whatever else happens is seen. The next look asks for a thread again.
                context.waker().wake_by_ref();
                return deadline <= Instant::now();
            }
            self.thread = Some(clock);
        }
        let Some(clock) = &self.thread else { return false };
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use super::*;

    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// No thread can have such a stack.
    fn refused() -> Builder {
        Builder::new().stack_size(usize::MAX / 2)
    }

    #[test]
    fn refused_a_thread_the_task_looks_itself_until_it_is_due_or_there_is_one() {
        assert!(refused().spawn(|| ()).is_err());
        let counts = Arc::new(Counts(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&counts));
        let context = Context::from_waker(&waker);
        let mut timer = Timer::default();
        let far = Instant::now() + Duration::from_secs(3600);
        for looks in 1..4 {
            assert!(!timer.is_due_on(refused(), far, &context));
            assert_eq!(counts.0.load(Ordering::SeqCst), looks, "it is to look again");
        }
        let near = Instant::now() + Duration::from_millis(5);
        while !timer.is_due_on(refused(), near, &context) {}
        assert!(near <= Instant::now());
        assert!(timer.thread.is_none());

        let looks = counts.0.load(Ordering::SeqCst);
        assert!(!timer.is_due_on(Builder::new(), far, &context));
        assert!(timer.thread.is_some());
        assert_eq!(counts.0.load(Ordering::SeqCst), looks, "the thread wakes it now");
    }
}
