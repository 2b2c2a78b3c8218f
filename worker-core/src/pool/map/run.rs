//! The work of a map: inputs to processes, results back, for the thread or the task that asks for results.
//! Not here: in what order they are handed out (`results`), what goes out (`feeding`) and comes back (`landing`), and waiting (`awaiter`, `task`).
//! Layer 7: over `lane`.
//!
//! * M1: every input is in one place: not yet taken, in `again`, with a process, or landed with a result. So none is
//!   lost, and none has two results.
//! * M2: an item whose process died is charged with it if the process had begun it, and sent to another if not. A
//!   process begins one request after the other, and notes which; so a crash costs one item.
//! * M3: nothing but results, a process that is ready, and deadlines is waited for while an item is with a process. So
//!   a slow constructor, a process without room, or one that takes its time to end keeps no other from its work.
//! * M4: who lacks a process stands where it is told of one before it looks the last time (`standing`). So what
//!   becomes free in between is not slept through.
//! * M5: it stands in the line only while somebody waits for its results, and gives its place up when a future that
//!   waited is dropped. So nobody stands behind a map that may never be asked again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::awaiter::Awaiter;
use super::begin::Beginnings;
use super::lane::{Flight, Job, Landed, Lane};
use super::options::{Progress, RunOptions};
use super::standing::{Standing, Where};
use super::task::Task;
use super::watch::Watch;
use crate::actor::{Frontend, Pending};
use crate::errors::{CallError, EncodeError, ItemError};
use crate::pool::shared::Shared;

/// What an item came to.
pub(super) type Finished<T, E> = (usize, Result<T, ItemError<E>>);

/// Items with one process: at least so many, that it need not wait for the next one, and at most.
pub(super) const DEPTH: (usize, usize) = (2, 64);
/// Longest time that replies are left to gather.
const GATHER: Duration = Duration::from_micros(500);

pub(super) struct Run<F: Frontend, I: Iterator, C, T, E> {
    pub(super) shared: Arc<Shared<F>>,
    pub(super) options: RunOptions,
    pub(super) inputs: I,
    pub(super) call: C,
    /// The inputs have come to their end.
    pub(super) is_over: bool,
    pub(super) next_index: usize,
    /// Items that are to be sent another time, first to come first.
    pub(super) again: VecDeque<Job<I::Item>>,
    pub(super) lanes: Vec<Lane<F, I::Item, T, E>>,
    /// Numbers of those that take no more; kept for its memory.
    pub(super) full: Vec<u64>,
    pub(super) beginnings: Beginnings<F>,
    pub(super) standing: Standing<F>,
    /// There is something to send, and no process for it.
    lacks_process: bool,
    pub(super) landed: Vec<Landed<F, I::Item, T, E>>,
    pub(super) finished: VecDeque<Finished<T, E>>,
    /// Mean time of an item, of late.
    pub(super) pace: Option<Duration>,
    pub(super) progress: Progress,
    pub(super) last_look: Instant,
    /// Some item is over since replies were last left to gather.
    pub(super) has_landed: bool,
    /// Tasks ask for results: what would keep a thread waiting is done aside.
    pub(super) is_awaited: bool,
}

impl<F: Frontend, I: Iterator, C, T, E> Run<F, I, C, T, E> {
    /// Keeps nothing that others may need: nobody waits for results any more, and perhaps nobody will again (M5).
    pub(super) fn stand_back(&mut self) {
        self.standing.leave();
        self.beginnings.leave();
    }
}

