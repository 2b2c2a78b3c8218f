//! When a process has done its share: after so many calls, with so much memory, at such an age.
//! Not here: what takes its place, and when it goes (`state`).
//! Layer 7: above `process`.

use std::time::Instant;

use super::seat::Seat;
use super::shared::Shared;
use crate::actor::Frontend;
use crate::errors::DepartureReason;

/// Measuring the memory of a process takes at most this part of the time.
const MEASURE_PART: u32 = 100;

impl<F: Frontend> Shared<F> {
    /// Why the process of a seat is to be recycled, if it is. Called at the end of a use, with nothing locked.
    pub(super) fn due_of(&self, seat: &Seat<F>) -> Option<DepartureReason> {
        let options = &self.options;
        if options.max_calls.is_none() && options.max_memory.is_none() && options.max_age.is_none() {
            return None;
        }
        let now = Instant::now();
        let (born, hooks, may_measure) = {
            let mut state = self.state();
            let member = state.member(seat.number)?;
            if member.due.is_some() {
                return None;
            }
            (member.born, member.hooks + seat.hooks, member.memory_look <= now)
        };
        let process = seat.frontend.process();
        if let Some(limit) = options.max_calls {
            // The constructor was the first message.
            let messages = process.lives().with_current(|life| life.client.messages());
            let calls = messages.saturating_sub(1 + hooks);
            if calls >= limit {
                return Some(DepartureReason::Calls(calls));
            }
        }
        let age = now.saturating_duration_since(born);
        if options.max_age.is_some_and(|limit| age >= limit) {
            return Some(DepartureReason::Age(age));
        }
        let limit = options.max_memory.filter(|_| may_measure)?;
        let unique = process.usage().unique;
        let taken = now.elapsed();
        if let Some(member) = self.state().member(seat.number) {
            member.memory_look = now.checked_add(taken * MEASURE_PART).unwrap_or(now);
        }
        (unique > limit).then_some(DepartureReason::Memory(unique))
    }
}
