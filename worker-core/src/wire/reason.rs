//! Why a value of this crate could not be encoded or decoded, past an encoding that keeps no reasons.
//! Not here: errors of values of the user, whose text postcard drops.
//! Layer 2: beside `codec`, which asks for the reason where it sees that one is missing.

use std::cell::Cell;

thread_local! {
    static REASON: Cell<Option<String>> = const { Cell::new(None) };
}

/// An error for a `Serialize` implementation of this crate.
pub(crate) fn not_encoded<E: serde::ser::Error>(reason: impl ToString) -> E {
    let reason = reason.to_string();
    let error = E::custom(&reason);
    REASON.set(Some(reason));
    error
}

/// An error for a `Deserialize` implementation of this crate.
pub(crate) fn not_decoded<E: serde::de::Error>(reason: impl ToString) -> E {
    let reason = reason.to_string();
    let error = E::custom(&reason);
    REASON.set(Some(reason));
    error
}

/// What to do about a value that the encoding cannot carry.
pub(crate) const WAY_OUT: &str = "postcard carries no `#[serde(flatten)]`, `untagged`, `tag`, \
    `skip_serializing_if` and no `deserialize_any`: give the type a plain derived form";

/// Text of an error of the encoding: with the reason that it lost, or with the way out.
#[cold]
pub(crate) fn text_of(error: &postcard::Error) -> String {
    // Taken in any case: of an error that somebody swallowed, nothing must turn up later.
    let reason = REASON.take();
    match (error, reason) {
        (postcard::Error::SerdeSerCustom | postcard::Error::SerdeDeCustom, Some(reason)) => reason,
        _ => format!("{error}; {WAY_OUT}"),
    }
}
