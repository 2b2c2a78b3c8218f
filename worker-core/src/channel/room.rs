//! The sending end of a channel for a task of a backend: room, and the end of the receiver, are awaited.
//! Not here: the same for threads (`sender`).
//! Layer 5: feature `tokio`.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::coop::consume_budget;

use super::errors::SendError;
use super::sender::Sender;
use crate::sys::runtime::register_for;

/// A sender that lets other tasks run while it waits.
#[derive(Debug)]
pub(crate) struct AwaitedSender<T> {
    sender: Sender<T>,
    /// Registered for the end of the receiver. A reader makes room at every value, and that is to wake nobody here
    /// who does not wait for it, so room is another registration, and there is one at a time.
    end: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl<T: Serialize + 'static> Sender<T> {
    pub(crate) fn into_awaited(self) -> AwaitedSender<T> {
        AwaitedSender { sender: self, end: None }
    }
}

impl<T: Serialize + 'static> AwaitedSender<T> {
    /// Sends a value, and waits for room if there is none. Costs the task some of its turn.
    pub(crate) async fn send(&mut self, mut value: T) -> Result<(), SendError<T>> {
        loop {
            consume_budget().await;
            value = match self.sender.try_send(value) {
                Err(SendError::Full(value)) => value,
                result => return result,
            };
            if let Err(error) = self.room().await {
                return Err(SendError::Io(value, error));
            }
        }
    }

    /// Ready when the receiver is gone, or when the runtime is about to end.
    pub(crate) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let end = match &mut self.end {
            Some(end) => end,
            end => match register_for(Arc::clone(&self.sender.socket), Interest::READABLE) {
                Ok(registered) => end.insert(registered),
                // The next send finds it, if not sooner.
                Err(_) => return Poll::Pending,
            },
        };
        loop {
            match ready!(end.poll_read_ready(context)) {
                Ok(event) if event.ready().is_read_closed() => return Poll::Ready(()),
                // Nobody honest sends to this end.
                Ok(mut event) => event.clear_ready(),
                Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Waits until there may be room, or the receiver is gone.
    async fn room(&mut self) -> io::Result<()> {
        self.end = None;
        let room = register_for(Arc::clone(&self.sender.socket), Interest::WRITABLE)?;
        poll_fn(|context| room.poll_write_ready(context)).await.map(drop)
    }
}
