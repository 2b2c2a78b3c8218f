//! What comes back to a map: results, deaths, and items that take too long.
//! Not here: sending, and waiting (`run`).
//! Layer 7: over `lane`.

use std::time::{Duration, Instant};

use super::lane::{Job, Landed};
use super::run::Run;
use super::watch::Watch;
use crate::actor::{Frontend, Pending};
use crate::calls::aside;
use crate::errors::{CallError, DepartureReason, ItemError, PoolError, TakeError};
use crate::pool::shared::{Chores, Shared};

/// Processes that an item is sent to at most, if all die before they begin it.
const SENT_MAX: u32 = 16;

impl<F, I, C, T, E> Run<F, I, C, T, E>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    /// Takes in what has come, and ends what is too late. What can wait is left in `chores`.
    pub(super) fn collect<'shared>(
        &mut self,
        watch: &mut dyn Watch,
        shared: &'shared Shared<F>,
        chores: &mut Vec<Chores<'shared, F>>,
    ) {
        self.last_look = Instant::now();
        let mut landed = std::mem::take(&mut self.landed);
        for lane in &mut self.lanes {
            lane.life.client.take_in_now();
            if let Some(pace) = lane.land(&mut landed) {
                let mean = self.pace.map_or(pace, |mean| (3 * mean + pace) / 4);
                self.pace = Some(mean);
                self.has_landed = true;
            }
            if !lane.is_ending && !lane.flights.is_empty() && watch.is_ending(&lane.life) {
                // Another one takes its place while its end is told.
                lane.is_ending = true;
                chores.extend(shared.retire(lane.number));
            }
        }
        if let Some(limit) = self.options.deadline {
            self.end_late_ones(limit, &mut landed, shared, chores);
        }
        for landed in landed.drain(..) {
            self.settle(landed, Some((shared, &mut *chores)));
        }
        self.landed = landed;
        self.lanes.retain(|lane| {
            let is_used = !lane.flights.is_empty();
            if !is_used {
                watch.leave(&lane.life);
            }
            is_used
        });
    }

    /// Ends each process whose first item takes too long: that item has its error, the others go elsewhere (M2).
    ///
    /// Its end is not waited for (M3). What it replies until then is taken, also to that item.
    fn end_late_ones<'shared>(
        &mut self,
        limit: Duration,
        landed: &mut Vec<Landed<F, I::Item, T, E>>,
        shared: &'shared Shared<F>,
        chores: &mut Vec<Chores<'shared, F>>,
    ) {
        let now = Instant::now();
        for lane in &mut self.lanes {
            let Some(first) = lane.flights.front() else { continue };
            if lane.is_ending || now.saturating_duration_since(lane.began) < limit {
                continue;
            }
            if lane.life.body.kill().is_ok() {
                lane.late = Some(first.job.index);
                lane.is_ending = true;
                chores.extend(shared.retire(lane.number));
            } else if let Some(late) = lane.flights.pop_front() {
                // A thread: it works on, for nobody.
                late.seat.condemn(DepartureReason::Stuck(limit));
                let result = Err(CallError::TimedOut { killed: false });
                landed.push(Landed { job: late.job, seat: late.seat, result, is_late: false });
            }
        }
    }

    /// Decides what becomes of an item that came back.
    pub(super) fn settle<'shared>(
        &mut self,
        landed: Landed<F, I::Item, T, E>,
        later: Option<(&'shared Shared<F>, &mut Vec<Chores<'shared, F>>)>,
    ) {
        let Landed { mut job, seat, result, is_late } = landed;
        let condemn = |exit| {
            let reason = DepartureReason::Ended(exit);
            match later {
                Some((shared, chores)) => chores.extend(shared.condemn(seat.number, reason)),
                None => seat.condemn(reason),
            }
        };
        match result {
            Err(CallError::NotSent(exit) | CallError::Exited(exit)) if is_late => {
                job.begun += 1;
                self.progress.deaths += 1;
                condemn(exit);
                drop(seat);
                self.finish(job, Err(PoolError::Call(CallError::TimedOut { killed: true })));
            }
            Err(CallError::NotSent(exit)) => {
                condemn(exit.clone());
                drop(seat);
                if job.sent < SENT_MAX {
                    self.send_again(job);
                } else {
                    self.finish(job, Err(PoolError::Call(CallError::NotSent(exit))));
                }
            }
            Err(CallError::Exited(exit)) => {
                job.begun += 1;
                self.progress.deaths += 1;
                condemn(exit.clone());
                drop(seat);
                if job.begun <= self.options.idempotent {
                    self.send_again(job);
                } else {
                    self.finish(job, Err(PoolError::Call(CallError::Exited(exit))));
                }
            }
            Err(error) => {
                job.begun += 1;
                if matches!(error, CallError::TimedOut { killed: true }) {
                    self.progress.deaths += 1;
                }
                drop(seat);
                self.finish(job, Err(PoolError::Call(error)));
            }
            Ok(value) => {
                job.begun += 1;
                drop(seat);
                self.finish(job, Ok(value));
            }
        }
    }

    /// The earliest input first, which a map in order waits for.
    fn send_again(&mut self, job: Job<I::Item>) {
        let place = self.again.partition_point(|other| other.index < job.index);
        self.again.insert(place, job);
    }

    fn finish(&mut self, job: Job<I::Item>, result: Result<T, PoolError<E>>) {
        let Job { index, begun: attempts, .. } = job;
        self.progress.done += 1;
        if result.is_err() {
            self.progress.failed += 1;
        }
        let result = result.map_err(|error| ItemError { index, attempts, error });
        self.finished.push_back((index, result));
        if let Some(listener) = &mut self.options.on_progress {
            listener(&self.progress);
        }
    }

    /// Nobody can take the next item; the one behind it may have more luck.
    pub(super) fn fail(&mut self, error: TakeError) {
        if let Some(job) = self.again.pop_front().or_else(|| self.next_job()) {
            self.finish(job, Err(PoolError::Take(error.clone())));
        }
        if error == TakeError::Stopped {
            // There will be no luck any more.
            self.is_over = true;
            while let Some(job) = self.again.pop_front() {
                self.finish(job, Err(PoolError::Take(TakeError::Stopped)));
            }
        }
    }
}

impl<F: Frontend, I: Iterator, C, T, E> Drop for Run<F, I, C, T, E> {
    fn drop(&mut self) {
        let mut ending = Vec::new();
        for lane in &mut self.lanes {
            if self.options.kill_on_drop && !lane.is_ending && lane.life.body.kill().is_ok() {
                lane.is_ending = true;
                self.shared.retire(lane.number);
            }
            if lane.is_ending {
                ending.extend(lane.flights.drain(..).map(|flight| flight.seat));
            }
        }
        // The last use of a process that is ending waits for how it ends, which is told.
        if self.is_awaited && !ending.is_empty() {
            aside("worker-end", move || drop(ending));
        }
    }
}
