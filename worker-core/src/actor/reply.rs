//! What generated dispatch code is given, to answer with.
//! Not here: which method a request is for (generated), and the loop around it (`backend`).
//! Layer 6: over `link`.

use std::cell::{Cell, RefCell};
use std::fmt;

use super::context::Context;
use super::contract::Actor;
use crate::errors::{DecodeError, EncodeError, PanicReport};
use crate::link::{Interest, LinkEnd, Payload, SendError, Wake};
use crate::wire::borrowed::Referent;
use crate::wire::codec::{self, WriteError};
use crate::wire::kind::Kind;
use crate::wire::portable::Portable;
use crate::wire::writer::Writer;

/// Proof that a request was answered: only a [`Call`] makes one.
#[derive(Debug)]
pub struct Replied(());

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
}

/// A constructor being run, in the backend.
#[derive(Debug)]
pub struct Construction(());

/// What a constructor came to.
#[derive(Debug)]
pub struct Constructed<A>(pub(super) Result<A, ConstructorFailure>);

/// An error of a constructor, encoded where its type was known.
#[derive(Debug)]
pub(super) enum ConstructorFailure {
    Error(Vec<u8>),
    NotEncoded(EncodeError),
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
    pub fn reply<Form, T: Portable<Form>>(&self, value: T) -> Replied {
        self.replies.send::<T>(Kind::Returned, &|writer| value.write(writer));
        Replied(())
    }

    /// Answers with the owned form of what a method lent.
    pub fn reply_borrowed<Form, T>(&self, value: &T) -> Replied
    where
        T: Referent + ToOwned<Owned = <T as Referent>::Owned> + ?Sized,
        <T as Referent>::Owned: Portable<Form>,
    {
        self.reply(value.to_owned())
    }

    /// Answers with a value or an error.
    #[inline]
    pub fn reply_result<ValueForm, ErrorForm, T, E>(&self, result: Result<T, E>) -> Replied
    where
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        match result {
            Ok(value) => self.reply(value),
            Err(error) => {
                self.replies.send::<E>(Kind::Failed, &|writer| error.write(writer));
                Replied(())
            }
        }
    }

    /// Is done with a one-way request.
    #[inline]
    pub fn finish(&self, (): ()) -> Replied {
        Replied(())
    }
}

impl<A: Actor> fmt::Debug for Call<'_, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").field("id", &self.replies.id).finish_non_exhaustive()
    }
}

impl Construction {
    pub(super) fn new() -> Self {
        Self(())
    }

    /// The actor is made.
    pub fn value<A>(&self, actor: A) -> Constructed<A> {
        Constructed(Ok(actor))
    }

    /// The actor is made, or its constructor failed.
    pub fn result<Form, A, E: Portable<Form>>(&self, result: Result<A, E>) -> Constructed<A> {
        Constructed(result.map_err(|error| {
            let mut bytes = Vec::new();
            match error.write(&mut Writer::to_heap(&mut bytes)) {
                Ok(()) => ConstructorFailure::Error(bytes),
                Err(WriteError::Value(cause)) => ConstructorFailure::NotEncoded(EncodeError::new::<E>(cause)),
                Err(WriteError::OutOfRoom) => {
                    ConstructorFailure::NotEncoded(EncodeError::new::<E>("the heap has no end"))
                }
            }
        }))
    }
}

impl<'link> Replies<'link> {
    pub(super) fn new(link: &'link RefCell<LinkEnd>, id: u64, wanted: bool) -> Self {
        Self { link, id, wanted, answered: Cell::new(false) }
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

    fn try_send(&self, kind: Kind, payload: Payload<'_>) -> Result<(), String> {
        if !self.is_owed() {
            return Ok(());
        }
        let mut link = self.link.borrow_mut();
        let LinkEnd { outgoing, incoming } = &mut *link;
        loop {
            match outgoing.send(kind, self.id, payload) {
                Ok(_) => {
                    self.answered.set(true);
                    outgoing.notify();
                    return Ok(());
                }
                Err(SendError::NoRoom(room)) => {
                    outgoing.notify();
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
