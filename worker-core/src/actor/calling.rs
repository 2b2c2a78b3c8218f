//! The frontend's side of a crossing: a request that is about to be sent, and how its caller takes the result.
//! Not here: sending it (`handle`) and what is said of its types (`crossing`).
//! Layer 6: over `handle`.

use super::contract::Actor;
use super::crossing::Side;
use super::generic::{self, GenericRequest};
use super::handle::Handle;
use super::pending::Pending;
use crate::errors::{CallError, EncodeError, SpawnError};
use crate::process::Builder;
use crate::wire::codec::{self, WriteError};
use crate::wire::kind::Kind;
use crate::wire::portable::Portable;
use crate::wire::writer::Writer;

/// A request, of whichever kind.
pub trait Asked {
    /// What the errors name.
    type Named;
    /// What goes before the arguments.
    #[doc(hidden)]
    fn prefix<E>(&self) -> Result<u64, CallError<E>>;
    /// Writes the request.
    #[doc(hidden)]
    fn write(&self, prefix: u64, writer: &mut Writer<'_>) -> Result<(), WriteError>;
    /// Whether it names the code to run by itself.
    #[doc(hidden)]
    const IS_GENERIC: bool;
}

/// A variant of the request enum.
#[derive(Debug)]
pub struct Plain<'request, R>(pub(super) &'request R);

/// The message of a generic method of an `A`.
#[derive(Debug)]
pub struct Generic<'request, A, G>(pub(super) &'request G, pub(super) std::marker::PhantomData<fn(A)>);

impl<R: serde::Serialize> Asked for Plain<'_, R> {
    type Named = R;
    const IS_GENERIC: bool = false;

    #[inline]
    fn prefix<E>(&self) -> Result<u64, CallError<E>> {
        Ok(0)
    }

    #[inline]
    fn write(&self, _: u64, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        codec::encode(self.0, writer)
    }
}

impl<A: Actor, G: GenericRequest<A>> Asked for Generic<'_, A, G> {
    type Named = G;
    const IS_GENERIC: bool = true;

    fn prefix<E>(&self) -> Result<u64, CallError<E>> {
        generic::offset_of::<A, G>().map_err(|cause| CallError::Encode(EncodeError::new::<G>(cause)))
    }

    fn write(&self, prefix: u64, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        generic::write(self.0, prefix, writer)
    }
}

/// What a request with a reply is on the link.
fn kind<R: Asked>() -> Kind {
    if R::IS_GENERIC { Kind::GenericRequest } else { Kind::Request }
}

/// A call that is waited for.
#[derive(Debug)]
pub struct Waiting<'call, A, R> {
    pub(super) handle: &'call Handle<A>,
    pub(super) request: R,
}

/// A call whose result is taken later.
#[derive(Debug)]
pub struct Queueing<'call, A, R> {
    pub(super) handle: &'call Handle<A>,
    pub(super) request: R,
}

/// An actor about to be made by a constructor that can fail.
#[derive(Debug)]
pub struct Spawning<'call, A: Actor, C> {
    pub(super) builder: &'call Builder,
    pub(super) constructor: C,
    pub(super) actor: std::marker::PhantomData<fn(A)>,
}

impl<A: Actor, R: Asked, T, E> Side<T, E> for Waiting<'_, A, R> {
    type Output = Result<T, CallError<E>>;

    #[inline]
    fn carry<ValueForm, ErrorForm>(self) -> Result<T, CallError<E>>
    where
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        let Self { handle, request } = self;
        let prefix = request.prefix()?;
        handle.wait_for::<_, _, R::Named, T, E>(kind::<R>(), &|writer| request.write(prefix, writer))
    }
}

impl<A: Actor, R: Asked, T, E> Side<T, E> for Queueing<'_, A, R> {
    type Output = Pending<T, E>;

    fn carry<ValueForm, ErrorForm>(self) -> Pending<T, E>
    where
        T: Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        let Self { handle, request } = self;
        match request.prefix() {
            Ok(prefix) => {
                handle.queue::<_, _, R::Named, T, E>(kind::<R>(), &|writer| request.write(prefix, writer))
            }
            Err(error) => Pending::failed(error),
        }
    }
}

impl<'constructor, A: Actor, E> Side<(), E> for Spawning<'_, A, &'constructor A::Constructor<'constructor>> {
    type Output = Result<Handle<A>, SpawnError<E>>;

    fn carry<ValueForm, ErrorForm>(self) -> Self::Output
    where
        (): Portable<ValueForm>,
        E: Portable<ErrorForm>,
    {
        Handle::spawn(self.builder, self.constructor)
    }
}
