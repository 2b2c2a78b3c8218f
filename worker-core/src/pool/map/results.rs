//! In what order results are handed out, to a thread.
//! Not here: to a task (`stream`).
//! Layer 7: over `run`.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::FusedIterator;

use super::Map;
use super::run::Finished;
use crate::actor::{Frontend, Pending};
use crate::errors::ItemError;

/// Of a [`Map`] whose results come in the order of the inputs.
pub struct Ordered<T, E> {
    /// What came out of turn.
    pub(super) held: BTreeMap<usize, Result<T, ItemError<E>>>,
    next: usize,
}

/// Of a [`Map`] whose results come as they are ready, each with the index of its input.
#[derive(Debug)]
pub struct Unordered(());

impl<T, E> Ordered<T, E> {
    pub(super) fn new() -> Self {
        Self { held: BTreeMap::new(), next: 0 }
    }

    /// The result whose turn it is.
    pub(super) fn take(&mut self) -> Option<Result<T, ItemError<E>>> {
        let result = self.held.remove(&self.next)?;
        self.next += 1;
        Some(result)
    }

    pub(super) fn hold(&mut self, finished: impl Iterator<Item = Finished<T, E>>) {
        self.held.extend(finished);
    }
}

impl Unordered {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl<F, I, C, T, E> Iterator for Map<F, I, C, T, E, Ordered<T, E>>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    type Item = Result<T, ItemError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(refusal) = self.refusal() {
            return Some(Err(refusal));
        }
        let (run, awaiter) = (self.run.as_mut()?, self.awaiter.as_mut()?);
        run.keep_busy(self.order.held.len(), awaiter);
        loop {
            if let Some(result) = self.order.take() {
                return Some(result);
            }
            if !run.advance(self.order.held.len(), awaiter) {
                self.run = None;
                return None;
            }
            self.order.hold(run.finished.drain(..));
        }
    }
}

impl<F, I, C, T, E> Iterator for Map<F, I, C, T, E, Unordered>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    type Item = (usize, Result<T, ItemError<E>>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(refusal) = self.refusal() {
            return Some((0, Err(refusal)));
        }
        let (run, awaiter) = (self.run.as_mut()?, self.awaiter.as_mut()?);
        run.keep_busy(0, awaiter);
        if run.finished.is_empty() && !run.advance(0, awaiter) {
            self.run = None;
            return None;
        }
        run.finished.pop_front()
    }
}

impl<F, I, C, T, E> FusedIterator for Map<F, I, C, T, E, Ordered<T, E>>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
}

impl<F, I, C, T, E> FusedIterator for Map<F, I, C, T, E, Unordered>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
}

impl<T, E> fmt::Debug for Ordered<T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ordered").field("next", &self.next).finish_non_exhaustive()
    }
}
