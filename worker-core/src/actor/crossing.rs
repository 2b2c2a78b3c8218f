//! What is about to cross: the one place that asks whether the types of a value and of an error can.
//! Not here: how either side goes about it (`reply`, `birth`, `calling`).
//! Layer 6: over `wire`.
//!
//! A method's reply is named three times: where the backend answers, and in both calls of the frontend. A type that
//! cannot cross would be three errors with different notes. All three end in [`Crossing::carry`], so that the
//! compiler says the same thing of the same place, which it shows once.

use std::fmt;
use std::marker::PhantomData;

use crate::wire::portable::Portable;

/// A value of type `T`, or an error of type `E`, about to cross; nothing happens before [`Crossing::carry`].
#[must_use = "nothing happens before `carry`"]
pub struct Crossing<S, T, E> {
    side: S,
    types: PhantomData<fn() -> (T, E)>,
}

/// One side of a crossing: a backend that answers, a frontend that asks.
pub trait Side<T, E> {
    /// What this side has when it is done.
    type Output;

    /// Does it.
    fn carry<ValueForm, ErrorForm>(self) -> Self::Output
    where
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>;
}

impl<S: Side<T, E>, T, E> Crossing<S, T, E> {
    #[inline]
    pub(super) fn new(side: S) -> Self {
        Self { side, types: PhantomData }
    }

    /// Does it: sends the reply, waits for the result of the call, queues it, or starts the process.
    #[inline]
    pub fn carry<ValueForm, ErrorForm>(self) -> S::Output
    where
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        self.side.carry()
    }
}

impl<S, T, E> fmt::Debug for Crossing<S, T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Crossing").finish_non_exhaustive()
    }
}
