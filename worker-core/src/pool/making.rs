//! Processes that come to be: begun without waiting, and waited for by whoever needs one.
//! Not here: when that is (`state`).
//! Layer 7: over `process::Starting`.
//!
//! A process is *begun* in a fraction of a millisecond: it is there, and its constructor runs, for which nobody
//! waits. So no thread is needed to have some ready, and several constructors run side by side.

use std::sync::Arc;
use std::time::Instant;

use super::member::{Member, Spare};
use super::place::Making;
use super::seat::Seat;
use super::shared::{Patience, Shared, each_whatever_panics, not_made_departure};
use super::state::{Choice, State, Want};
use crate::actor::Frontend;
use crate::errors::{SpawnError, TakeError};
use crate::process::{Builder, Started, Tray};

/// The user's closure; of its errors there is the text left.
pub(super) type Make<F> = Box<dyn Fn(&Builder) -> Result<F, String> + Send + Sync>;

/// The first processes; if one of them fails, nothing of the others is left behind.
struct Begun<F: Frontend>(Vec<Spare<F>>);

impl<F: Frontend> Drop for Begun<F> {
    fn drop(&mut self) {
        for spare in &self.0 {
            // A thread cannot be killed; it ends by itself, as its frontend goes.
            if spare.frontend.process().kill().is_ok() {
                spare.frontend.process().wait();
            }
        }
    }
}

/// A number in the state that goes down again, also when the user's closure panics.
pub(super) struct Counted<'shared, F: Frontend>(&'shared Shared<F>, fn(&mut State<F>) -> &mut usize);

impl<'shared, F: Frontend> Counted<'shared, F> {
    /// For what is counted already.
    pub(super) fn held(shared: &'shared Shared<F>, count: fn(&mut State<F>) -> &mut usize) -> Self {
        Self(shared, count)
    }

    pub(super) fn end(self, state: &mut State<F>) {
        *self.1(state) -= 1;
        self.0.changed.notify_all();
        std::mem::forget(self);
    }
}

impl<F: Frontend> Drop for Counted<'_, F> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        *self.1(&mut state) -= 1;
        state.line.wake_first();
        self.0.changed.notify_all();
    }
}

impl<F: Frontend> Shared<F> {
    /// The user's builder, for the process of this number.
    fn builder(&self, number: u64) -> (Builder, Tray) {
        let tray = Tray::default();
        let builder =
            Builder { number: Some(number), tray: Some(tray.clone()), ..self.options.process.clone() };
        (builder, tray)
    }

    pub(super) fn begin(&self, number: u64) -> Result<Spare<F>, String> {
        let born = Instant::now();
        let (builder, tray) = self.builder(number);
        let frontend = (self.make)(&builder)?;
        Ok(Spare { number, frontend, starting: tray.take(), born })
    }

    /// Makes the first processes side by side.
    pub(super) fn fill<E>(
        &self,
        spawn: &dyn Fn(&Builder) -> Result<F, SpawnError<E>>,
    ) -> Result<(), SpawnError<E>> {
        let mut begun = Begun(Vec::new());
        for number in 1..=(self.options.min + self.options.spare) as u64 {
            let born = Instant::now();
            let (builder, tray) = self.builder(number);
            begun.0.push(Spare { number, frontend: spawn(&builder)?, starting: tray.take(), born });
        }
        for spare in begun.0.iter_mut().take(self.options.min) {
            if let Some(Started::Failed(..)) = spare.starting.take().map(|starting| starting.finish(None)) {
                // What it failed of, in its own type, is known only to one who waits for it.
                let builder = Builder { number: Some(spare.number), ..self.options.process.clone() };
                spare.frontend = spawn(&builder)?;
            }
        }
        let mut spares = std::mem::take(&mut begun.0);
        let mut state = self.state();
        state.next_number = spares.len() as u64 + 1;
        state.spares.extend(spares.drain(self.options.min..));
        state.members.extend(spares.into_iter().map(Member::new));
        Ok(())
    }

    /// Begins a spare that the state has asked for; gives its name, and why, if that fails, which is to be told.
    pub(super) fn begin_spare(&self, number: u64, counted: Counted<'_, F>) -> Option<(String, String)> {
        let begun = self.begin(number);
        let mut state = self.state();
        counted.end(&mut state);
        match begun {
            Ok(spare) => {
                let left = state.put_back(spare);
                state.line.wake_first();
                drop(state);
                drop(left);
                None
            }
            Err(why) => {
                state.pause_spares();
                Some((self.name(number), why))
            }
        }
    }

    /// Looks which spares are ready by now, and lets those go that have failed.
    pub(super) fn look_at_spares(&self) {
        let mut state = self.state();
        if state.ready_spares() == state.spares.len() {
            return;
        }
        let (unknown, known): (Vec<_>, Vec<_>) =
            state.spares.drain(..).partition(|spare| spare.starting.is_some());
        state.spares.extend(known);
        state.in_hand += unknown.len();
        drop(state);
        let in_hand = |spare| (spare, Counted::held(self, |state: &mut State<F>| &mut state.in_hand));
        let unknown: Vec<_> = unknown.into_iter().map(in_hand).collect();
        let mut not_made = Vec::new();
        for (mut spare, counted) in unknown {
            let mut failed = None;
            if let Some(starting) = spare.starting.take_if(|starting| starting.is_finished())
                && let Started::Failed(_, why) = starting.finish(Some(Instant::now()))
            {
                failed = Some(why);
            }
            let mut state = self.state();
            counted.end(&mut state);
            let Some(why) = failed else {
                let left = state.put_back(spare);
                // A ready one is something to take.
                state.line.wake_first();
                drop(state);
                drop(left);
                continue;
            };
            state.pause_spares();
            drop(state);
            not_made.push((spare, why));
        }
        // Only when nothing is in hand any more: the listener may stop the pool.
        each_whatever_panics(not_made, |(spare, why)| {
            let process = spare.frontend.process();
            // Whoever found it has waited for its end, if anybody can.
            process.lives().with_current(|life| life.body.announce());
            self.tell(&not_made_departure(process.name().to_owned(), process.pid(), why));
        });
    }

    /// A process for the caller: one that is there, or the one that it has a place for.
    pub(super) fn seat(self: &Arc<Self>, want: Want<'_>, patience: Patience) -> Result<Seat<F>, TakeError> {
        self.look_at_spares();
        match self.choose(want, patience)? {
            Choice::Member { number, frontend } => Ok(Seat::new(self, number, frontend, want, false)),
            Choice::Make => Making::begin(self, false)?.finish(want, patience.deadline()),
            Choice::Nothing => Err(TakeError::Busy),
        }
    }

    fn name(&self, number: u64) -> String {
        let name = self.options.process.name.as_deref().unwrap_or("a process of a pool");
        format!("{name}-{number}")
    }
}
