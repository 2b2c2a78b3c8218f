//! One actor of a group.
//! Not here: what happens to the others when it ends (`supervise`).
//! Layer 7: above `actor`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::errors::Exit;
use crate::process::{Life, Lives, Process, Renewal};

/// After what end a member is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Permanent,
    Transient,
    Temporary,
}

#[derive(Debug)]
pub(super) struct Member {
    lives: Arc<Lives>,
    keep: Keep,
    /// It has ended for good, and is none of the group's business any more.
    is_gone: AtomicBool,
}

impl Member {
    /// `None` for an actor that was not spawned for a group.
    pub(super) fn new(process: &Process, keep: Keep) -> Option<Self> {
        let lives = Arc::clone(process.lives());
        lives.renewal()?;
        Some(Self { lives, keep, is_gone: AtomicBool::new(false) })
    }

    pub(super) fn renewal(&self) -> &Renewal {
        self.lives.renewal().expect("`new` has looked")
    }

    pub(super) fn name(&self) -> &str {
        &self.lives.name
    }

    pub(super) fn life(&self) -> Arc<Life> {
        self.renewal().current()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.life().body.is_alive()
    }

    /// Whether an end like this is to be followed by another life.
    pub(super) fn is_to_follow(&self, exit: &Exit) -> bool {
        match self.keep {
            Keep::Permanent => true,
            Keep::Transient => !exit.is_clean(),
            Keep::Temporary => false,
        }
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.keep == Keep::Temporary
    }

    /// There will be no other life; calls say so.
    pub(super) fn leave(&self, exit: Exit) {
        self.is_gone.store(true, Ordering::SeqCst);
        self.renewal().end_for_good(exit);
    }

    /// Stops it for good, or says again how it ended.
    pub(super) fn stop(&self) -> io::Result<Exit> {
        self.lives.stop()
    }
}
