//! A descriptor inside of a message, on its way out and on its way in, and the types of `std` that are one.
//! Not here: descriptors inside of a user's own types (`descriptor`), and the list that goes along (`descriptors`).
//! Layer 2: over `descriptors` and `portable`.

use std::fmt;
use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::descriptors;
use super::portable::Native;
use super::reason::{not_decoded, not_encoded};
use crate::sys::limits::with_descriptors;

/// An argument `BorrowedFd<'_>` inside a request: lent by the caller, owned in the backend.
pub enum Lent<'a> {
    /// On the caller's side.
    Borrowed(BorrowedFd<'a>),
    /// In the backend.
    Owned(OwnedFd),
}

impl AsFd for Lent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(descriptor) => *descriptor,
            Self::Owned(descriptor) => descriptor.as_fd(),
        }
    }
}

impl<'a> From<BorrowedFd<'a>> for Lent<'a> {
    fn from(descriptor: BorrowedFd<'a>) -> Self {
        Self::Borrowed(descriptor)
    }
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_fd().fmt(formatter)
    }
}

impl Serialize for Lent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let duplicate = with_descriptors(|| self.as_fd().try_clone_to_owned());
        let duplicate = duplicate
            .map_err(|error| not_encoded(format_args!("a descriptor could not be duplicated: {error}")))?;
        descriptors::attach(duplicate).map_err(not_encoded)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Lent<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arrived::deserialize(deserializer).map(|arrived| Self::Owned(arrived.0))
    }
}

/// A descriptor that has come along with the message that is being decoded.
pub struct Arrived(OwnedFd);

impl<'de> Deserialize<'de> for Arrived {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        descriptors::detach(u32::deserialize(deserializer)?).map(Self).map_err(not_decoded)
    }
}

impl From<Arrived> for OwnedFd {
    fn from(arrived: Arrived) -> Self {
        arrived.0
    }
}

impl fmt::Debug for Arrived {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What these types have in common is not enough for one implementation: others could have it too.
macro_rules! natively {
    ($($owner:ty),* $(,)?) => {$(
        impl Native for $owner {
            type Wire = Arrived;

            fn to_wire(&self) -> impl Serialize {
                Lent::from(self.as_fd())
            }

            fn from_wire(wire: Arrived) -> Result<Self, &'static str> {
                Ok(wire.0.into())
            }
        }
    )*};
}

natively!(
    ChildStderr,
    ChildStdin,
    ChildStdout,
    File,
    OwnedFd,
    PipeReader,
    PipeWriter,
    TcpListener,
    TcpStream,
    UdpSocket,
    UnixDatagram,
    UnixListener,
    UnixStream,
);
