//! What one process of a map has in hand: items in the order in which they were sent.
//! Not here: which item goes where (`run`).
//! Layer 7: plain data over `seat`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actor::{Frontend, Pending};
use crate::errors::CallError;
use crate::pool::seat::Seat;
use crate::process::Life;

/// An input on its way.
#[derive(Debug)]
pub(super) struct Job<In> {
    pub(super) index: usize,
    pub(super) input: In,
    /// Processes that began it, as far as is known.
    pub(super) begun: u32,
    /// Processes it was sent to.
    pub(super) sent: u32,
}

/// An item that is with a process.
#[derive(Debug)]
pub(super) struct Flight<F: Frontend, In, T, E> {
    pub(super) job: Job<In>,
    pub(super) pending: Pending<T, E>,
    pub(super) seat: Seat<F>,
}

/// One process with its items.
#[derive(Debug)]
pub(super) struct Lane<F: Frontend, In, T, E> {
    pub(super) number: u64,
    pub(super) life: Arc<Life>,
    pub(super) flights: VecDeque<Flight<F, In, T, E>>,
    /// When the first of them began, at the latest: when it was sent, or the one before it was seen to be done.
    pub(super) began: Instant,
    /// It had no room for one more; it may have once an item is done.
    pub(super) is_full: bool,
    /// Its process is ending, or was killed: it is out of service, and how it ended is not known yet.
    pub(super) is_ending: bool,
    /// Index of the item that it was killed for.
    pub(super) late: Option<usize>,
}

/// An item that is over.
pub(super) struct Landed<F: Frontend, In, T, E> {
    pub(super) job: Job<In>,
    pub(super) seat: Seat<F>,
    pub(super) result: Result<T, CallError<E>>,
    /// Its process was killed because of it.
    pub(super) is_late: bool,
}

impl<F: Frontend, In, T, E> Lane<F, In, T, E> {
    pub(super) fn new(number: u64, life: Arc<Life>) -> Self {
        Self {
            number,
            life,
            flights: VecDeque::new(),
            began: Instant::now(),
            is_full: false,
            is_ending: false,
            late: None,
        }
    }

    pub(super) fn push(&mut self, flight: Flight<F, In, T, E>) {
        if self.flights.is_empty() {
            self.began = Instant::now();
        }
        self.flights.push_back(flight);
    }

    /// Moves out every item that is over; gives the mean time that each took, if there is one.
    pub(super) fn land(&mut self, landed: &mut Vec<Landed<F, In, T, E>>) -> Option<Duration> {
        let before = landed.len();
        let mut index = 0;
        while index < self.flights.len() {
            match self.flights[index].pending.take_settled() {
                Some(result) => {
                    // Mostly the first: a backend works on one request after the other, unless it is an async one.
                    let flight = self.flights.remove(index)?;
                    let is_late = self.late == Some(flight.job.index);
                    landed.push(Landed { job: flight.job, seat: flight.seat, result, is_late });
                }
                None => index += 1,
            }
        }
        let count = u32::try_from(landed.len() - before).unwrap_or(u32::MAX);
        if count == 0 {
            return None;
        }
        self.is_full = false;
        let now = Instant::now();
        let taken = now.saturating_duration_since(self.began);
        self.began = now;
        Some(taken / count)
    }
}
