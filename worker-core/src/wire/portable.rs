//! Values that can cross: everything serde knows, and a few types it does not.
//! Not here: borrowed arguments (`borrowed`), and the fields of request enums, which are plain serde.
//! Layer 2: over `codec`.

use std::any::{Any, TypeId};
use std::convert::Infallible;
use std::error::Error;
use std::io;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::codec::{self, WriteError};
use super::received::Received;
use super::writer::Writer;
use crate::errors::DecodeError;

/// A value that can be the result, or the error, of a call.
///
/// It holds for every type with `serde::Serialize` and `serde::de::DeserializeOwned`; for [`io::Error`] and
/// `Box<dyn Error + Send + Sync>`, which cross as their kind and text; for files, sockets and pipes, which
/// cross as descriptors (see [`descriptor`](crate::descriptor)); and for `Option` and `Vec` of these. `Form` is
/// found by the compiler; it keeps the two sorts of implementations apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross a process boundary",
    label = "a reply needs `serde::Serialize` and `serde::de::DeserializeOwned`, and so does each type inside it",
    note = "derive both for a type, or write both and `'static` as bounds of a type parameter"
)]
pub trait Portable<Form>: Sized {
    /// Writes the value.
    #[doc(hidden)]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError>;

    /// Makes the value from a payload, which it may take.
    #[doc(hidden)]
    fn read(payload: &mut Received) -> Result<Self, DecodeError>;
}

/// [`Portable`] by serde.
#[derive(Debug)]
pub enum BySerde {}

/// [`Portable`] by an encoding of this crate.
#[derive(Debug)]
pub enum Natively {}

impl<T: Serialize + DeserializeOwned + 'static> Portable<BySerde> for T {
    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        // Bytes are the payload as they are, so that the other side can take it without a copy.
        // The type is known at compile time, and so is the outcome of this question.
        match (self as &dyn Any).downcast_ref::<Vec<u8>>() {
            Some(bytes) => writer.extend(bytes).map_err(|_| WriteError::OutOfRoom),
            None => codec::encode(self, writer),
        }
    }

    #[inline]
    fn read(payload: &mut Received) -> Result<Self, DecodeError> {
        if TypeId::of::<T>() != TypeId::of::<Vec<u8>>() {
            return codec::decode(payload.bytes());
        }
        let mut taken = None::<T>;
        if let Some(bytes) = (&mut taken as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
            *bytes = Some(payload.take());
        }
        taken.map_or_else(|| codec::decode(payload.bytes()), Ok)
    }
}

impl<T: Native> Portable<Natively> for T {
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        codec::encode(&self.to_wire(), writer)
    }

    fn read(payload: &mut Received) -> Result<Self, DecodeError> {
        codec::decode(payload.bytes())
            .and_then(|wire| Self::from_wire(wire).map_err(DecodeError::new::<Self>))
    }
}

/// A type without serde that crosses all the same, as another one.
pub trait Native: Sized {
    /// What arrives in its place.
    type Wire: DeserializeOwned;

    /// What crosses, in the encoding of [`Native::Wire`].
    fn to_wire(&self) -> impl Serialize;

    /// The value, from what crossed.
    ///
    /// # Errors
    ///
    /// Why there is no such value.
    fn from_wire(wire: Self::Wire) -> Result<Self, &'static str>;
}

impl Native for Infallible {
    type Wire = ();

    fn to_wire(&self) -> impl Serialize {
        fn nothing(never: Infallible) {
            match never {}
        }
        nothing(*self);
    }

    fn from_wire((): ()) -> Result<Self, &'static str> {
        Err("the method cannot fail, yet an error came")
    }
}

impl Native for io::Error {
    /// The number of the system's error, the index of the kind, the text.
    type Wire = (Option<i32>, Option<usize>, String);

    fn to_wire(&self) -> impl Serialize {
        let kind = IO_ERROR_KINDS.iter().position(|kind| *kind == self.kind());
        (self.raw_os_error(), kind, self.to_string())
    }

    fn from_wire((number, kind, text): Self::Wire) -> Result<Self, &'static str> {
        let kind = kind.and_then(|index| IO_ERROR_KINDS.get(index)).copied();
        Ok(match number {
            Some(number) => Self::from_raw_os_error(number),
            None => Self::new(kind.unwrap_or(io::ErrorKind::Other), text),
        })
    }
}

impl Native for Box<dyn Error + Send + Sync> {
    type Wire = String;

    fn to_wire(&self) -> impl Serialize {
        self.to_string()
    }

    fn from_wire(text: String) -> Result<Self, &'static str> {
        Ok(text.into())
    }
}

impl<T: Native> Native for Option<T> {
    type Wire = Option<T::Wire>;

    fn to_wire(&self) -> impl Serialize {
        self.as_ref().map(T::to_wire)
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, &'static str> {
        wire.map(T::from_wire).transpose()
    }
}

impl<T: Native> Native for Vec<T> {
    type Wire = Vec<T::Wire>;

    fn to_wire(&self) -> impl Serialize {
        Each(self)
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, &'static str> {
        wire.into_iter().map(T::from_wire).collect()
    }
}

