//! The links of a backend: the one of its spawner, and those of whoever else was given the actor.
//! Not here: what a message asks for (`requests`), and timers and watched descriptors (`listeners`).
//! Layer 6: over `link`.
//!
//! * T1: links take turns, one message each, so none keeps another waiting for more than one.
//! * T2: before all of them sleep, each announces it, and each is looked at once more (S1 of
//!   `ring::waiting`, for each). So a message that comes meanwhile is seen, or its writer rings.
//! * T3: a link that is gone is dropped; a backend is over when it has none left and nobody can knock any
//!   more (N3 of `link::newcomers`). A link to itself counts for nothing: it would never end.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;

use nix::poll::PollFlags;

use crate::calls::waits;
use crate::link::beside::Beside;
use crate::link::newcomers::{self, Newcomer};
use crate::link::{Arrived, Incoming, Interest, LinkEnd, Wake};
use crate::sys::child::ClosedInForks;

/// The links of one backend.
pub(super) struct Links {
    all: Vec<Peer>,
    /// Whose turn it is.
    turn: usize,
    /// Who this backend is, for those it is given itself to.
    id: u64,
    /// Where others knock, until nobody can any more.
    door: Option<Arc<Beside>>,
    /// Whether anybody may knock: before, nobody looks.
    heeds_door: bool,
    /// How often links have come and gone.
    changes: u64,
}

/// One link, and whether its other end is still there.
struct Peer {
    // First, because it speaks of the descriptors of the link.
    _closed_in_forks: ClosedInForks,
    link: Rc<RefCell<LinkEnd>>,
    gone: bool,
    is_self: bool,
}

/// What a look at a link brought.
pub(super) enum Look {
    Message(Rc<RefCell<LinkEnd>>, Arrived),
    Nothing,
}

/// What a wait at the one link brought.
pub(super) enum Next {
    /// It is where the caller wanted it.
    Message,
    /// The actor was given away.
    Given,
    /// The link is gone, and everything on it is taken in.
    Gone,
}

impl Links {
    pub(super) fn new(first: Rc<RefCell<LinkEnd>>, door: Arc<Beside>, id: u64) -> Self {
        // A socket link says nothing of its being given away; its backend polls anyhow.
        let heeds_door = matches!(first.borrow().incoming, Incoming::Socket(_));
        first.borrow_mut().incoming.heed_given(!heeds_door);
        first.borrow_mut().outbox.keeps = heeds_door;
        // The numbers of the first link are kept from forks since the process began.
        let peer = Peer { link: first, gone: false, is_self: false, _closed_in_forks: ClosedInForks::none() };
        Self { all: vec![peer], turn: 0, changes: 0, id, door: Some(door), heeds_door }
    }

