//! Values that own a descriptor: files, sockets, pipes, and whatever else wraps one.
//! Not here: the list that goes along with a message (`descriptors`), and descriptors that stand alone (`lent`).
//! Layer 2: over `lent`.
//!
//! Descriptors inside of your own types: `#[serde(with = "worker_core::descriptor")]`.
//!
//! Alone, as an argument or a result, a [`File`](std::fs::File), [`OwnedFd`], socket or pipe needs nothing: it travels, also as `&File`,
//! `BorrowedFd<'_>`, `Option<File>` or `Vec<File>`. Inside of a type of your own the field says that it
//! is one, with the attribute above, for whatever is `AsFd + From<OwnedFd>`, and `Option` and `Vec` of it. Where
//! no attribute can stand, in a tuple or a map, [`Descriptor`] does the same as a type.
//!
//! The other side gets a duplicate: the same open file, with the same position and the same flags, under a number of its
//! own. One message carries at most 253 of them.
//!
//! # Examples
//!
//! ```
//! use std::fs::File;
//! use std::io::{PipeWriter, Read, Write, pipe};
//! use serde::{Deserialize, Serialize};
//! use worker_core::process_actor;
//!
//! #[derive(Serialize, Deserialize)]
//! pub struct Output {
//!     title: String,
//!     #[serde(with = "worker_core::descriptor")]
//!     pipe: PipeWriter,
//! }
//!
//! pub struct Printer;
//!
//! #[process_actor]
//! impl Printer {
//!     pub fn new() -> Self { Self }
//!     pub fn print(&self, mut to: Output) -> std::io::Result<()> { to.pipe.write_all(to.title.as_bytes()) }
//!     pub fn open(&self) -> std::io::Result<File> { File::open("/proc/self/comm") }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let printer = PrinterFrontend::spawn()?;
//! let (mut reader, pipe) = pipe()?;
//! printer.print(Output { title: "from over there".into(), pipe })?;
//! let mut text = String::new();
//! reader.read_to_string(&mut text)?; // ends, because no other process has the writer any more
//! assert_eq!(text, "from over there");
//!
//! text.clear();
//! printer.open()?.read_to_string(&mut text)?;
//! # Ok(())
//! # }
//! ```

use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use super::lent::{Arrived, Lent};

/// Encodes a field that owns descriptors; for `#[serde(with = "worker_core::descriptor")]`.
///
/// # Errors
///
/// Outside of a message to or from an actor or a channel, beyond 253 descriptors in one message, and if
/// this process may open no more.
pub fn serialize<Form, T: Carry<Form>, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.send(serializer)
}

/// Decodes a field that owns descriptors.
///
/// # Errors
///
/// If the message brought fewer descriptors, or this process may open no more.
pub fn deserialize<'de, Form, T: Carry<Form>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::receive(deserializer)
}

/// What [`serialize`] and [`deserialize`] take: one descriptor, perhaps one, or many.
///
/// `Form` is found by the compiler; it keeps the three apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no descriptor",
    label = "this needs to be `AsFd + From<OwnedFd>`, as files, sockets and pipes are, or an `Option` or `Vec` of such"
)]
pub trait Carry<Form>: Sized {
    /// Writes the field.
    ///
    /// # Errors
    ///
    /// As [`serialize`].
    fn send<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads the field.
    ///
    /// # Errors
    ///
    /// As [`deserialize`].
    fn receive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// [`Carry`] of one descriptor.
#[derive(Debug)]
pub enum One {}

/// [`Carry`] of an `Option`.
#[derive(Debug)]
pub enum Perhaps {}

/// [`Carry`] of a `Vec`.
#[derive(Debug)]
pub enum Many {}

impl<T: AsFd + From<OwnedFd>> Carry<One> for T {
    fn send<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Lent::from(self.as_fd()).serialize(serializer)
    }

    fn receive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arrived::deserialize(deserializer).map(|arrived| T::from(arrived.into()))
    }
}

