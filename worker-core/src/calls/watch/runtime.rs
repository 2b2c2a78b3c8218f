//! A tokio runtime as the watcher: the doorbell is registered with it, and a task looks when it rings.
//! Not here: what a look does (`Client::look`).
//! Layer 4: feature `tokio`.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use super::{End, Key, run_aside};
use crate::calls::client::{Client, Seen};
use crate::sys::runtime::register;

/// The task of one link in one runtime. It is dropped with the runtime, or ended by the link.
struct Watch {
    bell: AsyncFd<Arc<OwnedFd>>,
    client: Weak<Client>,
    key: Key,
}

pub(super) fn begin(client: &Arc<Client>, key: Key) -> io::Result<End> {
    let bell = register(client.bell())?;
    let watch = Watch { bell, client: Arc::downgrade(client), key };
    // A task of its own, because a descriptor wakes one task, and that one may be dropped at any time.
    let task = Handle::current().spawn(async move { poll_fn(|context| watch.look(context)).await });
    let task = task.abort_handle();
    Ok(End::new(move || task.abort()))
}

impl Watch {
    /// Looks for as long as the bell rings; ready when there will be nothing to see any more.
    fn look(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut rung = self.bell.poll_read_ready(context);
        loop {
            let Some(client) = self.client.upgrade() else { return Poll::Ready(()) };
            match (client.look(self.key, context.waker()), rung) {
                (Seen::Quiet, Poll::Ready(Ok(mut event))) => {
                    // Only now: what rang since the look is a newer event, which this leaves alone.
                    event.clear_ready();
                    rung = self.bell.poll_read_ready(context);
                    if rung.is_pending() {
                        return Poll::Pending;
                    }
                }
                (Seen::Quiet, Poll::Pending) => return Poll::Pending,
                (Seen::More, _) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // The event stays, for the look that the end of that lead brings (C6).
                (Seen::Led, _) => return Poll::Pending,
                (Seen::Dying(dying), _) => {
                    run_aside(dying);
                    return Poll::Pending;
                }
                // The runtime is about to end, or the link has.
                (Seen::Quiet, Poll::Ready(Err(_))) | (Seen::Dead, _) => return Poll::Ready(()),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(client) = self.client.upgrade() {
            client.unwatch(self.key);
        }
    }
}
