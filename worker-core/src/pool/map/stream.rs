//! Results handed out to a task: as a stream, and one by one.
//! Not here: to a thread (`results`).
//! Layer 7: over `run`.
//!
//! A poll does what can be done, and waits for nothing. What a task has not taken stays here, so a future that is
//! dropped loses no result.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::Map;
use super::results::{Ordered, Unordered};
use super::run::{Finished, Run};
use super::task::Task;
use super::timer::Timer;
use crate::actor::{Frontend, Pending};
use crate::errors::ItemError;
use crate::pool::Pool;

/// Of a [`Map`] whose results are awaited: [`Pool::map_async`] and [`Pool::map_unordered_async`].
pub struct Awaited<O> {
    order: O,
    timer: Timer,
}

impl<F, I, C, T, E, O> Map<F, I, C, T, E, Awaited<O>>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    pub(super) fn awaited(pool: &Pool<F>, inputs: I, call: C, order: O) -> Self {
        let run = Run::new(&pool.shared, inputs, call, true);
        let order = Awaited { order, timer: Timer::default() };
        Self { run: Some(run), awaiter: None, refused: None, order }
    }
}

impl<F, I, C, T, E> Map<F, I, C, T, E, Awaited<Ordered<T, E>>>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    fn poll_result(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, ItemError<E>>>> {
        let Some(run) = &mut self.run else { return Poll::Ready(None) };
        let Awaited { order, timer } = &mut self.order;
        let mut task = Task::new(context, timer);
        run.keep_busy(order.held.len(), &mut task);
        loop {
            if let Some(result) = order.take() {
                return Poll::Ready(Some(result));
            }
            match run.poll_advance(order.held.len(), &mut task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(true) => order.hold(run.finished.drain(..)),
                Poll::Ready(false) => {
                    self.run = None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The next result, in the order of the inputs.
    ///
    /// A future that is dropped takes none. If the map lacked a process, it gives up its place in the line.
    pub async fn next_async(&mut self) -> Option<Result<T, ItemError<E>>> {
        let mut asked = Asked::of(self);
        poll_fn(|context| asked.note(|map| map.poll_result(context))).await
    }
}

impl<F, I, C, T, E> Map<F, I, C, T, E, Awaited<Unordered>>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    fn poll_any(&mut self, context: &mut Context<'_>) -> Poll<Option<Finished<T, E>>> {
        let Some(run) = &mut self.run else { return Poll::Ready(None) };
        let mut task = Task::new(context, &mut self.order.timer);
        run.keep_busy(0, &mut task);
        if run.finished.is_empty() {
            match run.poll_advance(0, &mut task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(true) => {}
                Poll::Ready(false) => self.run = None,
            }
        }
        Poll::Ready(self.run.as_mut().and_then(|run| run.finished.pop_front()))
    }

    /// The next result that is ready, with the index of its input.
    ///
    /// A future that is dropped takes none. If the map lacked a process, it gives up its place in the line.
    pub async fn next_async(&mut self) -> Option<(usize, Result<T, ItemError<E>>)> {
        let mut asked = Asked::of(self);
        poll_fn(|context| asked.note(|map| map.poll_any(context))).await
    }
}

/// A map that is asked for a result, until it has given one, or nobody waits for it any more.
struct Asked<'map, F: Frontend, I: Iterator, C, T, E, O> {
    map: &'map mut Map<F, I, C, T, E, O>,
    /// It had none when it was polled last.
    waits: bool,
}

impl<'map, F: Frontend, I: Iterator, C, T, E, O> Asked<'map, F, I, C, T, E, O> {
    fn of(map: &'map mut Map<F, I, C, T, E, O>) -> Self {
        Self { map, waits: false }
    }

    fn note<R>(&mut self, poll: impl FnOnce(&mut Map<F, I, C, T, E, O>) -> Poll<R>) -> Poll<R> {
        let polled = poll(self.map);
        self.waits = polled.is_pending();
        polled
    }
}

impl<F: Frontend, I: Iterator, C, T, E, O> Drop for Asked<'_, F, I, C, T, E, O> {
    fn drop(&mut self) {
        if self.waits
            && let Some(run) = &mut self.map.run
        {
            run.stand_back();
        }
    }
}

#[cfg(feature = "tokio")]
mod streams {
    use std::pin::Pin;

    use super::{Awaited, Context, Frontend, ItemError, Map, Ordered, Pending, Poll, Unordered};

    /// The results in the order of the inputs.
    impl<F, I, C, T, E> futures_core::Stream for Map<F, I, C, T, E, Awaited<Ordered<T, E>>>
    where
        F: Frontend,
        I: Iterator,
        I::Item: Clone,
        C: FnMut(&F, I::Item) -> Pending<T, E>,
    {
        type Item = Result<T, ItemError<E>>;

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.get_mut().poll_result(context)
        }
    }

    /// The results as they are ready, each with the index of its input.
    impl<F, I, C, T, E> futures_core::Stream for Map<F, I, C, T, E, Awaited<Unordered>>
    where
        F: Frontend,
        I: Iterator,
        I::Item: Clone,
        C: FnMut(&F, I::Item) -> Pending<T, E>,
    {
        type Item = (usize, Result<T, ItemError<E>>);

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.get_mut().poll_any(context)
        }
    }
}

impl<O: fmt::Debug> fmt::Debug for Awaited<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Awaited").field("order", &self.order).finish_non_exhaustive()
    }
}
