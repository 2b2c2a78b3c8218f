//! The links of a backend: the one of its spawner, and others that were made to it since.
//! Not here: what a message asks for (`requests`), and timers and watched descriptors (`listeners`).
//! Layer 6: over `link`.
//!
//! * T1: links take turns, one message each, so none keeps another waiting for more than one.
//! * T2: before all of them sleep, each announces it, and each is looked at once more (S1 of
//!   `ring::waiting`, for each). So a message that comes meanwhile is seen, or its writer rings.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use crate::link::{Arrived, Interest, LinkEnd, Wake};

/// The links of one backend.
pub(super) struct Links {
    all: Vec<Peer>,
    /// Whose turn it is.
    turn: usize,
    /// How often links have come and gone.
    changes: u64,
}

/// One link, and whether its other end is still there.
struct Peer {
    link: Rc<RefCell<LinkEnd>>,
    gone: bool,
}

/// What a look at a link brought.
pub(super) enum Look {
    Message(Rc<RefCell<LinkEnd>>, Arrived),
    Nothing,
}

impl Links {
    pub(super) fn new(first: Rc<RefCell<LinkEnd>>) -> Self {
        Self { all: vec![Peer { link: first, gone: false }], turn: 0, changes: 0 }
    }

    /// The link, if there is exactly one.
    #[inline]
    pub(super) fn only(&self) -> Option<&Rc<RefCell<LinkEnd>>> {
        match self.all.as_slice() {
            [peer] => Some(&peer.link),
            _ => None,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
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
        let looked = peer.link.borrow_mut().incoming.next();
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

    /// Spins for a moment, where that pays; says whether a message came.
    pub(super) fn spin(&self) -> bool {
        // The link that had the turn knows best how its waits have been of late.
        let Some(peer) = self.all.get(self.turn) else { return false };
        let others = || self.all.iter().enumerate().filter(|&(index, _)| index != self.turn);
        peer.link
            .borrow_mut()
            .incoming
            .spin(|| others().any(|(_, other)| other.link.borrow().incoming.has_message()))
    }

    /// Says on every link that this side is about to sleep; `false` if there is a message after all (T2).
    pub(super) fn announce_sleep(&self) -> bool {
        for peer in &self.all {
            peer.link.borrow_mut().incoming.announce_sleep();
        }
        !self.all.iter().any(|peer| peer.link.borrow().incoming.has_message())
    }

    /// Shows what to sleep at, in the order of the links.
    pub(super) fn with_descriptors<T>(&self, sleep: impl FnOnce(&[BorrowedFd<'_>]) -> T) -> T {
        let borrowed: Vec<_> = self.all.iter().map(|peer| peer.link.borrow()).collect();
        let descriptors: Vec<_> = borrowed.iter().map(|link| link.incoming.sleeps_at()).collect();
        sleep(&descriptors)
    }

    /// Says on every link that this side is awake; `rang` says of each whether it was rung for.
    pub(super) fn end_sleep(&mut self, rang: impl Fn(usize) -> bool) {
        for (index, peer) in self.all.iter_mut().enumerate() {
            let wake = peer.link.borrow_mut().incoming.end_sleep(rang(index));
            peer.gone |= !matches!(wake, Ok(Wake::Rung));
        }
    }
}

/// Waits for the next message of a backend with one link; `None` once its frontend is gone and
/// everything is taken in.
#[inline]
pub(super) fn next(link: &RefCell<LinkEnd>) -> Option<Arrived> {
    let mut link = link.borrow_mut();
    let mut gone = false;
    loop {
        match link.incoming.next() {
            Ok(Some(arrived)) => return Some(arrived),
            Ok(None) if gone => return None,
            Ok(None) => {}
            // A frontend is trusted; if its memory makes no sense all the same, there is nothing to serve.
            Err(_) => return None,
        }
        gone = !matches!(link.incoming.wait(Interest::MESSAGE, None), Ok(Wake::Rung));
    }
}
