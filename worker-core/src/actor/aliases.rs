//! What a frontend's method returns where the user's method returns an alias of a result, `MyResult<Row>`.
//! Not here: which types are results (`wire::portable`).
//! Layer 6: names for types of `errors` and `pending`.
//!
//! `TAKEN` is where the macro puts [`Fallible::TAKEN`] of the same type; see there.

use super::pending::Pending;
use crate::errors::{CallError, SpawnError};
use crate::wire::portable::Fallible;

/// From a method that waits.
pub type ResultOf<R, const TAKEN: bool = true> =
    Result<<R as Fallible<TAKEN>>::Value, CallError<<R as Fallible<TAKEN>>::Error>>;

/// From its twin.
pub type PendingOf<R, const TAKEN: bool = true> =
    Pending<<R as Fallible<TAKEN>>::Value, <R as Fallible<TAKEN>>::Error>;

/// From `spawn`.
pub type SpawnErrorOf<R, const TAKEN: bool = true> = SpawnError<<R as Fallible<TAKEN>>::Error>;
