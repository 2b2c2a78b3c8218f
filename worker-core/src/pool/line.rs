//! The line of those who wait for a process: first come, first served.
//! Not here: what they are given (`state`).
//! Layer 7: plain data; its owner locks it.

use std::collections::VecDeque;
use std::task::Waker;
use std::thread::{self, Thread};

/// How to wake somebody.
#[derive(Debug)]
pub(super) enum Wake {
    Thread(Thread),
    Task(Waker),
}

impl Wake {
    pub(super) fn this_thread() -> Self {
        Self::Thread(thread::current())
    }

    fn wake(&self, woken: &mut Vec<Waker>) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Task(waker) => woken.push(waker.clone()),
        }
    }
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: VecDeque<(Place, Wake)>,
    /// Those who have something to do meanwhile, and take what nobody in the line wants.
    listeners: Vec<(Place, Wake)>,
    /// Tasks that are to be woken as soon as nothing is locked.
    woken: Vec<Waker>,
    next: u64,
}

impl Line {
    /// Stands at the end.
    pub(super) fn enter(&mut self, wake: Wake) -> Place {
        let place = Place(self.next);
        self.next += 1;
        self.waiting.push_back((place, wake));
        place
    }

    /// Has another waker woken for the same place, because a task may move; gives the old one, to be dropped elsewhere.
    pub(super) fn renew(&mut self, place: Place, wake: Wake) -> Option<Wake> {
        let (_, old) =
            self.waiting.iter_mut().chain(&mut self.listeners).find(|(other, _)| *other == place)?;
        Some(std::mem::replace(old, wake))
    }

    /// Gives a place up, in the line or beside it; gives its waker, to be dropped elsewhere.
    pub(super) fn leave(&mut self, place: Place) -> Option<Wake> {
        if let Some(position) = self.waiting.iter().position(|(other, _)| *other == place) {
            return self.waiting.remove(position).map(|(_, wake)| wake);
        }
        let position = self.listeners.iter().position(|(other, _)| *other == place)?;
        Some(self.listeners.swap_remove(position).1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_first(&self, place: Place) -> bool {
        self.waiting.front().is_some_and(|(first, _)| *first == place)
    }

    /// Has somebody woken by whatever changes that nobody in the line has a use for, until it leaves.
    pub(super) fn listen(&mut self, wake: Wake) -> Place {
        let place = Place(self.next);
        self.next += 1;
        self.listeners.push((place, wake));
        place
    }

    /// Has the first look again (P2).
    pub(super) fn wake_first(&mut self) {
        match self.waiting.front() {
            Some((_, wake)) => wake.wake(&mut self.woken),
            None => self.listeners.iter().for_each(|(_, wake)| wake.wake(&mut self.woken)),
        }
    }

    pub(super) fn wake_all(&mut self) {
        self.waiting.iter().chain(&self.listeners).for_each(|(_, wake)| wake.wake(&mut self.woken));
    }

    pub(super) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// The tasks that are to be woken now.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_come_is_the_first_until_it_leaves() {
        let mut line = Line::default();
        let places = [(); 3].map(|()| line.enter(Wake::this_thread()));
        assert!(line.is_first(places[0]) && !line.is_first(places[1]));
        line.leave(places[1]);
        line.leave(places[0]);
        assert!(line.is_first(places[2]));
        line.leave(places[2]);
        assert!(line.is_empty() && !line.is_first(places[2]));
    }
}