impl<T: AsFd + From<OwnedFd>> Carry<Perhaps> for Option<T> {
    fn send<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(|one| Lent::from(one.as_fd())).serialize(serializer)
    }

    fn receive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let arrived = Option::<Arrived>::deserialize(deserializer)?;
        Ok(arrived.map(|arrived| T::from(arrived.into())))
    }
}

impl<T: AsFd + From<OwnedFd>> Carry<Many> for Vec<T> {
    fn send<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|one| Lent::from(one.as_fd())))
    }

    fn receive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let arrived = Vec::<Arrived>::deserialize(deserializer)?;
        Ok(arrived.into_iter().map(|arrived| T::from(arrived.into())).collect())
    }
}

/// A descriptor where no attribute can stand: in a tuple, a map, or as the message of a channel.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write, pipe};
/// use worker_core::{Descriptor, channel};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = channel::<(u32, Descriptor<std::io::PipeReader>)>()?;
/// let (reader, mut writer) = pipe()?;
/// sender.send((7, reader.into()))?;
/// writer.write_all(b"hello")?;
/// drop(writer);
/// let (number, mut reader) = receiver.recv()?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!((number, text.as_str()), (7, "hello"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Descriptor<T>(pub T);

impl<T> Descriptor<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Descriptor<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Descriptor<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Descriptor<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: AsFd> AsFd for Descriptor<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: AsFd> Serialize for Descriptor<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Lent::from(self.0.as_fd()).serialize(serializer)
    }
}

impl<'de, T: From<OwnedFd>> Deserialize<'de> for Descriptor<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arrived::deserialize(deserializer).map(|arrived| Self(T::from(arrived.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;
    use crate::wire::descriptors::{attached_by, with_arrived};
    use crate::wire::portable::Portable;
    use crate::wire::writer::Writer;
    use std::fs::File;
    use std::io::{Read, Write, pipe};

    #[derive(Serialize, Deserialize)]
    struct Streams {
        #[serde(with = "crate::wire::descriptor")]
        one: File,
        #[serde(with = "crate::wire::descriptor")]
        none: Option<File>,
        #[serde(with = "crate::wire::descriptor")]
        many: Vec<File>,
    }

    fn reader_of(text: &str) -> File {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        OwnedFd::from(reader).into()
    }

    fn text_of(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn fields_by_the_attribute_keep_their_places() {
        let streams = Streams { one: reader_of("a"), none: None, many: vec![reader_of("b"), reader_of("c")] };
        let mut bytes = Vec::new();
        let (written, attached) = attached_by(|| codec::encode(&streams, &mut Writer::to_heap(&mut bytes)));
        written.unwrap();
        drop(streams);
        let arrived: Streams = with_arrived(attached, || codec::decode(&bytes)).unwrap();
        assert!(arrived.none.is_none());
        assert_eq!(text_of(arrived.one), "a");
        assert_eq!(arrived.many.into_iter().map(text_of).collect::<String>(), "bc");
    }

    fn there_and_back<Form, T: Portable<Form>>(value: &T) -> T {
        let mut payload = Vec::new();
        let (written, attached) = attached_by(|| value.write(&mut Writer::to_heap(&mut payload)));
        written.unwrap();
        with_arrived(attached, || T::read(&mut payload.into())).unwrap()
    }

    #[test]
    fn files_cross_alone_perhaps_and_by_the_dozen() {
        assert_eq!(text_of(there_and_back(&reader_of("x"))), "x");
        assert_eq!(text_of(there_and_back(&Some(reader_of("y"))).unwrap()), "y");
        let many = there_and_back(&vec![reader_of("1"), reader_of("2")]);
        assert_eq!(many.into_iter().map(text_of).collect::<String>(), "12");
    }

    #[test]
    fn outside_of_a_message_the_error_says_where_it_could_be() {
        let error = codec::encode(&Descriptor(reader_of("")), &mut Writer::to_nowhere()).unwrap_err();
        assert!(format!("{error:?}").contains("argument or a result"), "{error:?}");
    }
}
