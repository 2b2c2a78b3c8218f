//! Processes that a map has begun because the pool has room for more: it goes on with the others meanwhile.
//! Not here: whether there is room (`state`).
//! Layer 7: over `making`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::awaiter::Awaiter;
use crate::actor::Frontend;
use crate::errors::TakeError;
use crate::pool::place::Making;
use crate::pool::seat::Seat;
use crate::pool::shared::{Patience, Shared};
use crate::pool::state::{Choice, Want};

/// Time without another try after a process could not be made.
const PAUSE: Duration = Duration::from_millis(100);

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

    /// A process that is there; where the pool has room for one more, it is begun, and is there later.
    pub(super) fn seat(&mut self, want: Want<'_>, awaiter: &mut Awaiter) -> Option<Seat<F>> {
        if let Some(position) = self.begun.iter().position(Making::is_ready) {
            let making = self.begun.swap_remove(position);
            if let Some((life, _)) = making.waits_for() {
                awaiter.leave(life);
            }
            match making.finish(want, Some(Instant::now())) {
                Ok(seat) => return self.succeed(seat),
                Err(error) => self.fail(error),
            }
        }
        loop {
            self.shared.look_at_spares();
            match self.shared.choose(want, Patience::None).ok()? {
                Choice::Member { number, frontend } => {
                    return self.succeed(Seat::new(&self.shared, number, frontend, want, false));
                }
                Choice::Nothing => return None,
                Choice::Make => {
                    let made = Making::begin(&self.shared, self.is_paused()).and_then(|making| {
                        if making.is_ready() {
                            return making.finish(want, Some(Instant::now())).map(Some);
                        }
                        self.begun.push(making);
                        Ok(None)
                    });
                    match made {
                        Ok(Some(seat)) => return self.succeed(seat),
                        Ok(None) => {}
                        Err(error) => {
                            self.fail(error);
                            return None;
                        }
                    }
                }
            }
        }
    }

    /// Asks to be woken when one of them is ready; `true` if one is.
    pub(super) fn ask(&self, awaiter: &mut Awaiter) -> bool {
        let mut is_ready = false;
        for making in &self.begun {
            is_ready |= match making.waits_for() {
                Some((life, ticket)) => awaiter.ask(life, ticket),
                None => true,
            };
        }
        is_ready
    }

    fn is_paused(&self) -> bool {
        self.pause.is_some_and(|until| Instant::now() < until)
    }

    fn succeed(&mut self, seat: Seat<F>) -> Option<Seat<F>> {
        self.error = None;
        Some(seat)
    }

    fn fail(&mut self, error: TakeError) {
        if error == TakeError::Busy {
            // There is none yet, which is no failure.
            return;
        }
        self.error = Some(error);
        self.pause = Instant::now().checked_add(PAUSE);
    }
}
