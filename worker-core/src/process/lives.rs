//! What every frontend of an actor shares: the life it has now, and all its lives.
//! Not here: beginning the next life (`renewal`), and what a call says (`actor`).
//! Layer 5: above `calls`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use super::builder::OnTimeout;
use super::departures::Departures;
use super::life::{Life, Recipe};
use super::renewal::Renewal;
use crate::calls::Fault;
use crate::errors::Exit;

/// An actor as its frontends share it.
#[derive(Debug)]
pub(crate) struct Lives {
    pub(crate) name: String,
    pub(crate) on_timeout: OnTimeout,
    /// Calls that wait to leave.
    pub(crate) departures: Arc<Departures>,
    current: Current,
}

#[derive(Debug)]
enum Current {
    /// Nobody will ever make another one, so nothing needs to be locked.
    Only(Arc<Life>),
    Renewed(Box<Renewal>),
}

impl Lives {
    /// The first life; with a recipe, others may follow.
    pub(crate) fn new(life: Arc<Life>, on_timeout: OnTimeout, recipe: Option<Recipe>) -> io::Result<Self> {
        let name = life.body.name().to_owned();
        let current = match recipe {
            None => Current::Only(life),
            Some(recipe) => Current::Renewed(Box::new(Renewal::new(life, recipe)?)),
        };
        Ok(Self { name, on_timeout, departures: Arc::default(), current })
    }

    /// Tries something with the life there is, or with the next one as long as a request has not left.
    ///
    /// A request that was never sent was never run, so sending it to the next life is not a second try.
    #[inline]
    pub(crate) fn attempt<T>(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&Arc<Life>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        match &self.current {
            Current::Only(life) => {
                let result = attempt(life);
                if result.is_err() {
                    life.body.announce();
                }
                result
            }
            Current::Renewed(renewal) => {
                let mut life = renewal.current();
                loop {
                    match attempt(&life) {
                        Err(Fault::NotSent(_)) => life = renewal.renew(&life, deadline)?,
                        result => {
                            if result.is_err() {
                                life.body.announce();
                            }
                            return result;
                        }
                    }
                }
            }
        }
    }

    /// Whether a life is over, as far as can be told before anything is sent to it.
    ///
    /// For requests whose sender does not wait, and so would not find the end itself. Where another life
    /// may follow, that is worth a system call; where none will, only what is known already counts.
    #[inline]
    pub(crate) fn is_over(&self, life: &Life) -> bool {
        match &self.current {
            Current::Only(_) => life.body.is_known_to_have_ended(),
            Current::Renewed(_) => !life.body.is_alive(),
        }
    }

    /// The life there is.
    #[inline]
    pub(crate) fn current(&self) -> Arc<Life> {
        match &self.current {
            Current::Only(life) => Arc::clone(life),
            Current::Renewed(renewal) => renewal.current(),
        }
    }

    /// Whether there may be another life.
    pub(crate) fn may_be_renewed(&self) -> bool {
        matches!(self.current, Current::Renewed(_))
    }

    /// Ends a backend that did not answer in time, or had no room in time, if that was asked for.
    pub(crate) fn kill_at_timeout(&self, life: &Life, fault: &Fault) -> bool {
        let is_late = matches!(fault, Fault::TimedOut | Fault::NotSentInTime);
        if !is_late || self.on_timeout != OnTimeout::Kill {
            return false;
        }
        let killed = life.body.kill().is_ok();
        if killed {
            life.body.wait();
        }
        killed
    }

    /// Runs something with the life there is.
    pub(crate) fn with_current<T>(&self, run: impl FnOnce(&Life) -> T) -> T {
        match &self.current {
            Current::Only(life) => run(life),
            Current::Renewed(renewal) => run(&renewal.current()),
        }
    }

    /// As [`Lives::with_current`], and tells of the end if that showed one.
    pub(crate) fn looking<T>(&self, look: impl FnOnce(&Life) -> T) -> T {
        self.with_current(|life| {
            let seen = look(life);
            life.body.announce();
            seen
        })
    }

    /// Ends the actor for good.
    pub(crate) fn stop(&self) -> io::Result<Exit> {
        let exit = match &self.current {
            Current::Only(life) => life.stop(),
            Current::Renewed(renewal) => renewal.stop(),
        };
        self.with_current(|life| life.body.announce());
        exit
    }

    /// Asks the actor to end for good, and does not wait.
    pub(crate) fn ask_to_stop(&self) {
        self.close();
        self.with_current(|life| life.ask_to_stop(Instant::now()));
    }

    /// Lets no other life begin.
    pub(crate) fn close(&self) {
        if let Current::Renewed(renewal) = &self.current {
            renewal.close();
        }
    }

    /// Lives after the first.
    pub(crate) fn restarts(&self) -> u64 {
        match &self.current {
            Current::Only(_) => 0,
            Current::Renewed(renewal) => renewal.restarts(),
        }
    }

    /// What a group works with; `None` for an actor that is in none.
    pub(crate) fn renewal(&self) -> Option<&Renewal> {
        match &self.current {
            Current::Only(_) => None,
            Current::Renewed(renewal) => Some(renewal),
        }
    }
}

impl AsFd for Lives {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.current {
            Current::Only(life) => life.body.as_fd(),
            Current::Renewed(renewal) => renewal.as_fd(),
        }
    }
}