    /// The link, if there is exactly one and nobody can have made another.
    #[inline]
    pub(super) fn only(&self) -> Option<&Rc<RefCell<LinkEnd>>> {
        match self.all.as_slice() {
            [peer] if !self.heeds_door => Some(&peer.link),
            _ => None,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Looks for newcomers from now on.
    pub(super) fn heed_door(&mut self) {
        self.heeds_door = true;
        self.changes += 1;
        for peer in &self.all {
            let mut link = peer.link.borrow_mut();
            link.incoming.heed_given(false);
            link.outbox.keeps = true;
        }
    }

    /// Drops the one link, which is gone; others may still come.
    pub(super) fn lose_only(&mut self) {
        self.all.clear();
        self.heed_door();
    }

    /// Whether nobody holds this actor any more (T3).
    pub(super) fn are_over(&self) -> bool {
        let has_self = self.all.iter().any(|peer| peer.is_self);
        self.all.iter().all(|peer| peer.is_self) && (has_self || self.door.is_none())
    }

    /// Whether a reply waits for room, so that there is more to sleep for than messages.
    #[cfg(feature = "tokio")]
    pub(super) fn have_kept(&self) -> bool {
        self.all.iter().any(|peer| peer.link.borrow().has_kept())
    }

    /// Differs from one set of links to the next.
    #[cfg(feature = "tokio")]
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Looks at the link whose turn it is (T1), and passes the turn on.
    pub(super) fn take_turn(&mut self) -> Look {
        self.turn = if self.turn + 1 < self.all.len() { self.turn + 1 } else { 0 };
        let Some(peer) = self.all.get(self.turn) else { return Look::Nothing };
        let looked = {
            let mut link = peer.link.borrow_mut();
            // Replies that wait for room go first (O1 of `link::outbox`); those of a link that is gone are
            // thrown away, for the requests behind them are still to be run.
            let waits = link.has_kept() && {
                let (peer, number) = (link.peer, link.number);
                let is_empty = link.flush(|call| waits::answered(peer, number, call));
                // What to sleep at is another event then.
                self.changes += u64::from(is_empty);
                !is_empty
            };
            if waits && !peer.gone { Ok(None) } else { link.incoming.next() }
        };
        match looked {
            Ok(Some(arrived)) => Look::Message(Rc::clone(&peer.link), arrived),
            Ok(None) if !peer.gone => Look::Nothing,
            // Its last words are taken in; or it makes no sense, and there is nothing to serve on it.
            Ok(None) | Err(_) => {
                self.all.swap_remove(self.turn);
                self.changes += 1;
                Look::Nothing
            }
        }
    }

    /// Sends the replies that are kept still, to whoever is left to read them: the last thing before the end.
    pub(super) fn send_kept(&mut self) {
        for peer in self.all.iter().filter(|peer| !peer.gone) {
            let mut link = peer.link.borrow_mut();
            let (caller, number) = (link.peer, link.number);
            while !link.flush(|call| waits::answered(caller, number, call)) {
                let interest = link.interest();
                // The wait is for room; a reader that is gone ends it.
                if !matches!(link.incoming.wait(interest, None), Ok(Wake::Rung)) {
                    break;
                }
            }
        }
    }

    /// Spins for a moment, where that pays; says whether a message came.
    pub(super) fn spin(&self) -> bool {
        // The link that had the turn knows best how its waits have been of late.
        let Some(peer) = self.all.get(self.turn) else { return false };
        let others = || self.all.iter().enumerate().filter(|&(index, _)| index != self.turn);
        let interest = peer.link.borrow().interest();
        peer.link.borrow_mut().incoming.spin(interest, || others().any(|(_, other)| other.is_ready()))
    }

    /// Says on every link that this side is about to sleep; `false` if there is a message after all (T2).
    pub(super) fn announce_sleep(&self) -> bool {
        for peer in &self.all {
            let mut link = peer.link.borrow_mut();
            let interest = link.interest();
            link.incoming.announce_sleep(interest);
        }
        // What was received in passing, by a message that looked for its descriptors, shows on no descriptor.
        !self.has_knocks() && !self.all.iter().any(Peer::is_ready)
    }

    fn has_knocks(&self) -> bool {
        self.heeds_door && self.door.as_ref().is_some_and(|door| door.has_knocks())
    }

    /// Shows what to sleep at: the links in their order, then the door if anybody may knock.
    pub(super) fn with_polled<T>(&self, sleep: impl FnOnce(&[(BorrowedFd<'_>, PollFlags)]) -> T) -> T {
        let borrowed: Vec<_> = self.all.iter().map(|peer| peer.link.borrow()).collect();
        let links =
            borrowed.iter().map(|link| (link.incoming.sleeps_at(), link.incoming.events(link.interest())));
        let door = self.door.iter().filter(|_| self.heeds_door).map(|door| (door.as_fd(), PollFlags::POLLIN));
        sleep(&links.chain(door).collect::<Vec<_>>())
    }

    /// Says on every link that this side is awake; `shown` says of each entry of [`Links::with_polled`] what
    /// it showed. Newcomers are taken in.
    pub(super) fn end_sleep(&mut self, shown: &[PollFlags]) {
        for (peer, shown) in self.all.iter_mut().zip(shown) {
            let wake = peer.link.borrow_mut().incoming.end_sleep(!shown.is_empty());
            // A stream that waits for room is read again only when there is some; its end shows as an error.
            let broke_off = shown.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL);
            peer.gone |= broke_off || !matches!(wake, Ok(Wake::Rung));
        }
        if shown.get(self.all.len()).is_some_and(|door| !door.is_empty()) || self.has_knocks() {
            self.open_door();
        }
    }

    fn open_door(&mut self) {
        let Some(door) = &self.door else { return };
        let (newcomers, closed) = newcomers::take_in(door);
        self.changes += 1;
        if closed {
            self.door = None;
        }
        for Newcomer { mut link, from } in newcomers {
            let closed_in_forks = ClosedInForks::new(&link.descriptors());
            link.outbox.keeps = true;
            link.peer = from;
            let link = Rc::new(RefCell::new(link));
            let is_self = from == self.id;
            self.all.push(Peer { link, gone: false, is_self, _closed_in_forks: closed_in_forks });
        }
    }
}

impl Peer {
    fn is_ready(&self) -> bool {
        let link = self.link.borrow();
        link.incoming.is_ready(link.interest())
    }
}

/// Waits for the next message of a backend with one link, and puts it into `arrived`.
#[inline]
pub(super) fn next(link: &RefCell<LinkEnd>, arrived: &mut Arrived) -> Next {
    let mut link = link.borrow_mut();
    let mut gone = false;
    loop {
        // Looked at also while messages keep coming: newcomers must not wait for a pause.
        if link.incoming.was_given() {
            return Next::Given;
        }
        match link.incoming.next_into(arrived) {
            Ok(true) => return Next::Message,
            Ok(false) if gone => return Next::Gone,
            Ok(false) => {}
            // A frontend is trusted; if its memory makes no sense all the same, there is nothing to serve.
            Err(_) => return Next::Gone,
        }
        gone = !matches!(link.incoming.wait(Interest::MESSAGE, None), Ok(Wake::Rung));
    }
}
