//! Actors that are kept alive together.
//! Not here: an actor that is restarted by itself (`process::restart`).
//! Layer 7: above `actor`.
//!
//! ```text
//!  supervise: wait for an end ---> whose, and is it to be followed by another life?
//!                  ^                   | yes                       | no
//!                  |                   v                           v
//!                  |     one more within the limit? -- no --> stop all, give up
//!                  |                   | yes
//!                  +--- start <--- stop whom the strategy names, in reverse order
//! ```

mod member;
mod supervise;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::actor::Frontend;
use crate::errors::{Exit, SpawnError, StopError};
use crate::process::{Backoff, Builder, Ledger, Restart};
use member::{Keep, Member};

pub use supervise::GroupError;

/// Who is restarted when one member of a [`Group`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// That one.
    OneForOne,
    /// Every member: all others are stopped, in reverse order, and all are started, in order.
    OneForAll,
    /// That one and those that were added after it, which may depend on it.
    RestForOne,
}

/// Actors that are started in order, kept alive together, and stopped in reverse order.
///
/// A member is *permanent* (restarted after every end), *transient* (after a crash, not after a clean
/// end) or *temporary* (never). Its frontends stay good over all its lives. When the members of a group
/// end more often than its limit allows, the group stops all of them and gives up.
///
/// No thread is started for any of this: some thread of the program runs [`Group::supervise`]. While one
/// does, a call to a member that has ended waits for its next life; while none does, such a call comes
/// back with [`NotSent`](crate::CallError::NotSent) at once. So nothing ever waits for nobody.
///
/// Clones are the same group. Dropping a group stops nobody; see `docs/supervision.md`.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use worker_core::{Builder, Group, Strategy, process_actor};
///
/// pub struct Counter { total: i64 }
///
/// #[process_actor]
/// impl Counter {
///     pub fn new(start: i64) -> Self { Self { total: start } }
///     pub fn add(&mut self, n: i64) -> i64 { self.total += n; self.total }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let group = Group::new(Strategy::OneForOne).max(3);
/// let builder = Builder::new().name("counter-1");
/// let counter = group.permanent(&builder, |builder| CounterFrontend::spawn_with(builder, 40))?;
/// let supervisor = { let group = group.clone(); thread::spawn(move || group.supervise()) };
///
/// assert_eq!(counter.add(2)?, 42);
/// counter.process().kill()?;
/// // A call may still be in flight to the life that ends; this one retries.
/// let total = loop { if let Ok(total) = counter.add(2) { break total } };
/// assert_eq!(total, 42);
///
/// assert!(group.stop()?[0].is_clean());
/// supervisor.join().unwrap()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Group {
    shared: Arc<Shared>,
}

/// What the clones of a group share.
struct Shared {
    strategy: Strategy,
    /// Never locked while anything is waited for.
    members: Mutex<Vec<Arc<Member>>>,
    /// Held by the one who restarts or stops members.
    work: Mutex<Work>,
    stopping: AtomicBool,
    /// Threads in [`Group::supervise`].
    supervisors: AtomicUsize,
    /// Wakes them; made by the first.
    wake: OnceLock<EventFd>,
}

struct Work {
    limit: Restart,
    ledger: Ledger,
    /// Set once the group has given up.
    given_up: Option<Exit>,
}

