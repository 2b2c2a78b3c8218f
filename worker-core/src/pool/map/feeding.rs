//! What goes out of a map: which input is sent to which process, and when.
//! Not here: what comes back (`landing`), and waiting (`run`).
//! Layer 7: over `lane`.

use std::time::{Duration, Instant};

use super::begin::Need;
use super::lane::{Flight, Job, Landed, Lane};
use super::run::{DEPTH, Run};
use super::watch::Watch;
use crate::actor::room::{self, Room};
use crate::actor::{Frontend, Pending, Whereabouts};
use crate::errors::CallError;
use crate::pool::seat::Seat;
use crate::process::Life;

/// Time that the items of one process should last, so that neither side waits for the other.
const QUEUE_TIME: Duration = Duration::from_millis(1);

impl<F, I, C, T, E> Run<F, I, C, T, E>
where
    F: Frontend,
    I: Iterator,
    I::Item: Clone,
    C: FnMut(&F, I::Item) -> Pending<T, E>,
{
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
    pub(super) fn feed(&mut self, held: usize, watch: &mut dyn Watch) -> bool {
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
}
