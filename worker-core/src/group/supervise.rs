//! What a supervising thread does: waits for ends, and puts the group in order again.
//! Not here: who the members are (`mod`), and how one of them gets its next life (`process::renewal`).
//! Layer 7: above `actor`.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{fmt, io};

use super::member::Member;
use super::{Group, Shared, Strategy, Work};
use crate::errors::Exit;
use crate::process::{Life, as_supervisor};
use crate::sys::poll::wait_any_readable;

/// Why a group is supervised no more.
#[derive(Debug)]
#[non_exhaustive]
pub enum GroupError {
    /// Its members ended more often than its limit allows; all of them are stopped now. This is the
    /// end that was one too many.
    GivenUp(Exit),
    /// The system refused to wait for the members.
    Io(io::Error),
}

impl fmt::Display for GroupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GivenUp(exit) => write!(formatter, "the group is stopped: {exit}"),
            Self::Io(error) => write!(formatter, "the group could not be supervised: {error}"),
        }
    }
}

// No `source()`: the text already tells the cause, and a chain printer must not say it twice.
impl std::error::Error for GroupError {}

impl From<io::Error> for GroupError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Group {
    /// Keeps the members alive, on this thread, until the group is stopped or no member is left.
    ///
    /// # Errors
    ///
    /// [`GroupError::GivenUp`] when the members end more often than the limit allows. All are stopped
    /// then, in reverse order, and every later call to one comes back with that end.
    pub fn supervise(&self) -> Result<(), GroupError> {
        self.supervise_until(None).map(drop)
    }

    /// As [`Group::supervise`], but returns after `timeout`: whether there is still something to do. Zero
    /// looks once, for a program that has a loop of its own.
    ///
    /// # Errors
    ///
    /// As for [`Group::supervise`].
    pub fn supervise_for(&self, timeout: Duration) -> Result<bool, GroupError> {
        self.supervise_until(Instant::now().checked_add(timeout))
    }

    fn supervise_until(&self, deadline: Option<Instant>) -> Result<bool, GroupError> {
        let shared = &*self.shared;
        let wake = shared.wake_descriptor()?;
        let _attendance = Attendance::begin(shared);
        as_supervisor(|| {
            loop {
                // Before looking, so that what comes after the look wakes the wait.
                let _ = wake.read();
                shared.put_in_order()?;
                if shared.is_stopping() {
                    return Ok(false);
                }
                let members = shared.members().clone();
                let lives: Vec<Arc<Life>> =
                    members.iter().filter(|member| !member.is_gone()).map(|member| member.life()).collect();
                if lives.is_empty() {
                    return Ok(false);
                }
                let descriptors = lives.iter().map(|life| life.body.as_fd()).chain([wake.as_fd()]);
                if !wait_any_readable(descriptors, deadline)? {
                    return Ok(true);
                }
            }
        })
    }
}

/// The time in which a thread supervises.
struct Attendance<'shared>(&'shared Shared);

impl<'shared> Attendance<'shared> {
    fn begin(shared: &'shared Shared) -> Self {
        let _work = shared.work();
        if shared.supervisors.fetch_add(1, Ordering::SeqCst) == 0 {
            shared.members().iter().for_each(|member| member.renewal().attend(true));
        }
        Self(shared)
    }
}

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        let _work = self.0.work();
        if self.0.supervisors.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.members().iter().for_each(|member| member.renewal().attend(false));
        }
    }
}

impl Shared {
    /// Sees to every member that has ended, until there is none.
    fn put_in_order(&self) -> Result<(), GroupError> {
        let mut work = self.work();
        loop {
            if let Some(exit) = &work.given_up {
                return Err(GroupError::GivenUp(exit.clone()));
            }
            if self.is_stopping() {
                return Ok(());
            }
            let members = self.members().clone();
            let ended = members.iter().position(|member| !member.is_gone() && !member.is_alive());
            let Some(index) = ended else { return Ok(()) };
            let life = members[index].life();
            let exit = life.body.wait();
            life.body.announce();
            if members[index].is_to_follow(&exit) {
                self.restart(&mut work, &members, index, exit)?;
            } else {
                members[index].leave(exit);
            }
        }
    }

    /// Starts again whom the strategy names, after the end of one.
    fn restart(
        &self,
        work: &mut Work,
        members: &[Arc<Member>],
        mut ended: usize,
        mut exit: Exit,
    ) -> Result<(), GroupError> {
        let mut failure = None;
        loop {
            let Some(wait) = work.ledger.enter(Instant::now()) else {
                return Err(give_up(work, members, exit, failure));
            };
            if !self.has_waited(wait)? {
                return Ok(());
            }
            let concerned = match self.strategy {
                Strategy::OneForOne => &members[ended..=ended],
                Strategy::OneForAll => members,
                Strategy::RestForOne => &members[ended..],
            };
            stop_in_reverse(concerned)?;
            let mut failed = None;
            for (index, member) in members.iter().enumerate() {
                let is_concerned = concerned.iter().any(|other| Arc::ptr_eq(other, member));
                if !is_concerned || member.is_gone() {
                    continue;
                }
                if self.is_stopping() {
                    return Ok(());
                }
                if let Err(error) = member.renewal().restart() {
                    failed = Some((index, error));
                    break;
                }
            }
            let Some((index, (how, why))) = failed else { return Ok(()) };
            if self.is_stopping() {
                return Ok(());
            }
            // A start that fails is an end like any other, and counts.
            (ended, exit, failure) = (index, how, Some(why));
        }
    }

    /// Waits before a restart; `false` if the group is stopped meanwhile.
    fn has_waited(&self, time: Duration) -> io::Result<bool> {
        let until = Instant::now() + time;
        let wake = self.wake_descriptor()?;
        while !self.is_stopping() && Instant::now() < until {
            let _ = wake.read();
            wait_any_readable([wake.as_fd()].into_iter(), Some(until))?;
        }
        Ok(!self.is_stopping())
    }
}

/// Stops the lives of these members, from the last to the first; those that are over stay so.
fn stop_in_reverse(members: &[Arc<Member>]) -> io::Result<()> {
    for member in members.iter().rev().filter(|member| !member.is_gone()) {
        if member.is_alive() {
            let exit = member.renewal().stop_this_life()?;
            if member.is_temporary() {
                member.leave(exit);
            }
        }
    }
    Ok(())
}

fn give_up(work: &mut Work, members: &[Arc<Member>], exit: Exit, failure: Option<String>) -> GroupError {
    let exit = work.ledger.give_up(exit, failure);
    work.given_up = Some(exit.clone());
    let stopped = stop_in_reverse(members);
    members.iter().filter(|member| !member.is_gone()).for_each(|member| member.leave(exit.clone()));
    match stopped {
        Ok(()) => GroupError::GivenUp(exit),
        Err(error) => GroupError::Io(error),
    }
}