impl Group {
    /// A group without members: at most five restarts in ten seconds, and no waiting before the first.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        let limit = Restart::always();
        let work = Work { ledger: Ledger::new(&limit), limit, given_up: None };
        Self {
            shared: Arc::new(Shared {
                strategy,
                members: Mutex::default(),
                work: Mutex::new(work),
                stopping: AtomicBool::new(false),
                supervisors: AtomicUsize::new(0),
                wake: OnceLock::new(),
            }),
        }
    }

    /// Sets how many restarts the window may see, of all members together.
    #[must_use]
    pub fn max(self, max: u32) -> Self {
        self.limited(|limit| limit.max(max))
    }

    /// Sets the length of the window, which moves: it always ends now.
    #[must_use]
    pub fn within(self, window: Duration) -> Self {
        self.limited(|limit| limit.within(window))
    }

    /// Sets the waiting time before a restart, as [`Restart::backoff`] does.
    #[must_use]
    pub fn backoff(self, backoff: impl Into<Backoff>) -> Self {
        let backoff = backoff.into();
        self.limited(|limit| limit.backoff(backoff))
    }

    fn limited(self, change: impl FnOnce(Restart) -> Restart) -> Self {
        {
            let mut work = self.shared.work();
            work.limit = change(work.limit.clone());
            work.ledger = Ledger::new(&work.limit);
        }
        self
    }

    /// Adds a member that is restarted after every end.
    ///
    /// `spawn` must use the builder that it is given, which is `builder` but for the restarting.
    ///
    /// # Errors
    ///
    /// Those of `spawn`; and [`SpawnError::Io`] if it used another builder, or if the group has ended.
    pub fn permanent<F: Frontend, E>(
        &self,
        builder: &Builder,
        spawn: impl FnOnce(&Builder) -> Result<F, SpawnError<E>>,
    ) -> Result<F, SpawnError<E>> {
        self.add(Keep::Permanent, builder, spawn)
    }

    /// Adds a member that is restarted after a crash. Once it has ended in order it is none any more.
    ///
    /// # Errors
    ///
    /// As for [`Group::permanent`].
    pub fn transient<F: Frontend, E>(
        &self,
        builder: &Builder,
        spawn: impl FnOnce(&Builder) -> Result<F, SpawnError<E>>,
    ) -> Result<F, SpawnError<E>> {
        self.add(Keep::Transient, builder, spawn)
    }

    /// Adds a member that is never restarted, but stopped with the others.
    ///
    /// # Errors
    ///
    /// As for [`Group::permanent`].
    pub fn temporary<F: Frontend, E>(
        &self,
        builder: &Builder,
        spawn: impl FnOnce(&Builder) -> Result<F, SpawnError<E>>,
    ) -> Result<F, SpawnError<E>> {
        self.add(Keep::Temporary, builder, spawn)
    }

    fn add<F: Frontend, E>(
        &self,
        keep: Keep,
        builder: &Builder,
        spawn: impl FnOnce(&Builder) -> Result<F, SpawnError<E>>,
    ) -> Result<F, SpawnError<E>> {
        let builder = Builder { in_group: true, ..builder.clone() };
        let frontend = spawn(&builder)?;
        let misuse = |what: &str| SpawnError::Io(io::Error::new(io::ErrorKind::InvalidInput, what));
        let member = Member::new(frontend.process(), keep).ok_or_else(|| {
            misuse("a member of a group must be spawned with the builder that the group gives")
        })?;
        let work = self.shared.work();
        if work.given_up.is_some() || self.shared.is_stopping() {
            return Err(misuse("the group has ended, and takes no more members"));
        }
        member.renewal().attend(self.shared.supervisors.load(Ordering::SeqCst) > 0);
        self.shared.members().push(Arc::new(member));
        drop(work);
        self.shared.wake();
        Ok(frontend)
    }

    /// Stops every member, in reverse order, each with its own stop timeout, and ends the group.
    ///
    /// A restart that is going on is broken off. Gives the ends in the order in which the members were
    /// added. A group that has ended already gives the same again.
    ///
    /// # Errors
    ///
    /// If the system refuses to signal a member; the others are stopped all the same.
    pub fn stop(&self) -> Result<Vec<Exit>, StopError> {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.wake();
        for member in self.shared.members().iter() {
            member.renewal().interrupt();
        }
        let _work = self.shared.work();
        let members = self.shared.members().clone();
        // All are tried, whatever the first says.
        let mut exits: Vec<_> = members.iter().rev().map(|member| member.stop()).collect();
        exits.reverse();
        Ok(exits.into_iter().collect::<io::Result<Vec<_>>>()?)
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Has every supervisor look again.
    fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            // It fails only where it is set already, beyond counting.
            let _ = wake.write(1);
        }
    }

    fn wake_descriptor(&self) -> io::Result<&EventFd> {
        if self.wake.get().is_none() {
            let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
            // Somebody else may have been first, which is as good.
            let _ = self.wake.set(EventFd::from_flags(flags)?);
        }
        self.wake.get().ok_or_else(|| io::Error::other("a group without a descriptor to wake it"))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.shared.members().iter().map(|member| member.name().to_owned()).collect();
        formatter
            .debug_struct("Group")
            .field("strategy", &self.shared.strategy)
            .field("members", &names)
            .finish_non_exhaustive()
    }
}
