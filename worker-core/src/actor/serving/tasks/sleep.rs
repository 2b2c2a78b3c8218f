//! Sleeping for everything that an actor listens to, without keeping its tasks from running.
//! Not here: what to do then (`super`).
//! Layer 6: over `epoll` and tokio.
//!
//! Doorbells and watched descriptors are put in an `epoll` of their own, and that is registered with the
//! runtime. It only says that there is something: what, is looked at in the same way as without a runtime.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::Shared;
use crate::actor::context::Context;
use crate::actor::serving::links::Links;
use crate::sys::runtime::register;
use crate::sys::while_doing;

/// What the loop sleeps at, kept from one sleep to the next where nothing has changed.
#[derive(Debug, Default)]
pub(super) struct Sleep {
    /// The sources as one descriptor, and the state of the links that it is for.
    sources: Option<(AsyncFd<Arc<OwnedFd>>, u64)>,
}

impl Sleep {
    /// Sleeps until there may be something to do. The sleep has been announced on every link.
    pub(super) async fn until_something<A>(&mut self, links: &Links, shared: &Shared<A>) {
        let (context, deadline) = (&shared.context, shared.context.listeners().next_due());
        let sources = match self.sources(links, context) {
            Ok(Some(sources)) => sources,
            Ok(None) => return,
            Err(error) => panic!("the backend cannot wait for its frontends: {error}"),
        };
        let mut look_again = pin!(shared.look_again.notified());
        let mut due = pin!(deadline.map(|due| tokio::time::sleep_until(Instant::from_std(due))));
        poll_fn(|context| {
            if let Poll::Ready(event) = sources.poll_read_ready(context) {
                // Before the look that follows: what comes after it is a newer event.
                if let Ok(mut event) = event {
                    event.clear_ready();
                }
                return Poll::Ready(());
            }
            let is_due = due.as_mut().as_pin_mut().is_some_and(|due| due.poll(context).is_ready());
            if is_due { Poll::Ready(()) } else { look_again.as_mut().poll(context) }
        })
        .await;
    }

    /// Everything as one descriptor; `None` if something of it needs no waiting for.
    fn sources<A>(
        &mut self,
        links: &Links,
        context: &Context<A>,
    ) -> io::Result<Option<&AsyncFd<Arc<OwnedFd>>>> {
        // A watched descriptor may be closed and another opened under its number, which nobody tells.
        let is_kept = self.sources.as_ref().is_some_and(|(_, changes)| *changes == links.changes());
        if !is_kept || context.listeners().are_some() {
            // The old one first: the runtime takes no two registrations of one number.
            self.sources = None;
            let Some(epoll) = epoll_of(links, context)? else { return Ok(None) };
            self.sources = Some((register(Arc::new(epoll))?, links.changes()));
        }
        Ok(self.sources.as_ref().map(|(sources, _)| sources))
    }
}

fn epoll_of<A>(links: &Links, context: &Context<A>) -> io::Result<Option<OwnedFd>> {
    let refused = |errno| while_doing("its doorbells could not be watched", errno);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(refused)?;
    // Whether it can be waited for.
    let add = |descriptor: &dyn AsFd| match epoll.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, 0)) {
        // Watched twice, it rings once, and both are looked at.
        Ok(()) | Err(Errno::EEXIST) => Ok(true),
        // A file, which is always ready; or it was closed under its watch, which the next look tells.
        Err(Errno::EPERM | Errno::EBADF) => Ok(false),
        Err(errno) => Err(refused(errno)),
    };
    let all = |descriptors: &[&dyn AsFd]| {
        descriptors.iter().try_fold(true, |all, descriptor| Ok::<_, io::Error>(add(*descriptor)? && all))
    };
    let doorbells = links.with_descriptors(|doorbells| {
        all(&doorbells.iter().map(|doorbell| doorbell as &dyn AsFd).collect::<Vec<_>>())
    })?;
    let watches = context.listeners().with_watched(|watched| {
        all(&watched.iter().map(|(_, source)| source as &dyn AsFd).collect::<Vec<_>>())
    })?;
    Ok((doorbells && watches).then_some(epoll.0))
}
