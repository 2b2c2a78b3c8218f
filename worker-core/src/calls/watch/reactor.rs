//! One thread that watches the doorbells of all links that tasks of any executor but tokio wait for.
//! Not here: what a look does (`Client::look`).
//! Layer 4: over `epoll`.
//!
//! The thread, `worker-reactor`, begins with the first link that is watched, and ends with the last.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::thread;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::{End, Key, run_aside};
use crate::calls::client::{Client, Seen};
use crate::sys::while_doing;

/// The reactor that runs, if one does.
static REACTOR: Mutex<Option<Arc<Reactor>>> = Mutex::new(None);

/// Token of the descriptor that has the thread look at what is due.
const KICK: u64 = 0;
/// Events that one call of the kernel tells.
const EVENTS_MAX: usize = 64;

struct Reactor {
    epoll: Epoll,
    kick: EventFd,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    links: HashMap<u64, Link>,
    last_token: u64,
    /// Links to look at whether they rang or not.
    due: Vec<u64>,
}

struct Link {
    client: Weak<Client>,
    bell: Arc<OwnedFd>,
    /// Its other side is closed, which is told once, and mostly together with the last ring. A look that takes the
    /// ring out finds everything quiet, and the next one finds the end: without it nobody ever would.
    has_hung_up: bool,
    /// Has it looked at again.
    waker: Waker,
}

/// Has one link looked at again.
struct Again {
    reactor: Weak<Reactor>,
    token: u64,
}

pub(super) fn begin(client: &Arc<Client>) -> io::Result<End> {
    // Held until the link is entered, so that the thread does not end in between.
    let mut running = REACTOR.lock().unwrap_or_else(PoisonError::into_inner);
    let reactor = match &*running {
        Some(reactor) => Arc::clone(reactor),
        None => {
            let reactor = Arc::new(Reactor::new()?);
            let of_thread = Arc::clone(&reactor);
            let thread = thread::Builder::new().name("worker-reactor".to_owned());
            thread.spawn(move || of_thread.run())?;
            Arc::clone(running.insert(reactor))
        }
    };
    let token = reactor.enter(client)?;
    Ok(End::new(move || reactor.leave(token)))
}

impl Reactor {
    fn new() -> io::Result<Self> {
        let refused = |errno| while_doing("the thread that waits for tasks could not begin", errno);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(refused)?;
        let kick = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(refused)?;
        epoll
            .add(&kick, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, KICK))
            .map_err(refused)?;
        Ok(Self { epoll, kick, watched: Mutex::default() })
    }

    /// Enters a link, which is looked at soon, whatever has rung before.
    fn enter(self: &Arc<Self>, client: &Arc<Client>) -> io::Result<u64> {
        let bell = client.bell();
        let mut watched = self.watched();
        watched.last_token += 1;
        let token = watched.last_token;
        // Told once for each ring, which is all that a look needs, and leaves others' rings alone (C6).
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, token);
        if let Err(errno) = self.epoll.add(&bell, event) {
            drop(watched);
            self.ring();
            return Err(while_doing("a link could not be watched", errno));
        }
        let waker = Waker::from(Arc::new(Again { reactor: Arc::downgrade(self), token }));
        watched.links.insert(token, Link { client: Arc::downgrade(client), bell, has_hung_up: false, waker });
        watched.due.push(token);
        drop(watched);
        self.ring();
        Ok(token)
    }

    fn leave(&self, token: u64) {
        let link = self.watched().links.remove(&token);
        if let Some(link) = link {
            let _ = self.epoll.delete(&link.bell);
        }
        // The thread may have nothing left to do.
        self.ring();
    }

    fn run(&self) {
        let mut events = [EpollEvent::empty(); EVENTS_MAX];
        while !self.ends() {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(errno) => panic!("the thread that waits for tasks cannot wait: {errno}"),
            };
            let mut due = Vec::new();
            for event in &events[..count] {
                if event.data() == KICK {
                    let _ = self.kick.read();
                    continue;
                }
                due.push(event.data());
                if event.events().contains(EpollFlags::EPOLLHUP)
                    && let Some(link) = self.watched().links.get_mut(&event.data())
                {
                    link.has_hung_up = true;
                }
            }
            due.append(&mut self.watched().due);
            due.into_iter().for_each(|token| self.look(token));
        }
    }

    /// Whether there is nothing left to watch. The next link begins another thread then.
    fn ends(&self) -> bool {
        let mut running = REACTOR.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = self.watched().links.is_empty();
        if ends {
            *running = None;
        }
        ends
    }

    fn look(&self, token: u64) {
        let link = self
            .watched()
            .links
            .get(&token)
            .map(|link| (link.client.upgrade(), link.waker.clone(), link.has_hung_up));
        let Some((Some(client), waker, has_hung_up)) = link else { return };
        match client.look(Key::Reactor, &waker) {
            // Told of the next ring, or woken at the end of the other's lead.
            Seen::Quiet if !has_hung_up => {}
            Seen::Led => {}
            Seen::Quiet | Seen::More => {
                self.watched().due.push(token);
                self.ring();
            }
            Seen::Dying(dying) => run_aside(dying),
            Seen::Dead => client.unwatch(Key::Reactor),
        }
    }

    fn ring(&self) {
        // Full, it rings already.
        let _ = self.kick.write(1);
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        if let Some(reactor) = self.reactor.upgrade() {
            reactor.watched().due.push(self.token);
            reactor.ring();
        }
    }
}
