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
pub(super) fn decode<ValueForm, ErrorForm, T, E>(outcome: Outcome) -> Result<T, CallError<E>>
where
    T: Portable<ValueForm>,
    E: Portable<ErrorForm>,
{
    let Outcome { kind, mut payload, attached } = outcome;
    let result = with_arrived(attached, || match kind {
        Kind::Returned => T::read(&mut payload).map_err(CallError::Decode),
        Kind::Failed => match E::read(&mut payload) {
            Ok(error) => Err(CallError::Actor(error)),
            Err(error) => Err(CallError::Decode(error)),
        },
        kind => Err(reported(kind, &payload)),
    });
    recycle(payload);
    result
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
        kind => Ok(match reported::<E>(kind, &outcome.payload) {
            CallError::Panicked(report) => SpawnError::Panicked(report),
            CallError::Encode(error) => SpawnError::Encode(error),
            CallError::Decode(error) => SpawnError::Decode(error),
            _ => unreachable!("`reported` makes no other error"),
        }),
    };
    error.unwrap_or_else(SpawnError::Decode)
}
