//! The work of a map: inputs to processes, results back, for the thread or the task that asks for results.
//! Not here: in what order they are handed out (`results`), what comes back (`landing`), and waiting (`awaiter`, `task`).
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
use super::begin::{Beginnings, Need};
use super::lane::{Flight, Job, Landed, Lane};
use super::options::{Progress, RunOptions};
use super::standing::{Standing, Where};
use super::task::Task;
use super::watch::Watch;
use crate::actor::room::{self, Room};
use crate::actor::{Frontend, Pending, Whereabouts};
use crate::errors::{CallError, EncodeError, ItemError};
use crate::pool::seat::Seat;
use crate::pool::shared::Shared;
use crate::process::Life;

/// What an item came to.
pub(super) type Finished<T, E> = (usize, Result<T, ItemError<E>>);

/// Time that the items of one process should last, so that neither side waits for the other.
const QUEUE_TIME: Duration = Duration::from_millis(1);
/// Items with one process: at least so many, that it need not wait for the next one, and at most.
const DEPTH: (usize, usize) = (2, 64);
/// Longest time that replies are left to gather.
const GATHER: Duration = Duration::from_micros(500);

pub(super) struct Run<F: Frontend, I: Iterator, C, T, E> {
    pub(super) shared: Arc<Shared<F>>,
    pub(super) options: RunOptions,
    inputs: I,
    call: C,
    /// The inputs have come to their end.
    pub(super) is_over: bool,
    next_index: usize,
    /// Items that are to be sent another time, first to come first.
    pub(super) again: VecDeque<Job<I::Item>>,
    pub(super) lanes: Vec<Lane<F, I::Item, T, E>>,
    /// Numbers of those that take no more; kept for its memory.
    full: Vec<u64>,
    beginnings: Beginnings<F>,
    standing: Standing<F>,
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
    fn feed(&mut self, held: usize, watch: &mut dyn Watch) -> bool {
        let depth = self.depth();
        let look_ahead = self
            .options
            .look_ahead
            .unwrap_or(self.shared.options.max.saturating_mul(depth).saturating_mul(4));
        let mut in_hand: usize = self.lanes.iter().map(|lane| lane.flights.len()).sum();
        while in_hand + self.again.len() + self.finished.len() + held < look_ahead || !self.again.is_empty() {
            // Before the input is taken, which may be dear, or never come.
            if self.is_over && self.again.is_empty() {
                break;
            }
            // Nor is a process waited for that would have nothing to do.
            if self.again.is_empty() && self.inputs.size_hint().1 == Some(0) {
                match self.next_job() {
                    Some(job) => self.again.push_back(job),
                    None => break,
                }
            }
            let Some(seat) = self.seat(depth, watch) else { return true };
            // It has one now, so it stands nowhere.
            self.standing.leave();
            let job = self.again.pop_front().or_else(|| self.next_job());
            let Some(job) = job else { break };
            in_hand += usize::from(self.send(seat, job));
        }
        self.standing.leave();
        false
    }

    pub(super) fn next_job(&mut self) -> Option<Job<I::Item>> {
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
    fn seat(&mut self, depth: usize, watch: &mut dyn Watch) -> Option<Seat<F>> {
        let mut full = std::mem::take(&mut self.full);
        full.clear();
        let is_full = |lane: &&Lane<_, _, _, _>| {
            lane.is_full || lane.is_ending || lane.flights.len() >= depth || !self.may_queue(&lane.life)
        };
        full.extend(self.lanes.iter().filter(is_full).map(|lane| lane.number));
        let need = Need {
            full: &full,
            waiting: self.waiting().max(usize::from(self.lanes.is_empty())),
            alone: self.lanes.is_empty(),
            place: self.standing.in_line(),
        };
        let seat = self.beginnings.seat(need, watch);
        self.full = full;
        seat
    }

    /// Inputs that are behind others, or are known to come: so many more processes would have something to do.
    fn waiting(&self) -> usize {
        let behind: usize = self.lanes.iter().map(|lane| lane.flights.len().saturating_sub(1)).sum();
        let to_come = match self.inputs.size_hint() {
            (_, Some(0)) => 0,
            _ if self.is_over => 0,
            (least, _) => least.max(1),
        };
        to_come.saturating_add(behind + self.again.len())
    }

    /// Sends an item; `false` if the process had no room for it.
    fn send(&mut self, seat: Seat<F>, mut job: Job<I::Item>) -> bool {
        let number = seat.number;
        let position = self.lanes.iter().position(|lane| lane.number == number);
        // Behind another item there is no waiting for room: that would be waiting for that item.
        let room = match position {
            Some(_) => Room::None,
            None if self.is_awaited => Room::Later,
            None => {
                Room::Until(self.options.deadline.and_then(|deadline| Instant::now().checked_add(deadline)))
            }
        };
        let (call, frontend) = (&mut self.call, &seat.frontend);
        let mut pending = room::with(room, || call(frontend, job.input.clone()));
        let life = match pending.whereabouts() {
            Whereabouts::InFlight(life, _) => life,
            Whereabouts::Departing(_) if self.is_awaited => seat.frontend.process().lives().current(),
            Whereabouts::Departing(_) | Whereabouts::Done => {
                let result = pending.wait_until(None);
                let result = result.expect("`wait_timeout` has given the result of this call already");
                if let (Some(position), Err(CallError::NotSentInTime { killed: false })) = (position, &result)
                {
                    self.lanes[position].is_full = true;
                    self.again.push_front(job);
                    return false;
                }
                job.sent += 1;
                self.settle(Landed { job, seat, result, is_late: false }, None);
                return true;
            }
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
