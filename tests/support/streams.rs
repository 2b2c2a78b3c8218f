//! Streams that fail, for whoever makes them: an iterator of an actor, or a stream of an `async` one.
//! Not here: streams that arrive.
//! Layer: tests only.

use serde::de::DeserializeOwned;
use worker_core::{CallError, Stream};

/// A value that cannot be encoded if it is odd.
#[derive(Debug, PartialEq, serde::Deserialize)]
pub struct Even(pub u64);

impl Even {
    /// The number at a place of a stream of which the sixth value is the first odd one.
    pub(crate) fn until_the_sixth(place: u64) -> Self {
        Self(if place == 5 { 5 } else { place * 2 })
    }
}

impl serde::Serialize for Even {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(2) {
            serializer.serialize_newtype_struct("Even", &self.0)
        } else {
            Err(serde::ser::Error::custom("it is odd"))
        }
    }
}

/// Sees a stream of [`Even::until_the_sixth`] end with an error that names the type.
pub(crate) fn ends_at_the_sixth(mut evens: Stream<Even>) {
    assert!((0..5).all(|_| evens.next().unwrap().is_ok()));
    match evens.next() {
        Some(Err(CallError::Encode(error))) => assert!(error.to_string().contains("Even"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(evens.next(), None);
}

/// Sees a stream of numbers end, after so many, with a panic of this message.
pub(crate) fn panics_after(count: u64, message: &str, mut numbers: Stream<u64>) {
    assert!((0..count).all(|number| numbers.next() == Some(Ok(number))));
    match numbers.next() {
        Some(Err(CallError::Panicked(report))) => assert_eq!(report.message, message),
        other => panic!("{other:?}"),
    }
    assert_eq!(numbers.next(), None);
}

/// All items of a stream that must not fail.
pub(crate) fn all<T: DeserializeOwned + 'static>(items: Result<Stream<T>, CallError>) -> Vec<T> {
    items.unwrap().collect::<Result<_, _>>().unwrap()
}
