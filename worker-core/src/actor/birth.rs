//! What generated constructor code is given, to hand over the actor.
//! Not here: which constructor was asked for (generated), and what follows (`serving`).
//! Layer 6: over `wire`.

use std::cell::Cell;
use std::fmt;

use super::crossing::{Crossing, Side};
use crate::errors::EncodeError;
use crate::wire::codec::WriteError;
use crate::wire::portable::{Is, Portable};
use crate::wire::writer::{NO_MEMORY, Writer};

/// A constructor being run, in the backend.
pub struct Birth<A>(Cell<Option<Result<A, Stillborn>>>);

/// An error of a constructor, encoded where its type was known.
#[derive(Debug)]
pub(super) enum Stillborn {
    Error(Vec<u8>),
    NotEncoded(EncodeError),
}

/// The actor or its constructor's error.
#[derive(Debug)]
pub struct Born<'birth, A, E> {
    birth: &'birth Birth<A>,
    result: Result<A, E>,
}

impl<A> Birth<A> {
    pub(super) fn new() -> Self {
        Self(Cell::new(None))
    }

    /// What generated code has handed over.
    pub(super) fn outcome(self) -> Result<A, Stillborn> {
        self.0.into_inner().expect("generated code runs one constructor and hands over its result")
    }

    /// The actor is made.
    pub fn value(&self, actor: A) {
        self.0.set(Some(Ok(actor)));
    }

    /// The actor is made, or its constructor failed.
    pub fn result<E>(&self, result: impl Is<Result<A, E>>) -> Crossing<Born<'_, A, E>, (), E> {
        Crossing::new(Born { birth: self, result: result.into_it() })
    }
}

impl<A, E> Side<(), E> for Born<'_, A, E> {
    type Output = ();

    fn carry<ValueForm, ErrorForm>(self)
    where
        (): Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        let result = self.result.map_err(|error| {
            let mut bytes = Vec::new();
            match error.write(&mut Writer::to_heap(&mut bytes)) {
                Ok(()) => Stillborn::Error(bytes),
                Err(WriteError::Value(cause)) => Stillborn::NotEncoded(EncodeError::new::<E>(cause)),
                Err(WriteError::OutOfRoom) => Stillborn::NotEncoded(EncodeError::new::<E>(NO_MEMORY)),
            }
        });
        self.birth.0.set(Some(result));
    }
}

impl<A> fmt::Debug for Birth<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Birth").finish_non_exhaustive()
    }
}
