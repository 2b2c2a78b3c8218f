//! What a method yields, as a backend with a runtime sends it: whoever waits, for an item or for room, lets others run.
//! Not here: which requests may run beside it (`serving::tasks`), and waiting for room itself (`channel`).
//! Layer 6: over `channel` and tokio.
//!
//! * I3: while the next item is waited for, the end of the receiver is too. So a stream that nobody wants any more ends
//!   at once, and does not keep its share of the actor until its next item.
//! * I4: each item costs its task some of its turn. So one that always has the next one ready, with a reader that
//!   is as fast, lets others run.

#[cfg(feature = "tokio")]
use std::future::poll_fn;
#[cfg(feature = "tokio")]
use std::task::Poll;

use serde::Serialize;

use super::sending::Ended;
use crate::actor::contract::Actor;
use crate::actor::reply::Call;
use crate::channel::Sender;

#[cfg(feature = "tokio")]
impl<'call, A: Actor> Call<'call, A> {
    /// Sends what an iterator yields, and answers when that has ended, or nobody wants more.
    pub async fn stream_iter<T: Serialize + 'static>(
        &self,
        items: Sender<T>,
        yielded: impl Iterator<Item = T>,
    ) -> Ended<'call> {
        let mut items = items.into_awaited();
        for item in yielded {
            if let Err(refused) = items.send(item).await {
                self.not_sent(refused);
                break;
            }
        }
        self.reply(())
    }

    /// Sends what a stream yields, and answers when that has ended, or nobody wants more.
    pub async fn stream_async<T: Serialize + 'static>(
        &self,
        items: Sender<T>,
        yielded: impl futures_core::Stream<Item = T>,
    ) -> Ended<'call> {
        let mut items = items.into_awaited();
        let mut yielded = std::pin::pin!(yielded);
        while let Some(item) = poll_fn(|context| match yielded.as_mut().poll_next(context) {
            // I3.
            Poll::Pending => items.poll_gone(context).map(|()| None),
            next => next,
        })
        .await
        {
            if let Err(refused) = items.send(item).await {
                self.not_sent(refused);
                break;
            }
        }
        self.reply(())
    }
}

/// Without the feature there is no runtime, and the build is refused where the method is written, once.
#[cfg(not(feature = "tokio"))]
#[allow(clippy::unused_async, reason = "of the same form as those with a runtime")]
impl<'call, A: Actor> Call<'call, A> {
    /// Never called.
    pub async fn stream_iter<T: Serialize + 'static, Y>(&self, items: Sender<T>, yielded: Y) -> Ended<'call> {
        drop((items, yielded));
        unreachable!("there is no runtime")
    }

    /// Never called.
    pub async fn stream_async<T: Serialize + 'static, Y>(
        &self,
        items: Sender<T>,
        yielded: Y,
    ) -> Ended<'call> {
        drop((items, yielded));
        unreachable!("there is no runtime")
    }
}
