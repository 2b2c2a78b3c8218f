//! The work of a map: inputs to processes, results back, on the thread that asks for results.
//! Not here: in what order they are handed out (`mod`), and waiting (`awaiter`).
//! Layer 7: over `lane`.
//!
//! * M1: every input is in one place: not yet taken, in `again`, with a process, or landed with a result. So none is
//!   lost, and none has two results.
//! * M2: an item whose process died is charged with it if the process had begun it, and sent to another if not. A
//!   process begins one request after the other, and notes which; so a crash costs one item.
//! * M3: nothing but results, a process that is ready, and deadlines is waited for while an item is with a process. So
//!   a slow constructor, or a process without room, keeps no other from its work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::awaiter::Awaiter;
use super::begin::Beginnings;
use super::lane::{Flight, Job, Landed, Lane};
use super::options::{Progress, RunOptions};
use crate::actor::room::{self, Room};
use crate::actor::{Frontend, Pending};
use crate::errors::{CallError, DepartureReason, ItemError, PoolError, TakeError};
use crate::pool::seat::Seat;
use crate::pool::shared::{Patience, Shared};
use crate::pool::state::Want;
use crate::process::Life;

/// What an item came to.
pub(super) type Finished<T, E> = (usize, Result<T, ItemError<E>>);

/// Processes that an item is sent to at most, if all die before they begin it.
const SENT_MAX: u32 = 16;
/// Time that the items of one process should last, so that neither side waits for the other.
const QUEUE_TIME: Duration = Duration::from_millis(1);
/// Items with one process: at least so many, that it need not wait for the next one, and at most.
const DEPTH: (usize, usize) = (2, 64);
/// Longest time that replies are left to gather.
const GATHER: Duration = Duration::from_micros(500);

pub(super) struct Run<F: Frontend, I: Iterator, C, T, E> {
    shared: Arc<Shared<F>>,
    pub(super) options: RunOptions,
    inputs: I,
    call: C,
    /// The inputs have come to their end.
    is_over: bool,
    next_index: usize,
    /// Items that are to be sent another time, first to come first.
    again: VecDeque<Job<I::Item>>,
    lanes: Vec<Lane<F, I::Item, T, E>>,
    /// Numbers of those that take no more; kept for its memory.
    full: Vec<u64>,
    beginnings: Beginnings<F>,
    awaiter: Awaiter,
    landed: Vec<Landed<F, I::Item, T, E>>,
    pub(super) finished: VecDeque<Finished<T, E>>,
    /// Mean time of an item, of late.
    pace: Option<Duration>,
    progress: Progress,
    last_look: Instant,
    /// Some item is over since replies were last left to gather.
    has_landed: bool,
}

