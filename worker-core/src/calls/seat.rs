//! A value that one thread holds at a time, beside a lock for all who have to do with it: and a short way for a thread alone.
//! Not here: what the value is, and who waits for it (`client`).
//! Layer 4: below `client`, which it spares six of ten locked instructions a call.
//!
//! Nearly every call is made while nobody else has anything to do with its actor. Then one word says all that the lock
//! would: a thread takes the value by a step from zero to [`ALONE`], and gives it back by one from [`ALONE`] to zero.
//! Whoever comes meanwhile says so in the same word, so that one of these steps fails.
//!
//! # Safety
//!
//! * A1: the value is touched by the thread that took the step to `ALONE`, until `ALONE` is cleared; and else with the lock
//!   held, while `CROWD` is set and `ALONE` is clear.
//! * A2: `CROWD` is set and cleared with the lock held, and it is set for whoever holds it. While it is set, nobody becomes
//!   alone, and who was alone clears `ALONE` with the lock held too.
//! * A3: `CROWD` is cleared only with the value at home, so whoever becomes alone finds it there.
//!
//! So whoever holds the lock and finds `ALONE` set may rely on it that the thread alone takes the lock before it leaves,
//! and sees what was written down for it.
#![allow(unsafe_code)]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

#[cfg(not(all(test, worker_model)))]
use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU32, Ordering},
    sync::{Mutex, MutexGuard},
};

#[cfg(all(test, worker_model))]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU32, Ordering},
    sync::{Mutex, MutexGuard},
};

/// A thread has the value without the lock.
const ALONE: u32 = 1;
/// Somebody has come who goes by the lock.
const CROWD: u32 = 2;

/// A value of type `T`, and what all who have to do with it share.
pub(super) struct Seat<S, T> {
    word: AtomicU32,
    shared: Mutex<S>,
    /// Empty while somebody has the value.
    home: UnsafeCell<Option<T>>,
}

// SAFETY: A1: one thread at a time touches the value, and each after the one before it.
unsafe impl<S: Send, T: Send> Sync for Seat<S, T> {}

impl<S, T> Seat<S, T> {
    pub(super) fn new(shared: S, value: T) -> Self {
        Self { word: AtomicU32::new(0), shared: Mutex::new(shared), home: UnsafeCell::new(Some(value)) }
    }

    /// Takes the lock, and keeps everybody from becoming alone until [`Held::disperse`].
    #[inline]
    pub(super) fn lock(&self) -> Held<'_, S, T> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: it is set and cleared under the lock (A2).
        if self.word.load(Ordering::Relaxed) & CROWD == 0 {
            // Acquire: behind whoever was alone before (A1).
            self.word.fetch_or(CROWD, Ordering::Acquire);
        }
        Held { seat: self, shared }
    }

    /// Takes the value without the lock, if nobody else has to do with it.
    #[inline]
    pub(super) fn try_alone(&self) -> Option<Alone<'_, S, T>> {
        // Acquire: behind whoever had the value before (A1).
        self.word.compare_exchange(0, ALONE, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: A1: this thread has just taken the step.
        let value = unsafe { self.take() };
        Some(Alone { seat: self, value: value.expect("it is at home (A3)") })
    }

    /// The parts, of one who shares them with nobody.
    pub(super) fn get_mut(&mut self) -> (&mut S, Option<&mut T>) {
        #[cfg(not(all(test, worker_model)))]
        let home = self.home.get_mut().as_mut();
        #[cfg(all(test, worker_model))]
        let home = self.home.with_mut(|home| {
            // SAFETY: `self` is borrowed for as long, and by nobody else.
            unsafe { (*home).as_mut() }
        });
        (self.shared.get_mut().unwrap_or_else(PoisonError::into_inner), home)
    }

    /// # Safety
    ///
    /// It is the caller's turn by A1.
    #[inline]
    unsafe fn take(&self) -> Option<T> {
        // SAFETY: the caller's turn, and nobody else's.
        self.with_home(|home| unsafe { (*home).take() })
    }

    /// # Safety
    ///
    /// As for [`Seat::take`].
    #[inline]
    unsafe fn put(&self, value: T) {
        // SAFETY: the caller's turn, and nobody else's.
        self.with_home(|home| unsafe { *home = Some(value) });
    }

    #[inline]
    fn with_home<R>(&self, run: impl FnOnce(*mut Option<T>) -> R) -> R {
        #[cfg(not(all(test, worker_model)))]
        return run(self.home.get());
        #[cfg(all(test, worker_model))]
        return self.home.with_mut(run);
    }
}

/// The lock.
pub(super) struct Held<'seat, S, T> {
    seat: &'seat Seat<S, T>,
    shared: MutexGuard<'seat, S>,
}

impl<S, T> Held<'_, S, T> {
    /// Whether somebody has the value.
    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        // SAFETY: A1, for the lock is held and nobody is alone.
        self.is_somebody_alone() || self.seat.with_home(|home| unsafe { (*home).is_none() })
    }

    /// Takes the value, if nobody has it.
    #[inline]
    pub(super) fn take(&mut self) -> Option<T> {
        if self.is_somebody_alone() {
            return None;
        }
        // SAFETY: A1, as asked above.
        unsafe { self.seat.take() }
    }

    /// Gives the value back that [`Held::take`] gave.
    #[inline]
    pub(super) fn put(&mut self, value: T) {
        assert!(!self.is_somebody_alone(), "the value was taken from here, so nobody has become alone since");
        // SAFETY: A1, as asserted.
        unsafe { self.seat.put(value) }
    }

    /// Gives the lock back, and lets the next thread be alone, if the value is at home.
    #[inline]
    pub(super) fn disperse(self) {
        if !self.is_taken() {
            // Release: before whoever is alone next (A1). Nobody else writes the word: A2.
            self.seat.word.store(0, Ordering::Release);
        }
    }

    #[inline]
    fn is_somebody_alone(&self) -> bool {
        // Relaxed: with `CROWD` set it is cleared under the lock (A2).
        self.seat.word.load(Ordering::Relaxed) & ALONE != 0
    }
}

