//! What a select can wait for, and how each shows that it is ready.
//! Not here: whose turn it is (`Select`).
//! Layer 7: over `channel`, `frames`, `process` and `actor`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytemuck::Pod;

use super::calls::Call;
use crate::actor::{Pending, Whereabouts};
use crate::channel::{End, Receiver};
use crate::frames::FrameReader;
use crate::process::Process;
use crate::sys::epoll::Interest;
use crate::sys::limits::with_descriptors;

/// What [`Select::add`](super::Select::add) takes: a receiver, a process, a pending call, a reader of frames.
///
/// Of a `&Receiver`, a `&Process` and a `&Pending` it keeps no borrow: they may be used, moved and dropped while it
/// waits for them. A reader of frames is borrowed for as long as the select lives, or shared by an [`Rc`].
/// Anything else with a descriptor goes by [`Select::add_fd`](super::Select::add_fd).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a `Select` knows",
    label = "give a `&Receiver`, `&Process`, `&Pending` or `&FrameReader`",
    note = "anything `AsFd` can be added by `Select::add_fd`"
)]
pub trait Source<'s>: sealed::Source<'s> {}

impl<'s, S: sealed::Source<'s>> Source<'s> for S {}

pub(super) mod sealed {
    /// As it is watched.
    pub trait Source<'s> {
        /// What is watched of it.
        #[doc(hidden)]
        fn watched(self) -> super::Watched<'s>;
    }
}

/// A source, as it is watched.
pub struct Watched<'s>(pub(super) Entry<'s>);

pub(super) enum Entry<'s> {
    /// A descriptor of the user's, kept open by what owns it.
    Descriptor(Box<dyn AsFd + 's>, Interest),
    /// The receiver of a channel, which takes itself out when it goes.
    Receiver(Weak<End>),
    Process(Watch),
    Frames(Box<dyn Flow + 's>),
    Call(Box<Call>),
    /// A call whose way is still to be watched.
    Whereabouts(Whereabouts),
    Timer {
        period: Option<Duration>,
    },
    Trigger,
    /// Of a sort that is always ready.
    Always,
}

impl std::fmt::Debug for Watched<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Watched")
    }
}

/// The life of a process that is watched.
pub(super) struct Watch {
    process: Process,
    /// Of our own, because the number of the process's stands for another life after a restart, and the
    /// kernel watches what it stood for.
    descriptor: Option<OwnedFd>,
    restarts: u64,
}

impl Watch {
    fn new(process: Process) -> Self {
        Self { process, descriptor: None, restarts: 0 }
    }

    /// A descriptor that is readable at the end of the life there is now.
    pub(super) fn begin(&mut self) -> io::Result<&OwnedFd> {
        // The descriptor stands for a new life before that is counted. So one that is older than its count
        // is a life that has ended, and makes us look again.
        self.restarts = self.process.restarts();
        let descriptor = with_descriptors(|| self.process.as_fd().try_clone_to_owned())?;
        Ok(self.descriptor.insert(descriptor))
    }

    pub(super) fn descriptor(&self) -> Option<&OwnedFd> {
        self.descriptor.as_ref()
    }

    /// Whether there is a newer life than the one that is watched.
    pub(super) fn is_outdated(&self) -> bool {
        self.process.restarts() != self.restarts
    }
}

/// Frames that may come.
pub(super) trait Flow: AsFd {
    /// Announces that somebody sleeps; `true` if there is no need to.
    fn prepare(&self) -> bool;
    /// The descriptor has shown something; whether there is a frame, or the end.
    fn settle(&self) -> bool;
}

impl<T: Pod, M: Pod> Flow for &FrameReader<T, M> {
    fn prepare(&self) -> bool {
        self.prepare_sleep()
    }

    fn settle(&self) -> bool {
        self.settle_rings()
    }
}

impl<T: Pod, M: Pod> Flow for Rc<FrameReader<T, M>> {
    fn prepare(&self) -> bool {
        self.prepare_sleep()
    }

    fn settle(&self) -> bool {
        self.settle_rings()
    }
}

impl<T> sealed::Source<'_> for &Receiver<T> {
    fn watched(self) -> Watched<'static> {
        Watched(Entry::Receiver(Arc::downgrade(self.end())))
    }
}

impl sealed::Source<'_> for &Process {
    fn watched(self) -> Watched<'static> {
        Watched(Entry::Process(Watch::new(self.clone())))
    }
}

impl<T, E> sealed::Source<'_> for &Pending<T, E> {
    fn watched(self) -> Watched<'static> {
        Watched(Entry::Whereabouts(self.whereabouts()))
    }
}

impl<'s, T: Pod, M: Pod> sealed::Source<'s> for &'s FrameReader<T, M> {
    fn watched(self) -> Watched<'s> {
        Watched(Entry::Frames(Box::new(self)))
    }
}

impl<'s, T: Pod, M: Pod> sealed::Source<'s> for Rc<FrameReader<T, M>> {
    fn watched(self) -> Watched<'s> {
        Watched(Entry::Frames(Box::new(self)))
    }
}

/// The moment that many seconds from now, or as far away as makes no difference.
pub(super) fn moment_after(delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    let now = Instant::now();
    now.checked_add(delay.min(CENTURY)).unwrap_or(now)
}