/// The elements as they cross.
pub(super) struct Each<'values, T>(pub(super) &'values [T]);

impl<T: Native> Serialize for Each<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(T::to_wire))
    }
}

/// The kinds that can be made by hand, in an order that is part of the protocol.
const IO_ERROR_KINDS: [io::ErrorKind; 35] = {
    use io::ErrorKind as Kind;
    [
        Kind::NotFound,
        Kind::PermissionDenied,
        Kind::ConnectionRefused,
        Kind::ConnectionReset,
        Kind::HostUnreachable,
        Kind::NetworkUnreachable,
        Kind::ConnectionAborted,
        Kind::NotConnected,
        Kind::AddrInUse,
        Kind::AddrNotAvailable,
        Kind::NetworkDown,
        Kind::BrokenPipe,
        Kind::AlreadyExists,
        Kind::WouldBlock,
        Kind::NotADirectory,
        Kind::IsADirectory,
        Kind::DirectoryNotEmpty,
        Kind::ReadOnlyFilesystem,
        Kind::StaleNetworkFileHandle,
        Kind::InvalidInput,
        Kind::InvalidData,
        Kind::TimedOut,
        Kind::WriteZero,
        Kind::StorageFull,
        Kind::NotSeekable,
        Kind::QuotaExceeded,
        Kind::FileTooLarge,
        Kind::ResourceBusy,
        Kind::ExecutableFileBusy,
        Kind::Deadlock,
        Kind::ArgumentListTooLong,
        Kind::Interrupted,
        Kind::Unsupported,
        Kind::UnexpectedEof,
        Kind::OutOfMemory,
    ]
};

/// A return type that is a `Result`, also through an alias such as `std::io::Result<T>`.
///
/// A signature names the type's parts with [`Fallible::TAKEN`] of the same type as `TAKEN`. For a type that is none, the
/// compiler refuses that constant, and a signature with a refused constant gives no further error where it is used.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is taken for a `Result` and is none",
    label = "neither `core::result::Result` nor an alias of it",
    note = "a return type whose name ends in `Result` is an alias of `core::result::Result`, unless the method is marked `#[infallible]`"
)]
pub trait Fallible<const TAKEN: bool = true> {
    /// What a success holds.
    type Value;
    /// What a failure holds.
    type Error;
    /// That it is one.
    const TAKEN: bool;

    /// The result itself. It comes in as a `V` that stands for `Self`, so that the compiler blames this call, which the
    /// macro puts at the user's return type, for a `Self` that is none.
    ///
    /// # Errors
    ///
    /// Those of the method.
    fn result<V: Is<Self>>(value: V) -> Result<Self::Value, Self::Error>
    where
        Self: Sized;
}

impl<T, E> Fallible for Result<T, E> {
    type Value = T;
    type Error = E;
    const TAKEN: bool = true;

    fn result<V: Is<Self>>(value: V) -> Result<T, E> {
        value.into_it()
    }
}

/// The type itself, by another name: what a method returns, and what the attribute took its return type for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is taken for `{T}` and is none",
    label = "read by its name, since the attribute does not know types",
    note = "mark the method `#[fallible]` if this is an alias of `core::result::Result`, `#[infallible]` if it is a value like any other; a `Path` of your own is known by its module: write `shapes::Path`"
)]
pub trait Is<T> {
    /// The value itself.
    fn it(&self) -> &T;

    /// The value itself.
    fn into_it(self) -> T;
}

impl<T> Is<T> for T {
    fn it(&self) -> &T {
        self
    }

    fn into_it(self) -> T {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<Form, T: Portable<Form>>(value: &T) -> T {
        let mut payload = Vec::new();
        value.write(&mut Writer::to_heap(&mut payload)).unwrap();
        T::read(&mut payload.into()).unwrap()
    }

    #[test]
    fn bytes_are_the_payload_itself() {
        let mut payload = Vec::new();
        vec![7_u8, 8].write(&mut Writer::to_heap(&mut payload)).unwrap();
        assert_eq!(payload, [7, 8]);
        let before = payload.as_ptr();
        let bytes = <Vec<u8> as Portable<BySerde>>::read(&mut payload.into()).unwrap();
        assert_eq!((bytes.as_ptr(), bytes.as_slice()), (before, &[7, 8][..]));
    }

    #[test]
    fn io_errors_keep_number_kind_and_text() {
        let number = there_and_back(&io::Error::from_raw_os_error(2));
        assert_eq!((number.raw_os_error(), number.kind()), (Some(2), io::ErrorKind::NotFound));
        let text = there_and_back(&io::Error::new(io::ErrorKind::InvalidData, "no such colour"));
        assert_eq!((text.kind(), text.to_string().as_str()), (io::ErrorKind::InvalidData, "no such colour"));
    }

    #[test]
    fn boxed_errors_keep_their_text() {
        let boxed: Box<dyn Error + Send + Sync> = "out of paper".into();
        assert_eq!(there_and_back(&boxed).to_string(), "out of paper");
    }

    #[test]
    fn left_over_bytes_are_an_error() {
        assert!(codec::decode::<u8>(&[1, 2]).unwrap_err().to_string().contains("1 bytes were left over"));
    }
}