impl<S, T> Deref for Held<'_, S, T> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.shared
    }
}

impl<S, T> DerefMut for Held<'_, S, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S {
        &mut self.shared
    }
}

/// The value, in the hands of a thread that is alone. It must be ended by [`Alone::leave`] or [`Alone::join`].
#[must_use = "dropped, it would keep the value from everybody"]
pub(super) struct Alone<'seat, S, T> {
    seat: &'seat Seat<S, T>,
    value: T,
}

impl<'seat, S, T> Alone<'seat, S, T> {
    /// Whether somebody has come since.
    #[inline]
    pub(super) fn has_company(&self) -> bool {
        // Relaxed: a hint; what was written down is read under the lock.
        self.seat.word.load(Ordering::Relaxed) != ALONE
    }

    /// Gives the value back, if nobody has come since; otherwise it joins them.
    #[inline]
    pub(super) fn leave(self) -> Result<(), (Held<'seat, S, T>, T)> {
        let Self { seat, value } = self;
        // SAFETY: A1: this thread is alone still.
        unsafe { seat.put(value) };
        // Release: before whoever has the value next (A1).
        match seat.word.compare_exchange(ALONE, 0, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            // SAFETY: A1: somebody has come, but `ALONE` is set until we clear it.
            Err(_) => Err(Self::join_with(seat, || unsafe { seat.take() })),
        }
    }

    /// Becomes one of those who go by the lock, with the value in hand.
    pub(super) fn join(self) -> (Held<'seat, S, T>, T) {
        let Self { seat, value } = self;
        Self::join_with(seat, || Some(value))
    }

    #[cold]
    fn join_with(seat: &'seat Seat<S, T>, value: impl FnOnce() -> Option<T>) -> (Held<'seat, S, T>, T) {
        let shared = seat.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let value = value().expect("who is alone has the value");
        // Relaxed: whoever looks does so under the lock, and nobody else writes meanwhile (A2).
        seat.word.store(CROWD, Ordering::Relaxed);
        (Held { seat, shared }, value)
    }
}

impl<S, T> Deref for Alone<'_, S, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<S, T> DerefMut for Alone<'_, S, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<S: fmt::Debug, T> fmt::Debug for Seat<S, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seat").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(worker_model)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_alone_until_somebody_comes_and_again_when_they_have_dispersed() {
        let seat = Seat::new((), "value");
        let alone = seat.try_alone().unwrap();
        assert!(seat.try_alone().is_none() && !alone.has_company());
        assert!(alone.leave().is_ok());
        let held = seat.lock();
        assert!(!held.is_taken());
        held.disperse();
        let alone = seat.try_alone().unwrap();
        let mut held = seat.lock();
        assert!(held.is_taken() && held.take().is_none() && alone.has_company());
        held.disperse();
        let Err((mut held, value)) = alone.leave() else { panic!("somebody has come") };
        assert!(held.is_taken() && held.take().is_none(), "it is in our hands");
        held.disperse();
        assert!(seat.try_alone().is_none(), "the value is not at home");
        let mut held = seat.lock();
        held.put(value);
        held.disperse();
        let (mut held, value) = seat.try_alone().unwrap().join();
        held.put(value);
        assert_eq!(held.take(), Some("value"));
    }
}

/// Every order that the memory model allows, by loom.
#[cfg(all(test, worker_model))]
mod model {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Who waits for the value, under the lock, and whether it was told of it.
    #[derive(Default)]
    struct Shared {
        waits: bool,
        woken: bool,
    }

    type Value = Box<u32>;

    /// As a caller does: alone if possible, or else under the lock; whoever gives the value away tells who waits.
    fn use_once(seat: &Seat<Shared, Value>) -> bool {
        if let Some(mut alone) = seat.try_alone() {
            **alone += 1;
            if let Err((held, value)) = alone.leave() {
                give_away(held, value);
            }
            return true;
        }
        let mut held = seat.lock();
        match held.take() {
            Some(mut value) => {
                drop(held);
                *value += 1;
                give_away(seat.lock(), value);
                true
            }
            None => {
                held.waits = true;
                // In vain: the value is not at home.
                held.disperse();
                false
            }
        }
    }

    fn give_away(mut held: Held<'_, Shared, Value>, value: Value) {
        held.put(value);
        if std::mem::take(&mut held.waits) {
            held.woken = true;
        }
        held.disperse();
    }

    /// Loom finds every access to the value that is not ordered; and whoever finds it taken is told when it is free.
    #[test]
    fn one_at_a_time_has_the_value_and_nobody_waits_in_vain() {
        loom::model(|| {
            let seat = Arc::new(Seat::new(Shared::default(), Box::new(0)));
            let other = Arc::clone(&seat);
            let thread = thread::spawn(move || (use_once(&other), use_once(&other)));
            let mine = use_once(&seat);
            let (first, second) = thread.join().unwrap();
            let mut held = seat.lock();
            let done = [mine, first, second].into_iter().filter(|done| *done).count();
            assert_eq!(usize::try_from(*held.take().expect("everybody has left")).unwrap(), done);
            assert!(!held.waits, "nobody gives the value away any more, and somebody waits for it");
            assert!(done == 3 || held.woken);
        });
    }
}
