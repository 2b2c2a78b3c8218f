//! Waiting for the first of many calls to several actors, on one thread, without another one.
//! Not here: which calls (`run`).
//! Layer 7: over the by-hand watchers of `calls::client`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::Instant;

use super::alarm::Alarm;
use crate::calls::{Seen, Ticket, WatchKey};
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
}

impl Awaiter {
    pub(super) fn new() -> io::Result<Self> {
        let alarm = Alarm::new()?;
        Ok(Self { waker: Waker::from(Arc::clone(&alarm)), alarm, watched: Vec::new() })
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Takes in what has come from a life. Nothing is asked to ring for what comes next.
    pub(super) fn take_in(life: &Arc<Life>) {
        life.client.take_in_now();
    }

    /// Asks to be woken for a call; `true` if its result is there already.
    pub(super) fn ask(&mut self, life: &Arc<Life>, ticket: Ticket) -> bool {
        if !self.watched.iter().any(|watched| Arc::ptr_eq(&watched.life, life)) {
            let key = life.client.watch_by_hand(&self.waker);
            let bell = life.client.bell();
            self.watched.push(Watched { life: Arc::clone(life), key, bell, led: false });
        }
        life.client.register(ticket, &self.waker)
    }

    /// Sleeps until one of the calls that were asked for may have its result, somebody woke us, or the deadline passed.
    pub(super) fn sleep(&mut self, deadline: Option<Instant>) {
        if self.alarm.fall_asleep() {
            let bells =
                self.watched.iter().filter(|watched| !watched.led).map(|watched| watched.bell.as_fd());
            // An error leaves nothing to wait for; the look that follows finds what there is.
            let _ = wait_any_readable(bells.chain([self.alarm.as_fd()]), deadline);
            self.alarm.awake();
        }
        self.watched.retain_mut(|watched| {
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
                    // Here may be waited for: a process that has closed its link is all but gone.
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

    /// Is done with a life, whose calls are over.
    pub(super) fn leave(&mut self, life: &Arc<Life>) {
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
