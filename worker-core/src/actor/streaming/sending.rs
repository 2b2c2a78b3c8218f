//! What a method yields, as a backend without a runtime sends it: item by item, waiting for room.
//! Not here: the same among tasks (`tasks`), and the program's side (`super`).
//! Layer 6: over `channel`.

use std::convert::Infallible;

use serde::Serialize;

use crate::actor::contract::Actor;
use crate::actor::crossing::Crossing;
use crate::actor::reply::{Answer, Call};
use crate::channel::{SendError, Sender};
use crate::errors::EncodeError;

/// What is left of a call whose items have been sent, or are wanted no more: the answer that it is over.
pub(super) type Ended<'call> = Crossing<Answer<'call, (), Infallible>, (), Infallible>;

impl<'call, A: Actor> Call<'call, A> {
    /// Sends what a method yields, and answers when that has ended, or nobody wants more.
    pub fn stream<T: Serialize + 'static>(
        &self,
        items: Sender<T>,
        yielded: impl Iterator<Item = T>,
    ) -> Ended<'call> {
        for item in yielded {
            if let Err(refused) = items.send(item) {
                self.not_sent(refused);
                break;
            }
        }
        self.reply(())
    }

    /// Says why an item was not sent, if anybody wants to know.
    pub(super) fn not_sent<T>(&self, refused: SendError<T>) {
        match refused {
            SendError::Encode(_, error) => self.not_encoded(&error),
            SendError::Io(_, error) => self.not_encoded(&EncodeError::new::<T>(error)),
            // Nobody wants more.
            SendError::Disconnected(_) | SendError::Full(_) => {}
        }
    }
}
