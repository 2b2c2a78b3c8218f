//! What came of a call or a spawn, as the value or the error that its caller sees.
//! Not here: sending it (`handle`) and waiting for it (`pending`, `calls`).
//! Layer 6: over `calls`.

use crate::calls::{Fault, Outcome, recycle};
use crate::errors::{CallError, DecodeError, EncodeError, SpawnError};
use crate::process::Refused;
use crate::wire::codec;
use crate::wire::descriptors::with_arrived;
use crate::wire::kind::Kind;
use crate::wire::portable::Portable;
use crate::wire::received::Received;

impl<E> From<Refused> for SpawnError<E> {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::ThreadsRunning(threads) => Self::ThreadsRunning { threads },
            Refused::Executable(reason) => Self::Executable(reason),
            Refused::Io(error) => Self::Io(error),
        }
    }
}

#[inline]
pub(super) fn decode<ValueForm, ErrorForm, T, E>(mut outcome: Outcome) -> Result<T, CallError<E>>
where
    T: Portable<ValueForm>,
    E: Portable<ErrorForm>,
{
    decode_in_place(&mut outcome)
}

/// As [`decode`], of an outcome that stays where it is.
#[inline]
pub(super) fn decode_in_place<ValueForm, ErrorForm, T, E>(outcome: &mut Outcome) -> Result<T, CallError<E>>
where
    T: Portable<ValueForm>,
    E: Portable<ErrorForm>,
{
    let Outcome { kind, payload, attached } = outcome;
    let payload = Recycled(payload);
    with_arrived(attached.take(), || match kind {
        Kind::Returned => match T::read(payload.0) {
            Ok(value) => Ok(value),
            Err(error) => Err(CallError::Decode(error)),
        },
        kind => Err(failed::<ErrorForm, E>(*kind, payload.0)),
    })
}

/// A payload whose buffer is used again once its value is made: behind the value, which is made where its caller wants it.
struct Recycled<'outcome>(&'outcome mut Received);

impl Drop for Recycled<'_> {
    #[inline]
    fn drop(&mut self) {
        recycle(self.0);
    }
}

/// The error that came in place of a value.
#[cold]
fn failed<ErrorForm, E: Portable<ErrorForm>>(kind: Kind, payload: &mut Received) -> CallError<E> {
    if kind == Kind::Failed {
        E::read(payload).map_or_else(CallError::Decode, CallError::Actor)
    } else {
        reported(kind, payload.bytes())
    }
}

#[cold]
fn reported<E>(kind: Kind, payload: &[u8]) -> CallError<E> {
    let report = match kind {
        Kind::Panicked => codec::decode(payload).map(CallError::Panicked),
        Kind::NotEncoded => codec::decode(payload).map(CallError::Encode),
        Kind::NotDecoded => codec::decode(payload).map(CallError::Decode),
        _ => Err(DecodeError::new::<E>("the reply is of a kind that no reply has")),
    };
    report.unwrap_or_else(CallError::Decode)
}

/// The error of a request of type `R` that came to nothing.
#[cold]
pub(super) fn fault_error<R: ?Sized, E>(fault: Fault, killed: bool) -> CallError<E> {
    match fault {
        Fault::NotSent(exit) => CallError::NotSent(exit),
        Fault::NotSentInTime => CallError::NotSentInTime { killed },
        Fault::Exited(exit) => CallError::Exited(exit),
        Fault::TimedOut => CallError::TimedOut { killed },
        Fault::Circle(chain) => CallError::WouldDeadlock { chain },
        Fault::Value(cause) => CallError::Encode(EncodeError::new::<R>(cause)),
        Fault::Memory(error) => CallError::Encode(EncodeError::new::<R>(error)),
    }
}

pub(super) fn spawn_error<Form, E: Portable<Form>>(mut outcome: Outcome) -> SpawnError<E> {
    let error = match outcome.kind {
        Kind::Failed => E::read(&mut outcome.payload).map(SpawnError::Constructor),
        kind => Ok(match reported::<E>(kind, outcome.payload.bytes()) {
            CallError::Panicked(report) => SpawnError::Panicked(report),
            CallError::Encode(error) => SpawnError::Encode(error),
            CallError::Decode(error) => SpawnError::Decode(error),
            _ => unreachable!("`reported` makes no other error"),
        }),
    };
    error.unwrap_or_else(SpawnError::Decode)
}
