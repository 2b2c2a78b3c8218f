//! Waiting for the first of many calls to several actors, on one thread, without another one.
//! Not here: which calls (`run`).
//! Layer 7: over the by-hand watchers of `calls::client`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::Instant;

use super::alarm::Alarm;
use super::watch::Watch;
use crate::calls::{Dying, Seen, Ticket, WatchKey};
use crate::process::Life;
use crate::sys::poll::wait_any_readable;

#[derive(Debug)]
pub(super) struct Awaiter {
    alarm: Arc<Alarm>,
    waker: Waker,
    watched: Vec<Watched>,
}

/// One link that this thread watches.
#[derive(Debug)]
struct Watched {
    life: Arc<Life>,
    key: WatchKey,
    bell: Arc<OwnedFd>,
    /// Somebody else leads, and may need the ring: the bell is left alone until we are woken.
    led: bool,
    /// Its process is ending: until then it has time to be gone, and its end to be told. The bell is left alone.
    ///
    /// That is not waited for here: the fork server may take its turn to reap it, and others need not.
    ending: Option<Instant>,
}

impl Awaiter {
    pub(super) fn new() -> io::Result<Self> {
        let alarm = Alarm::new()?;
        Ok(Self { waker: Waker::from(Arc::clone(&alarm)), alarm, watched: Vec::new() })
    }

    /// Sleeps until one of the calls that were asked for may have its result, somebody woke us, or the deadline passed.
    pub(super) fn sleep(&mut self, deadline: Option<Instant>) {
        if self.alarm.fall_asleep() {
            let bells = self.watched.iter().filter_map(Watched::waits_for);
            let deadline = self.watched.iter().filter_map(|watched| watched.ending).chain(deadline).min();
            // An error leaves nothing to wait for; the look that follows finds what there is.
            let _ = wait_any_readable(bells.chain([self.alarm.as_fd()]), deadline);
            self.alarm.awake();
        }
        self.watched.retain_mut(|watched| {
            if watched.is_still_ending() {
                return true;
            }
            loop {
                match watched.life.client.look(watched.key, &self.waker) {
                    // The deadlines and the other links come first: a backend may ring without end.
                    Seen::More => {
                        self.waker.wake_by_ref();
                        return true;
                    }
                    Seen::Quiet => {
                        watched.led = false;
                        return true;
                    }
                    Seen::Led => {
                        watched.led = true;
                        return true;
                    }
                    Seen::Dying(dying) if watched.ending.is_none() && watched.begins_to_end(&dying) => {
                        // Somebody else, who waits for it alone, may lead meanwhile, and find out.
                        drop(dying);
                        return true;
                    }
                    // Its end is told, or not to be told.
                    Seen::Dying(dying) => dying.find_out(),
                    Seen::Dead => {
                        watched.life.client.unwatch(watched.key);
                        return false;
                    }
                }
            }
        });
    }

    /// Lets results gather until then.
    pub(super) fn rest(&self, until: Instant) {
        // A poll counts in milliseconds, which is too long here. Nothing that happens meanwhile is lost: it is looked
        // for afterwards.
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

impl Watched {
    /// What rings when there is something to look at.
    fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        match self.ending {
            Some(_) => self.life.body.report(),
            None => (!self.led).then(|| self.bell.as_fd()),
        }
    }

    /// Notes that the process is ending; `false` if nobody will tell how, so that it is to be found out at once.
    fn begins_to_end(&mut self, dying: &Dying) -> bool {
        if self.life.body.report().is_none() {
            return false;
        }
        if dying.is_broken() {
            // Alive with a link that cannot be trusted, it is of no use to anybody.
            let _ = self.life.body.kill();
        }
        self.ending = Some(self.life.body.gone_by());
        true
    }

    /// Whether its end is not told yet, and it has time left.
    fn is_still_ending(&mut self) -> bool {
        let Some(until) = self.ending else { return false };
        let now = Instant::now();
        let told = wait_any_readable(self.life.body.report().into_iter(), Some(now)).unwrap_or(true);
        if !told && until <= now {
            // It has closed its link, and lives on: asked first, then forced, as anybody would who finds it so.
            match self.life.body.terminate() {
                Ok(killed_at) if now < killed_at => self.ending = Some(killed_at),
                _ => {
                    let _ = self.life.body.kill();
                    return false;
                }
            }
        }
        !told
    }
}

impl Watch for Awaiter {
    fn waker(&self) -> &Waker {
        &self.waker
    }

    fn ask(&mut self, life: &Arc<Life>, ticket: Ticket) -> io::Result<bool> {
        if !self.watched.iter().any(|watched| Arc::ptr_eq(&watched.life, life)) {
            let key = life.client.watch_by_hand(&self.waker);
            let bell = life.client.bell();
            self.watched.push(Watched { life: Arc::clone(life), key, bell, led: false, ending: None });
        }
        Ok(life.client.register(ticket, &self.waker))
    }

    fn is_ending(&self, life: &Arc<Life>) -> bool {
        self.watched.iter().any(|watched| watched.ending.is_some() && Arc::ptr_eq(&watched.life, life))
    }

    fn leave(&mut self, life: &Arc<Life>) {
        self.watched.retain(|watched| {
            let is_it = Arc::ptr_eq(&watched.life, life);
            if is_it {
                watched.life.client.unwatch(watched.key);
            }
            !is_it
        });
    }
}

impl Drop for Awaiter {
    fn drop(&mut self) {
        for watched in &self.watched {
            watched.life.client.unwatch(watched.key);
        }
    }
}
