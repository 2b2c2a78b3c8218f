//! The descriptors of a select, and what other threads tell it.
//! Not here: whose turn it is (`Select`).
//! Layer 7: over `sys`.
//!
//! * V1: who tells puts the news in the list first, and rings if nobody has since the list was taken last. Who
//!   waits takes that note away before it takes the list. So news are in the list that is taken, or ring.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::channel::Watcher;
use crate::sys::epoll::{Epoll, Interest};
use crate::sys::limits::with_descriptors;
use crate::sys::while_doing;

/// Number of the descriptor that rings for news.
pub(super) const BELL: u64 = 0;
/// Number of the descriptor that rings for timers.
pub(super) const TIMER: u64 = 1;
/// The first number of anything else.
const FIRST: u64 = 2;

/// What other threads have told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// May be ready now: each once, in the order in which it was told first. So who tells faster than this is taken
    /// in piles nothing up.
    pub(super) woken: Vec<u64>,
    in_woken: HashSet<u64>,
    /// Cannot be waited for any more.
    pub(super) gone: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Poller {
    pub(super) epoll: Epoll,
    bell: EventFd,
    timer: TimerFd,
    news: Mutex<News>,
    has_news: AtomicBool,
}

/// Tells a poller that something may be ready.
struct Woken {
    poller: Arc<Poller>,
    number: u64,
}

/// A number that no other source of this process has or had.
pub(super) fn new_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(FIRST);
    // Relaxed: each number is given out once, in any order.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Poller {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let refused = |errno| while_doing("what a select waits at could not be made", errno);
        let made = with_descriptors(|| {
            let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
            let timer =
                TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK);
            Ok((Epoll::new()?, bell.map_err(refused)?, timer.map_err(refused)?))
        });
        let (epoll, bell, timer) = made?;
        epoll.add(bell.as_fd(), BELL, Interest::Read)?;
        epoll.add(timer.as_fd(), TIMER, Interest::Read)?;
        Ok(Arc::new(Self { epoll, bell, timer, news: Mutex::default(), has_news: AtomicBool::new(false) }))
    }

    /// Watches a descriptor of a sort that can be waited for.
    pub(super) fn watch(
        &self,
        descriptor: BorrowedFd<'_>,
        number: u64,
        interest: Interest,
    ) -> io::Result<()> {
        if self.epoll.add(descriptor, number, interest)? {
            return Ok(());
        }
        // It would be told at every wait, or never. What came from another process may be anything.
        let text = "its descriptor is of a sort that cannot be waited for, as a regular file is";
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    /// What was told since the last time.
    pub(super) fn take_news(&self) -> Option<News> {
        // V1. SYNC: news (acquire).
        self.has_news.swap(false, Ordering::Acquire).then(|| std::mem::take(&mut *self.news()))
    }

    /// Whether something was told since the list was taken.
    pub(super) fn has_news(&self) -> bool {
        // Relaxed: what is told later rings, as the note was not there (V1).
        self.has_news.load(Ordering::Relaxed)
    }

    /// The bell has rung.
    pub(super) fn silence_bell(&self) {
        let _ = self.bell.read();
    }

    /// The timer has rung.
    pub(super) fn silence_timer(&self) {
        // Not `TimerFd::wait`, which would wait.
        let _ = nix::unistd::read(&self.timer, &mut [0; 8]);
    }

    /// Has the timer ring at a moment, which may have passed, or not at all.
    pub(super) fn set_timer(&self, moment: Option<Instant>) -> io::Result<()> {
        let refused = |errno| while_doing("a timer could not be set", errno);
        let Some(moment) = moment else { return self.timer.unset().map_err(refused) };
        let left = moment.saturating_duration_since(Instant::now());
        // Zero would mean never.
        let left = TimeSpec::from_duration(left.max(std::time::Duration::from_nanos(1)));
        self.timer.set(Expiration::OneShot(left), TimerSetTimeFlags::empty()).map_err(refused)
    }

    /// A waker for one number.
    pub(super) fn waker(self: &Arc<Self>, number: u64) -> Waker {
        Waker::from(Arc::new(Woken { poller: Arc::clone(self), number }))
    }

    pub(super) fn wake(&self, number: u64) {
        self.tell(|news| {
            if news.in_woken.insert(number) {
                news.woken.push(number);
            }
        });
    }

    fn tell(&self, add: impl FnOnce(&mut News)) {
        add(&mut self.news());
        // V1. SYNC: news (release).
        if !self.has_news.swap(true, Ordering::Release) {
            self.ring();
        }
    }

    pub(super) fn ring(&self) {
        // Full, it rings already.
        let _ = self.bell.write(1);
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.poller.wake(self.number);
    }
}

impl Watcher for Poller {
    fn leaves(&self, descriptor: BorrowedFd<'_>, key: u64) {
        self.epoll.remove(descriptor);
        self.tell(|news| news.gone.push(key));
    }
}
