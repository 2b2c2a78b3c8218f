//! What generated code is given, to answer with.
//! Not here: which method a request is for (generated), and the loop around it (`serving`).
//! Layer 6: over `link`.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fmt;

use super::context::Context;
use super::contract::Actor;
use super::crossing::{Crossing, Side};
use crate::calls::waits;
use crate::errors::{DecodeError, EncodeError, PanicReport};
use crate::link::{Interest, LinkEnd, Payload, SendError, Wake};
use crate::wire::borrowed::Lent;
use crate::wire::codec;
use crate::wire::kind::Kind;
use crate::wire::portable::{Is, Portable};

/// One request being worked on, in the backend.
pub struct Call<'call, A: Actor> {
    replies: &'call Replies<'call>,
    context: &'call Context<A>,
}

/// Where replies to one request go.
pub(super) struct Replies<'link> {
    link: &'link RefCell<LinkEnd>,
    id: u64,
    /// A one-way request takes no reply, whatever happens.
    wanted: bool,
    answered: Cell<bool>,
    /// It slept at the link, for room.
    waited: Cell<bool>,
}

/// What a method gave, about to be sent.
pub struct Answer<'call, T, E> {
    replies: &'call Replies<'call>,
    result: Result<T, E>,
}

impl<'call, A: Actor> Call<'call, A> {
    pub(super) fn new(replies: &'call Replies<'call>, context: &'call Context<A>) -> Self {
        Self { replies, context }
    }

    /// The surroundings, for a method that takes them.
    #[must_use]
    pub fn context(&self) -> &Context<A> {
        self.context
    }

    /// Answers with a value.
    #[inline]
    pub fn reply<T>(&self, value: T) -> Crossing<Answer<'call, T, Infallible>, T, Infallible> {
        Crossing::new(Answer { replies: self.replies, result: Ok(value) })
    }

    /// Answers with a value or an error. Both are named, so that what leaves is what the frontend decodes.
    #[inline]
    pub fn reply_result<T, E>(&self, result: impl Is<Result<T, E>>) -> Crossing<Answer<'call, T, E>, T, E> {
        Crossing::new(Answer { replies: self.replies, result: result.into_it() })
    }

    /// Answers that something of the result cannot be sent.
    pub(super) fn not_encoded(&self, error: &EncodeError) {
        self.replies.not_encoded(error);
    }

    /// Answers with the owned form of what a method lent.
    pub fn reply_lent<L: Lent>(
        &self,
        lent: impl Is<L>,
    ) -> Crossing<Answer<'call, L::Kept, Infallible>, L::Kept, Infallible> {
        self.reply(lent.into_it().owned())
    }

    /// Answers with the owned form of what a method lent, or with an error, which is named like in
    /// [`Call::reply_result`].
    pub fn reply_lent_result<L: Lent, E>(
        &self,
        lent: impl Is<Result<L, E>>,
    ) -> Crossing<Answer<'call, L::Kept, E>, L::Kept, E> {
        let result = lent.into_it().map(Lent::owned);
        Crossing::new(Answer { replies: self.replies, result })
    }
}

impl<T, E> Side<T, E> for Answer<'_, T, E> {
    type Output = ();

    #[inline]
    fn carry<ValueForm, ErrorForm>(self)
    where
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        match self.result {
            Ok(value) => self.replies.send::<T>(Kind::Returned, &|writer| value.write(writer)),
            Err(error) => self.replies.send::<E>(Kind::Failed, &|writer| error.write(writer)),
        }
    }
}

impl<T, E> fmt::Debug for Answer<'_, T, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answer").field("id", &self.replies.id).finish_non_exhaustive()
    }
}

impl<A: Actor> fmt::Debug for Call<'_, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").field("id", &self.replies.id).finish_non_exhaustive()
    }
}

impl<'link> Replies<'link> {
    pub(super) fn new(link: &'link RefCell<LinkEnd>, id: u64, wanted: bool) -> Self {
        Self { link, id, wanted, answered: Cell::new(false), waited: Cell::new(false) }
    }

    /// Sends a reply that holds a `T`, or says why there is none.
    #[inline]
    pub(super) fn send<T>(&self, kind: Kind, payload: Payload<'_>) {
        match self.try_send(kind, payload) {
            Ok(()) => {}
            Err(cause) => self.not_encoded(&EncodeError::new::<T>(cause)),
        }
    }

    pub(super) fn panicked(&self, report: &PanicReport) {
        self.send_plain(Kind::Panicked, report);
    }

    pub(super) fn not_decoded(&self, error: &DecodeError) {
        self.send_plain(Kind::NotDecoded, error);
    }

    pub(super) fn not_encoded(&self, error: &EncodeError) {
        self.send_plain(Kind::NotEncoded, error);
    }

    fn send_plain(&self, kind: Kind, value: &impl serde::Serialize) {
        // Plain data of this crate encodes; and if there is no memory even for that, the caller of a
        // backend in such a state is better off with its end.
        let sent = self.try_send(kind, &|writer| codec::encode(value, writer));
        assert!(sent.is_ok(), "no memory for an error report");
    }

    /// Whether a reply is still owed.
    pub(super) fn is_owed(&self) -> bool {
        self.wanted && !self.answered.get()
    }

    /// Whether a reply has slept at the link, where it may have taken a ring for others.
    #[cfg(feature = "tokio")]
    pub(super) fn has_waited(&self) -> bool {
        self.waited.get()
    }

    fn try_send(&self, kind: Kind, payload: Payload<'_>) -> Result<(), String> {
        if !self.is_owed() {
            return Ok(());
        }
        let mut link = self.link.borrow_mut();
        if link.has_kept() {
            link.keep(kind, self.id, payload, None)?;
            self.answered.set(true);
            return Ok(());
        }
        let LinkEnd { outgoing, incoming, outbox, peer, number } = &mut *link;
        loop {
            match outgoing.send(kind, self.id, payload) {
                Ok(_) => {
                    self.answered.set(true);
                    outgoing.notify();
                    waits::answered(*peer, *number, self.id);
                    return Ok(());
                }
                Err(SendError::NoRoom(room)) if outbox.keeps => {
                    outgoing.notify();
                    link.keep(kind, self.id, payload, Some(room))?;
                    self.answered.set(true);
                    // The loop has to look for room now.
                    self.waited.set(true);
                    return Ok(());
                }
                Err(SendError::NoRoom(room)) => {
                    outgoing.notify();
                    self.waited.set(true);
                    let interest = Interest { message: false, room: Some(room) };
                    match incoming.wait(interest, None) {
                        Ok(Wake::Rung) => {}
                        // Nobody is left to read it.
                        _ => return Ok(()),
                    }
                }
                Err(SendError::Value(cause)) => return Err(cause),
                Err(SendError::Memory(error)) => return Err(error.to_string()),
                Err(SendError::Gone) => return Ok(()),
            }
        }
    }
}
