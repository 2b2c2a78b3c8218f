//! Where a map stands while it lacks a process: in the line while it has none at all, else beside it.
//! Not here: what it is given then (`begin`).
//! Layer 7: over `line`.

use std::sync::Arc;
use std::task::Waker;

use crate::actor::Frontend;
use crate::pool::line::{Place, Wake};
use crate::pool::shared::Shared;

/// A place that is given up with this, so that the next one may be given something.
pub(super) struct Standing<F: Frontend> {
    shared: Arc<Shared<F>>,
    place: Option<(Place, Where)>,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Served in turn, as leases are.
    InLine,
    /// It has work in hand, and takes what nobody in the line wants.
    Beside,
}

impl<F: Frontend> Standing<F> {
    pub(super) fn new(shared: &Arc<Shared<F>>) -> Self {
        Self { shared: Arc::clone(shared), place: None }
    }

    /// Its turn is when this place's is; without one, when nobody stands in line.
    pub(super) fn in_line(&self) -> Option<Place> {
        self.place.filter(|(_, place)| *place == Where::InLine).map(|(place, _)| place)
    }

    /// Stands there, and has `waker` woken; `true` if it did not before.
    ///
    /// Then the pool has to be asked once more: what became free between the last look and this told nobody.
    pub(super) fn stand(&mut self, wanted: Where, waker: &Waker) -> bool {
        if let Some((place, found)) = self.place
            && found == wanted
        {
            let old = self.shared.state().line.renew(place, Wake::Task(waker.clone()));
            drop(old);
            return false;
        }
        self.leave();
        let wake = Wake::Task(waker.clone());
        let mut state = self.shared.state();
        let place = match wanted {
            Where::InLine => state.line.enter(wake),
            Where::Beside => state.line.listen(wake),
        };
        drop(state);
        self.place = Some((place, wanted));
        true
    }

    /// Stands nowhere.
    pub(super) fn leave(&mut self) {
        if let Some((place, _)) = self.place.take() {
            let mut state = self.shared.state();
            let wake = state.line.leave(place);
            state.line.wake_first();
            drop(state);
            drop(wake);
        }
    }
}

impl<F: Frontend> Drop for Standing<F> {
    fn drop(&mut self) {
        self.leave();
    }
}
