//! The state of a pool while it is locked: whoever is to be woken is woken when it is not any more.
//! Not here: who that is (`line`).
//! Layer 7: over `state`.
//!
//! A waker is code of somebody else: an executor may poll the task in `wake`, on this thread, and so come back to the
//! pool. Woken under the lock, it would wait for itself (P1).

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::State;

#[derive(Debug)]
pub(super) struct Locked<'shared, F> {
    mutex: &'shared Mutex<State<F>>,
    /// There until this is dropped.
    guard: Option<MutexGuard<'shared, State<F>>>,
}

impl<'shared, F> Locked<'shared, F> {
    pub(super) fn new(mutex: &'shared Mutex<State<F>>) -> Self {
        Self { mutex, guard: Some(mutex.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// Waits for a change, or for so long; as ever, it may end for nothing.
    pub(super) fn wait(mut self, changed: &Condvar, timeout: Option<Duration>) -> Self {
        let mutex = self.mutex;
        // Who is to be woken may be who makes the change.
        if self.line.has_woken() {
            drop(self);
            return Self::new(mutex);
        }
        if let Some(guard) = self.guard.take() {
            let guard = match timeout {
                None => changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(timeout) => {
                    changed.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            self.guard = Some(guard);
        }
        self
    }
}

impl<F> Deref for Locked<'_, F> {
    type Target = State<F>;

    fn deref(&self) -> &State<F> {
        self.guard.as_ref().expect("it is there until this is dropped")
    }
}

impl<F> DerefMut for Locked<'_, F> {
    fn deref_mut(&mut self) -> &mut State<F> {
        self.guard.as_mut().expect("it is there until this is dropped")
    }
}

impl<F> Drop for Locked<'_, F> {
    fn drop(&mut self) {
        let woken = self.guard.take().map(|mut state| state.line.take_woken());
        for waker in woken.into_iter().flatten() {
            waker.wake();
        }
    }
}
