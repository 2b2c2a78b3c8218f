//! Calls among the sources of a select: it watches their links, and takes in what has come.
//! Not here: what that is (`calls`).
//! Layer 7: over `calls`.
//!
//! The steps are those at the head of `calls/client/awaiting.rs`. A link is watched for as long as there is
//! a call on it.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::Waker;

use super::poller::{Poller, new_number};
use crate::actor::Whereabouts;
use crate::calls::{Seen, WatchKey, run_aside};
use crate::process::Life;
use crate::sys::epoll::Interest;

/// A call that is waited for.
pub(super) struct Call {
    flight: Whereabouts,
    /// Number of the link that is watched for it.
    link: Option<u64>,
    waker: Waker,
    /// Whether it stands in the queue of what is ready.
    pub(super) is_queued: bool,
}

/// What a look at a call tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    Ready,
    /// Its result was taken, or is not wanted any more.
    Over,
}

/// The links that are watched.
#[derive(Default)]
pub(super) struct Links(HashMap<u64, Link>);

struct Link {
    life: Arc<Life>,
    bell: Arc<OwnedFd>,
    key: WatchKey,
    waker: Waker,
    call_count: usize,
}

impl Call {
    pub(super) fn new(flight: Whereabouts, waker: Waker) -> Self {
        Self { flight, link: None, waker, is_queued: false }
    }

    /// How it stands; sees to it that whatever changes that wakes the select.
    pub(super) fn look(&mut self, links: &mut Links, poller: &Arc<Poller>) -> io::Result<Progress> {
        if let Whereabouts::Departing(departure) = &self.flight
            && let Some(flight) = departure.watch(&self.waker)
        {
            self.flight = match flight {
                Some((life, ticket)) => Whereabouts::InFlight(life, ticket),
                None => Whereabouts::Done,
            };
        }
        match &self.flight {
            Whereabouts::Departing(_) => Ok(Progress::Waiting),
            Whereabouts::Done => Ok(Progress::Ready),
            Whereabouts::InFlight(life, ticket) => {
                if !life.client.is_in_flight(*ticket) {
                    return Ok(Progress::Over);
                }
                if self.link.is_none() {
                    self.link = Some(links.enter(life, poller)?);
                }
                let is_ready = life.client.register(*ticket, &self.waker);
                Ok(if is_ready { Progress::Ready } else { Progress::Waiting })
            }
        }
    }

    /// Is waited for no more.
    pub(super) fn leave(self, links: &mut Links, poller: &Poller) {
        if let (Whereabouts::InFlight(life, ticket), Some(link)) = (&self.flight, self.link) {
            life.client.unregister(*ticket);
            links.leave(link, poller);
        }
    }
}

impl Links {
    /// Watches the link of a life for one call more; gives its number.
    fn enter(&mut self, life: &Arc<Life>, poller: &Arc<Poller>) -> io::Result<u64> {
        let known = self.0.iter_mut().find(|(_, link)| Arc::ptr_eq(&link.life, life));
        if let Some((&number, link)) = known {
            link.call_count += 1;
            return Ok(number);
        }
        let number = new_number();
        let bell = life.client.bell();
        poller.watch(bell.as_fd(), number, Interest::Ring)?;
        let waker = poller.waker(number);
        let key = life.client.watch_by_hand(&waker);
        let link = Link { life: Arc::clone(life), bell, key, waker, call_count: 1 };
        self.0.insert(number, link);
        // What rang before it was watched is found by a first look.
        poller.wake(number);
        Ok(number)
    }

    fn leave(&mut self, number: u64, poller: &Poller) {
        if let Some(link) = self.0.get_mut(&number) {
            link.call_count -= 1;
            if link.call_count == 0 {
                poller.epoll.remove(link.bell.as_fd());
                link.life.client.unwatch(link.key);
                self.0.remove(&number);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_one(&self, number: u64) -> bool {
        self.0.contains_key(&number)
    }

    /// Takes in what has come on a link; `true` if there is more to be taken in, later.
    pub(super) fn look(&self, number: u64) -> bool {
        let Some(link) = self.0.get(&number) else { return false };
        match link.life.client.look(link.key, &link.waker) {
            // Told of the next ring, or woken at the end of the other's lead.
            Seen::Quiet | Seen::Led => false,
            Seen::More => true,
            Seen::Dying(dying) => {
                run_aside(dying);
                false
            }
            // Every call on it is ready, and whoever registered was woken.
            Seen::Dead => false,
        }
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Links").field(&self.0.len()).finish()
    }
}