impl<F, I, C, T, E> Run<F, I, C, T, E>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    pub(super) fn new(shared: &Arc<Shared<F>>, inputs: I, call: C) -> std::io::Result<Self> {
        let total = match inputs.size_hint() {
            (least, Some(most)) if least == most => Some(most),
            _ => None,
        };
        Ok(Self {
            shared: Arc::clone(shared),
            options: RunOptions::default(),
            inputs,
            call,
            is_over: false,
            next_index: 0,
            again: VecDeque::new(),
            lanes: Vec::new(),
            full: Vec::new(),
            beginnings: Beginnings::new(shared),
            awaiter: Awaiter::new()?,
            landed: Vec::new(),
            finished: VecDeque::new(),
            pace: None,
            progress: Progress { done: 0, failed: 0, deaths: 0, total },
            last_look: Instant::now(),
            has_landed: false,
        })
    }

    /// Works until an item is finished, with at most `held` more results waiting to be handed out; `false` at the end.
    pub(super) fn advance(&mut self, held: usize) -> bool {
        loop {
            self.collect();
            let lacks_process = self.feed(held);
            if !self.finished.is_empty() {
                return true;
            }
            if !self.lanes.is_empty() || lacks_process && !self.beginnings.is_empty() {
                self.wait(lacks_process);
            } else if lacks_process {
                self.wait_for_process();
            } else {
                return false;
            }
        }
    }

    /// Sees to it that the processes have something to do while results are handed out.
    pub(super) fn keep_busy(&mut self, held: usize) {
        if self.last_look.elapsed() >= GATHER {
            self.collect();
            self.feed(held);
        }
    }

    /// Items with one process at a time.
    fn depth(&self) -> usize {
        self.options.in_flight.unwrap_or_else(|| {
            let pace = self.pace.map_or(QUEUE_TIME, |pace| pace.max(Duration::from_nanos(1)));
            let items = QUEUE_TIME.as_nanos() / pace.as_nanos();
            usize::try_from(items).unwrap_or(DEPTH.1).clamp(DEPTH.0, DEPTH.1)
        })
    }

    /// Whether a process may have more than one item: only where it is known afterwards which of them it began.
    fn may_queue(&self, life: &Life) -> bool {
        life.client.knows_what_was_begun() && (self.options.deadline.is_none() || life.body.can_be_killed())
    }

    /// Sends inputs as long as results are wanted and there are processes for them; says whether it lacks a process.
    fn feed(&mut self, held: usize) -> bool {
        let depth = self.depth();
        let look_ahead = self
            .options
            .look_ahead
            .unwrap_or(self.shared.options.max.saturating_mul(depth).saturating_mul(4));
        let mut in_hand: usize = self.lanes.iter().map(|lane| lane.flights.len()).sum();
        while in_hand + self.again.len() + self.finished.len() + held < look_ahead || !self.again.is_empty() {
            // Before the input is taken, which may be dear, or never come.
            if self.is_over && self.again.is_empty() {
                return false;
            }
            let Some(seat) = self.seat(depth) else { return true };
            let job = self.again.pop_front().or_else(|| self.next_job());
            let Some(job) = job else { return false };
            in_hand += usize::from(self.send(seat, job));
        }
        false
    }

    fn next_job(&mut self) -> Option<Job<I::Item>> {
        let input = self.inputs.next();
        let Some(input) = input else {
            self.is_over = true;
            return None;
        };
        let index = self.next_index;
        self.next_index += 1;
        Some(Job { index, input, begun: 0, sent: 0 })
    }

    /// A process that can take one more item, without waiting for one (M3).
    fn seat(&mut self, depth: usize) -> Option<Seat<F>> {
        let mut full = std::mem::take(&mut self.full);
        full.clear();
        let is_full = |lane: &&Lane<_, _, _, _>| {
            lane.is_full || lane.flights.len() >= depth || !self.may_queue(&lane.life)
        };
        full.extend(self.lanes.iter().filter(is_full).map(|lane| lane.number));
        let seat = self.beginnings.seat(Want::Share { full: &full }, &mut self.awaiter);
        self.full = full;
        seat
    }

    /// Sends an item; `false` if the process had no room for it.
    fn send(&mut self, seat: Seat<F>, mut job: Job<I::Item>) -> bool {
        let number = seat.number;
        let position = self.lanes.iter().position(|lane| lane.number == number);
        // Behind another item there is no waiting for room: that would be waiting for that item.
        let room = match position {
            Some(_) => Room::None,
            None => {
                Room::Until(self.options.deadline.and_then(|deadline| Instant::now().checked_add(deadline)))
            }
        };
        let (call, frontend) = (&mut self.call, &seat.frontend);
        let mut pending = room::with(room, || call(frontend, job.input.clone()));
        let life = pending.in_flight().map(|(life, _)| Arc::clone(life));
        let Some(life) = life else {
            // It did not leave.
            let result = pending.take_settled().or_else(|| pending.wait_until(None));
            if let (Some(position), Some(Err(CallError::NotSentInTime { killed: false }))) =
                (position, &result)
            {
                self.lanes[position].is_full = true;
                self.again.push_front(job);
                return false;
            }
            job.sent += 1;
            if let Some(result) = result {
                self.settle(Landed { job, seat, result });
            }
            return true;
        };
        job.sent += 1;
        let flight = Flight { job, pending, seat };
        match position {
            Some(position) => self.lanes[position].push(flight),
            None => {
                let mut lane = Lane::new(number, life);
                lane.push(flight);
                self.lanes.push(lane);
            }
        }
        true
    }

    /// Takes in what has come, and ends what is too late.
    fn collect(&mut self) {
        self.last_look = Instant::now();
        let mut landed = std::mem::take(&mut self.landed);
        for lane in &mut self.lanes {
            Awaiter::take_in(&lane.life);
            if let Some(pace) = lane.land(&mut landed) {
                let mean = self.pace.map_or(pace, |mean| (3 * mean + pace) / 4);
                self.pace = Some(mean);
                self.has_landed = true;
            }
        }
        if let Some(limit) = self.options.deadline {
            self.end_late_ones(limit, &mut landed);
        }
        for landed in landed.drain(..) {
            self.settle(landed);
        }
        self.landed = landed;
        let awaiter = &mut self.awaiter;
        self.lanes.retain(|lane| {
            let is_used = !lane.flights.is_empty();
            if !is_used {
                awaiter.leave(&lane.life);
            }
            is_used
        });
    }

    /// Ends each process whose first item takes too long: that item has its error, the others go elsewhere (M2).
    fn end_late_ones(&mut self, limit: Duration, landed: &mut Vec<Landed<F, I::Item, T, E>>) {
        let now = Instant::now();
        for lane in &mut self.lanes {
            if lane.flights.is_empty() || now.saturating_duration_since(lane.began) < limit {
                continue;
            }
            let killed = lane.life.body.kill().is_ok();
            let Some(late) = lane.flights.pop_front() else { continue };
            if killed {
                // What it had replied is taken in, and the rest is known to have been begun or not.
                lane.life.client.wait_death(None);
                lane.life.body.announce();
                let exit = lane.life.body.wait();
                late.seat.condemn(DepartureReason::Ended(exit));
                lane.land(landed);
            } else {
                // A thread: it works on, for nobody.
                late.seat.condemn(DepartureReason::Stuck(limit));
            }
            let result = Err(CallError::TimedOut { killed });
            landed.push(Landed { job: late.job, seat: late.seat, result });
        }
    }

    /// Decides what becomes of an item that came back.
    fn settle(&mut self, landed: Landed<F, I::Item, T, E>) {
        let Landed { mut job, seat, result } = landed;
        match result {
            Err(CallError::NotSent(exit)) => {
                seat.condemn(DepartureReason::Ended(exit.clone()));
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
                seat.condemn(DepartureReason::Ended(exit.clone()));
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

    /// Waits until a process is there, while this map has none at all.
    fn wait_for_process(&mut self) {
        let want = Want::Share { full: &[] };
        let error = match self.beginnings.take_error() {
            Some(error) => error,
            None => match self.shared.seat(want, Patience::Forever) {
                Ok(seat) => {
                    if let Some(job) = self.again.pop_front().or_else(|| self.next_job()) {
                        self.send(seat, job);
                    }
                    return;
                }
                Err(error) => error,
            },
        };
        // Nobody can take this item; the next one may have more luck.
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

    /// Waits until there is something to do.
    fn wait(&mut self, lacks_process: bool) {
        let deadline = self.next_deadline();
        // Not twice in vain: while replies gather nobody sees an end.
        if let (true, Some(time)) = (std::mem::take(&mut self.has_landed), self.time_to_gather()) {
            let until = Instant::now() + time;
            self.awaiter.rest(deadline.map_or(until, |deadline| deadline.min(until)));
            return;
        }
        // Where there is nothing to send, another process would be no news.
        let place = lacks_process.then(|| self.shared.state().line.listen(self.awaiter.waker()));
        let mut is_ready = lacks_process && self.beginnings.ask(&mut self.awaiter);
        for lane in &self.lanes {
            // The first alone: while anybody waits, a ring tells of every reply.
            if let Some((life, ticket)) = lane.flights.front().and_then(|flight| flight.pending.in_flight()) {
                is_ready |= self.awaiter.ask(life, ticket);
            }
        }
        if !is_ready {
            self.awaiter.sleep(deadline);
        }
        if let Some(place) = place {
            self.shared.state().line.stop_listening(place);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let limit = self.options.deadline?;
        self.lanes.iter().filter_map(|lane| lane.began.checked_add(limit)).min()
    }

    /// How long every process is busy in any case: to be woken for each short item would cost more than the item.
    fn time_to_gather(&self) -> Option<Duration> {
        let queued = self.lanes.iter().map(|lane| lane.flights.len()).min()?;
        if queued <= DEPTH.0 || self.lanes.len() < self.shared.options.max {
            return None;
        }
        let queued = u32::try_from(queued / 2).ok()?;
        Some((self.pace? * queued).min(GATHER))
    }
}

impl<F: Frontend, I: Iterator, C, T, E> Drop for Run<F, I, C, T, E> {
    fn drop(&mut self) {
        if !self.options.kill_on_drop {
            return;
        }
        for lane in &self.lanes {
            if let (Some(flight), true) = (lane.flights.front(), lane.life.body.kill().is_ok()) {
                lane.life.client.wait_death(None);
                flight.seat.condemn(DepartureReason::Ended(lane.life.body.wait()));
            }
        }
    }
}
