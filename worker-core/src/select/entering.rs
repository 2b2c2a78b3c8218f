//! How each sort of source comes into a select.
//! Not here: waiting for it (`waiting`), and how it goes (`Select::remove`).
//! Layer 7: over `poller`.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::calls::{Call, Progress};
use super::poller::{Poller, new_number};
use super::source::Entry;
use super::{Key, Select};
use crate::channel::Watcher;
use crate::sys::epoll::Interest;

impl<'s> Select<'s> {
    /// Takes a source in, or notes why not, for the next wait to tell.
    pub(super) fn enter(&mut self, entry: Entry<'s>) -> Key {
        let number = new_number();
        let Ok(poller) = &self.poller else { return Key(number) };
        let poller = Arc::clone(poller);
        match self.entered(entry, number, &poller) {
            Ok(entry) => drop(self.entries.insert(number, entry)),
            Err(error) => {
                let text = format!("a source could not be added to a select: {error}");
                self.refused.push_back(io::Error::new(error.kind(), text));
            }
        }
        Key(number)
    }

    /// Has an entry watched.
    fn entered(&mut self, entry: Entry<'s>, number: u64, poller: &Arc<Poller>) -> io::Result<Entry<'s>> {
        match entry {
            Entry::Descriptor(descriptor, interest) => {
                if poller.epoll.add((*descriptor).as_fd(), number, interest)? {
                    return Ok(Entry::Descriptor(descriptor, interest));
                }
                self.ready.push_back(number);
                Ok(Entry::Always)
            }
            Entry::Receiver(end) => {
                if let Some(end) = end.upgrade() {
                    poller.watch(end.as_fd(), number, Interest::Read)?;
                    let watcher: Arc<dyn Watcher> = Arc::<Poller>::clone(poller);
                    end.watched_by(Arc::downgrade(&watcher), number);
                }
                Ok(Entry::Receiver(end))
            }
            Entry::Process(mut watch) => {
                poller.watch(watch.begin()?.as_fd(), number, Interest::Read)?;
                Ok(Entry::Process(watch))
            }
            Entry::Frames(flow) => {
                poller.watch(flow.as_fd(), number, Interest::Read)?;
                self.flows.push(number);
                Ok(Entry::Frames(flow))
            }
            Entry::Whereabouts(flight) => {
                let mut call = Call::new(flight, poller.waker(number));
                if call.look(&mut self.links, poller)? != Progress::Waiting {
                    call.is_queued = true;
                    self.ready.push_back(number);
                }
                Ok(Entry::Call(Box::new(call)))
            }
            other @ (Entry::Call(_) | Entry::Timer { .. } | Entry::Trigger | Entry::Always) => Ok(other),
        }
    }
}