impl<F, I, C, T, E> Run<F, I, C, T, E>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
    pub(super) fn new(shared: &Arc<Shared<F>>, inputs: I, call: C, is_awaited: bool) -> Self {
        let total = match inputs.size_hint() {
            (least, Some(most)) if least == most => Some(most),
            _ => None,
        };
        Self {
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
            standing: Standing::new(shared),
            lacks_process: false,
            landed: Vec::new(),
            finished: VecDeque::new(),
            pace: None,
            progress: Progress { done: 0, failed: 0, deaths: 0, total },
            last_look: Instant::now(),
            has_landed: false,
            is_awaited,
        }
    }

    /// Works until an item is finished, with at most `held` more results waiting to be handed out; `false` at the end.
    pub(super) fn advance(&mut self, held: usize, awaiter: &mut Awaiter) -> bool {
        loop {
            if let Some(goes_on) = self.step(held, awaiter) {
                return goes_on;
            }
            let deadline = self.next_deadline();
            // Not twice in vain: while replies gather nobody sees an end.
            if let (true, Some(time)) = (std::mem::take(&mut self.has_landed), self.time_to_gather()) {
                let until = Instant::now() + time;
                awaiter.rest(deadline.map_or(until, |deadline| deadline.min(until)));
            } else if !self.ask(awaiter) {
                awaiter.sleep(deadline);
            }
        }
    }

    /// As [`Run::advance`], for a task.
    pub(super) fn poll_advance(&mut self, held: usize, task: &mut Task<'_, '_>) -> Poll<bool> {
        loop {
            if let Some(goes_on) = self.step(held, task) {
                return Poll::Ready(goes_on);
            }
            if !self.ask(task) && !task.is_due(self.next_deadline()) {
                return Poll::Pending;
            }
        }
    }

    /// Sees to it that the processes have something to do while results are handed out.
    pub(super) fn keep_busy(&mut self, held: usize, watch: &mut dyn Watch) {
        if self.last_look.elapsed() >= GATHER {
            self.turn(held, watch);
        }
    }

    /// Does what can be done now: `true` if an item is finished, `false` at the end, nothing if there is to wait.
    fn step(&mut self, held: usize, watch: &mut dyn Watch) -> Option<bool> {
        self.turn(held, watch);
        if !self.finished.is_empty() {
            return Some(true);
        }
        if !self.lanes.is_empty() || self.lacks_process && !self.beginnings.is_empty() {
            return None;
        }
        if !self.lacks_process {
            return Some(false);
        }
        // Nobody else would come to tell.
        let error = self.beginnings.take_error()?;
        // Whoever is told of it may never ask again, and must keep nobody behind it from its turn.
        self.standing.leave();
        self.fail(error);
        Some(!self.finished.is_empty())
    }

    /// Takes in what has come, and sends what there is room for.
    fn turn(&mut self, held: usize, watch: &mut dyn Watch) {
        let shared = Arc::clone(&self.shared);
        let mut chores = Vec::new();
        self.collect(watch, &shared, &mut chores);
        self.lacks_process = self.feed(held, watch);
        // Only now, while the processes have something to do.
        drop(chores);
    }

    /// Asks to be woken when there is something to do; `true` if there is already.
    fn ask(&mut self, watch: &mut dyn Watch) -> bool {
        // Where there is nothing to send, another process would be no news.
        if self.lacks_process {
            let wanted = if self.lanes.is_empty() && self.beginnings.is_empty() {
                Where::InLine
            } else {
                Where::Beside
            };
            // Told of it from now on, it looks once more (M4).
            if self.standing.stand(wanted, watch.waker()) || self.beginnings.ask(watch) {
                return true;
            }
        }
        let mut is_ready = false;
        for index in 0..self.lanes.len() {
            is_ready |= self.ask_lane(index, watch);
        }
        is_ready
    }

    /// Asks to be woken for the first item of a process alone: while anybody waits, a ring tells of every reply.
    fn ask_lane(&mut self, index: usize, watch: &mut dyn Watch) -> bool {
        let lane = &mut self.lanes[index];
        let Some(flight) = lane.flights.front_mut() else { return true };
        if flight.pending.poll_left(&Context::from_waker(watch.waker())).is_pending() {
            return false;
        }
        let Some((life, ticket)) = flight.pending.in_flight() else { return true };
        match watch.ask(life, ticket) {
            Ok(is_ready) => is_ready,
            Err(error) => {
                // Nobody would say when it is done.
                let Some(Flight { job, seat, pending }) = lane.flights.pop_front() else { return true };
                drop(pending);
                let result = Err(CallError::Encode(EncodeError::new::<T>(error)));
                self.settle(Landed { job, seat, result, is_late: false }, None);
                true
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let limit = self.options.deadline?;
        let waited_for = self.lanes.iter().filter(|lane| !lane.is_ending);
        waited_for.filter_map(|lane| lane.began.checked_add(limit)).min()
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
