//! The wait of a select: whose turn it is, and what a descriptor that shows something means.
//! Not here: what is waited for (`source`, `entering`).
//! Layer 7: over `poller`.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use super::calls::Progress;
use super::poller::{BELL, News, Poller, TIMER};
use super::source::Entry;
use super::timers::next_tick;
use super::{Key, Select, Turn};
use crate::sys::epoll::Interest;

impl Select<'_> {
    pub(super) fn wait_until(&mut self, deadline: Option<Instant>) -> io::Result<Option<Key>> {
        let poller = match &self.poller {
            Ok(poller) => Arc::clone(poller),
            Err((kind, text)) => return Err(io::Error::new(*kind, text.clone())),
        };
        let mut late_turns = 0;
        loop {
            if let Some(news) = poller.take_news() {
                self.take_in(news);
            }
            if let Some(moment) = self.timers.reset() {
                poller.set_timer(moment)?;
            }
            if let Some(key) = self.find_ready(&poller)? {
                return Ok(Some(key));
            }
            if let Some(error) = self.refused.pop_front() {
                return Err(error);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                late_turns += 1;
                if late_turns > self.sources() {
                    // What has rung since the deadline, each in its turn, meant nothing, and may do so for ever: a bell
                    // that another process has, or a thread. What is told and not taken rings again for the next wait.
                    if poller.has_news() {
                        poller.ring();
                    }
                    return Ok(None);
                }
            }
            if poller.has_news() {
                // Told since the list was taken, perhaps by a look of our own just now; and the ring for it may
                // have been taken in when the kernel was asked in its turn. Asleep, we would never hear of it.
                continue;
            }
            if self.entries.is_empty() && deadline.is_none() {
                let text = "the select has no source, so nothing could ever end this wait";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            // Every reader of frames has announced by now that it sleeps.
            let Some(number) = poller.epoll.wait(deadline)? else { return Ok(None) };
            if let Some(key) = self.shown_by_kernel(number, &poller)? {
                self.turn = Turn::Queue;
                return Ok(Some(key));
            }
        }
    }

    /// How many descriptors there may be to tell of: each once, with those of the select itself.
    fn sources(&self) -> usize {
        self.entries.len() + self.links.len() + 2
    }

    /// Asks the three sorts in turn. With nothing but descriptors the wait itself will ask the kernel.
    fn find_ready(&mut self, poller: &Arc<Poller>) -> io::Result<Option<Key>> {
        if self.ready.is_empty() && self.flows.is_empty() {
            return Ok(None);
        }
        for _ in 0..3 {
            let (found, next) = match self.turn {
                Turn::Queue => (self.next_of_queue(poller)?, Turn::Frames),
                Turn::Frames => (self.next_of_frames(), Turn::Kernel),
                Turn::Kernel => {
                    let number = poller.epoll.wait(Some(Instant::now()))?;
                    let found = number.map(|number| self.shown_by_kernel(number, poller)).transpose()?;
                    (found.flatten(), Turn::Queue)
                }
            };
            self.turn = next;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn next_of_queue(&mut self, poller: &Arc<Poller>) -> io::Result<Option<Key>> {
        // Each once: a link with more to take in stands at the end again, and others have their turn.
        for _ in 0..self.ready.len() {
            let Some(number) = self.ready.pop_front() else { break };
            match self.entries.get_mut(&number) {
                None if self.links.look(number) => self.ready.push_back(number),
                None => {}
                Some(Entry::Call(call)) => {
                    call.is_queued = false;
                    match call.look(&mut self.links, poller) {
                        Ok(Progress::Waiting) => {}
                        Ok(Progress::Ready) => {
                            // Told again until somebody takes the result.
                            call.is_queued = true;
                            self.ready.push_back(number);
                            return Ok(Some(Key(number)));
                        }
                        Ok(Progress::Over) => {
                            self.remove(Key(number));
                        }
                        Err(error) => {
                            self.remove(Key(number));
                            self.refused.push_back(error);
                        }
                    }
                }
                Some(Entry::Timer { period: None }) => {
                    self.remove(Key(number));
                    return Ok(Some(Key(number)));
                }
                Some(Entry::Always) => {
                    self.ready.push_back(number);
                    return Ok(Some(Key(number)));
                }
                Some(_) => return Ok(Some(Key(number))),
            }
        }
        Ok(None)
    }

    fn next_of_frames(&mut self) -> Option<Key> {
        for _ in 0..self.flows.len() {
            let place = self.next_flow % self.flows.len();
            self.next_flow = place + 1;
            let number = self.flows[place];
            if let Some(Entry::Frames(flow)) = self.entries.get(&number)
                && flow.prepare()
            {
                return Some(Key(number));
            }
        }
        None
    }

    /// What a descriptor that shows something means; `None` if nobody needs to know.
    fn shown_by_kernel(&mut self, number: u64, poller: &Arc<Poller>) -> io::Result<Option<Key>> {
        match number {
            BELL => poller.silence_bell(),
            TIMER => {
                poller.silence_timer();
                self.timers.rang();
                self.ring_timers();
            }
            _ if self.links.is_one(number) => self.ready.push_back(number),
            _ => {
                let is_ready = match self.entries.get_mut(&number) {
                    None => false,
                    Some(Entry::Frames(flow)) => flow.settle(),
                    Some(Entry::Process(watch)) => {
                        if watch.is_outdated() {
                            // Its end is told, and the next life is watched from now on.
                            if let Some(old) = watch.descriptor() {
                                poller.epoll.remove(old.as_fd());
                            }
                            let descriptor = watch.begin()?.as_fd();
                            poller.watch(descriptor, number, Interest::Read)?;
                        }
                        true
                    }
                    Some(_) => true,
                };
                return Ok(is_ready.then_some(Key(number)));
            }
        }
        Ok(None)
    }

    /// Has timers told whose moment has come.
    fn ring_timers(&mut self) {
        let now = Instant::now();
        while let Some((moment, number)) = self.timers.take_due(now) {
            let Some(Entry::Timer { period }) = self.entries.get(&number) else { continue };
            if let Some(period) = *period {
                self.timers.enter(next_tick(moment, period, now), number);
            }
            if !self.ready.contains(&number) {
                self.ready.push_back(number);
            }
        }
    }

    /// Takes in what other threads told.
    fn take_in(&mut self, news: News) {
        for number in news.woken {
            match self.entries.get_mut(&number) {
                Some(Entry::Call(call)) if call.is_queued => {}
                Some(Entry::Call(call)) => {
                    call.is_queued = true;
                    self.ready.push_back(number);
                }
                Some(Entry::Trigger) if self.ready.contains(&number) => {}
                Some(_) => self.ready.push_back(number),
                None if self.links.is_one(number) => self.ready.push_back(number),
                None => {}
            }
        }
        for number in news.gone {
            self.entries.remove(&number);
        }
    }
}
