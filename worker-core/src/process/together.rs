//! Many ends at once: the times to end run side by side, not one after the other.
//! Not here: one end alone (`life`).
//! Layer 5: above `calls`.
//!
//! None is waited for alone. One that has not ended yet may have no room for the request to stop, or for the replies
//! that it has to send first; so all are looked at in turns, and at each look something of theirs is taken in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::life::Life;
use super::lives::Lives;
use crate::sys::clock;

/// How long one is waited for before the others are looked at again.
const PACE: Duration = Duration::from_millis(20);

/// One on its way out.
struct Leaving {
    life: Arc<Life>,
    is_asked: bool,
    /// When the next thing is done to it.
    until: Instant,
    next: Force,
}

#[derive(Clone, Copy)]
enum Force {
    Terminate,
    Kill,
    /// It has been killed, and is only waited for.
    Nothing,
}

/// Asks processes to end and sees them gone, each forced at the end of its own stop timeout.
///
/// What could not be forced (a thread) is left as it is, for whoever stops it alone to say so.
pub(crate) fn end_together(lives: &[&Lives]) {
    let mut left: Vec<Leaving> = lives.iter().map(|lives| Leaving::new(lives.current())).collect();
    loop {
        left.retain_mut(|leaving| !leaving.look());
        // The one whose time is over first: no other has to be seen to before.
        let Some(first) = left.iter().min_by_key(|leaving| leaving.until) else { return };
        first.life.client.wait_death(Some(first.until.min(Instant::now() + PACE)));
    }
}

impl Leaving {
    fn new(life: Arc<Life>) -> Self {
        let until = life.body.ask();
        Self { life, is_asked: false, until, next: Force::Terminate }
    }

    /// Does what is to be done by now; says whether it is over with this one.
    fn look(&mut self) -> bool {
        let now = Instant::now();
        if self.life.client.wait_death(Some(now)).is_some() {
            return true;
        }
        if !self.is_asked {
            self.is_asked = self.life.ask_to_stop(now);
        }
        if now < self.until {
            return false;
        }
        match self.next {
            Force::Terminate => {
                let Ok(until) = self.life.body.terminate() else { return true };
                (self.until, self.next) = (until, Force::Kill);
            }
            Force::Kill => {
                if self.life.body.kill().is_err() {
                    return true;
                }
                (self.until, self.next) = (clock::after(Duration::MAX), Force::Nothing);
            }
            Force::Nothing => {}
        }
        false
    }
}
