//! Processes that a map has begun because the pool has room for more: it goes on with the others meanwhile.
//! Not here: whether there is room (`state`).
//! Layer 7: over `making`.

use std::sync::Arc;
use std::time::Instant;

use super::watch::Watch;
use crate::actor::Frontend;
use crate::errors::TakeError;
use crate::pool::line::Place;
use crate::pool::place::{Making, Now};
use crate::pool::seat::Seat;
use crate::pool::shared::Shared;
use crate::pool::state::{Choice, PAUSE, Want};

/// What a map needs a process for.
pub(super) struct Need<'map> {
    /// Those that can have no more of this map.
    pub(super) full: &'map [u64],
    /// Inputs that would have a process of their own if there were one, as far as is known.
    pub(super) waiting: usize,
    /// The map has no process at all.
    pub(super) alone: bool,
    /// Its place in the line.
    pub(super) place: Option<Place>,
}

pub(super) struct Beginnings<F: Frontend> {
    shared: Arc<Shared<F>>,
    begun: Vec<Making<F>>,
    /// Why the last one was not made.
    error: Option<TakeError>,
    /// No other is begun until then.
    pause: Option<Instant>,
}

impl<F: Frontend> Beginnings<F> {
    pub(super) fn new(shared: &Arc<Shared<F>>) -> Self {
        Self { shared: Arc::clone(shared), begun: Vec::new(), error: None, pause: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_empty()
    }

    /// What keeps this map from having a process, taken out.
    pub(super) fn take_error(&mut self) -> Option<TakeError> {
        self.pause = None;
        self.error.take()
    }

    /// A process that is there and not `full`; where the pool has room for one more, it is begun, and is there later.
    ///
    /// No more are begun than there are inputs that `wait`: a short map fills no large pool. It is tried again after a
    /// failure only when some time has passed, or this map is `alone` with it, having no process at all.
    pub(super) fn seat(
        &mut self,
        Need { full, waiting, alone, place }: Need<'_>,
        watch: &mut dyn Watch,
    ) -> Option<Seat<F>> {
        let want = Want::Share { full, grows: true };
        if let Some(position) = self.begun.iter().position(Making::is_ready) {
            let making = self.begun.swap_remove(position);
            if let Some((life, _)) = making.waits_for() {
                watch.leave(life);
            }
            match making.finish_now(want) {
                Ok(Now::Serves(seat)) => return self.succeed(seat),
                // A spare that had failed; what is made in its place is waited for next.
                Ok(Now::NotYet(making)) => self.begun.push(making),
                Err(error) => self.fail(error),
            }
        }
        loop {
            self.shared.look_at_spares();
            let want = Want::Share { full, grows: self.begun.len() < waiting };
            match self.shared.choose_now(want, place) {
                Err(error) => {
                    self.fail(error);
                    return None;
                }
                Ok(Choice::Member { number, frontend }) => {
                    return self.succeed(Seat::new(&self.shared, number, frontend, want, false));
                }
                Ok(Choice::Nothing) => return None,
                Ok(Choice::Make) => {
                    // Its error has to be told first, or nothing ever would be.
                    let has_to_tell = alone && self.error.is_some();
                    let spare_only = self.is_paused() && (!alone || has_to_tell);
                    let making = Making::begin(&self.shared, spare_only);
                    match making.and_then(|making| making.finish_now(want)) {
                        Ok(Now::Serves(seat)) => return self.succeed(seat),
                        // Left to the pool.
                        Ok(Now::NotYet(_)) if has_to_tell => return None,
                        Ok(Now::NotYet(making)) => self.begun.push(making),
                        // There is no spare, and nothing may be made: what is there will do.
                        Err(TakeError::Busy) => return self.seat_in_use(full, place),
                        Err(error) => {
                            self.fail(error);
                            return None;
                        }
                    }
                }
            }
        }
    }

    /// A process that others use too.
    fn seat_in_use(&mut self, full: &[u64], place: Option<Place>) -> Option<Seat<F>> {
        let want = Want::Share { full, grows: false };
        match self.shared.choose_now(want, place).ok()? {
            Choice::Member { number, frontend } => {
                self.succeed(Seat::new(&self.shared, number, frontend, want, false))
            }
            Choice::Make | Choice::Nothing => None,
        }
    }

    /// Asks to be woken when one of them is ready; `true` if one is.
    pub(super) fn ask(&mut self, watch: &mut dyn Watch) -> bool {
        let asked = self.begun.iter().try_fold(false, |is_ready, making| match making.waits_for() {
            Some((life, ticket)) => watch.ask(life, ticket).map(|ready| ready || is_ready),
            None => Ok(true),
        });
        asked.unwrap_or_else(|error| {
            // Nobody would say when they are ready: they are left to the pool.
            self.begun.clear();
            self.fail(TakeError::Spawn(error.to_string()));
            true
        })
    }

    /// Leaves what is begun to the pool, where the next one who needs a process goes on with it.
    pub(super) fn leave(&mut self) {
        self.begun.clear();
    }

    fn is_paused(&self) -> bool {
        self.pause.is_some_and(|until| Instant::now() < until)
    }

    fn succeed(&mut self, seat: Seat<F>) -> Option<Seat<F>> {
        self.error = None;
        Some(seat)
    }

    fn fail(&mut self, error: TakeError) {
        self.error = Some(error);
        self.pause = Instant::now().checked_add(PAUSE);
    }
}
