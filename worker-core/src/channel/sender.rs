//! A sending end of a channel.
//! Not here: values as bytes (`message`).
//! Layer 5: over `message`.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use serde::Serialize;

use super::errors::SendError;
use super::message::{Message, Refused};
use crate::sys::doorbell::wait_for;
use crate::sys::held::Held;
use crate::sys::while_doing;

/// A sending end of a [`channel`](super::channel()): of any number, in any processes.
///
/// A clone in this process costs no descriptor. As an argument, a result, a field, or a value of another channel it
/// is cloned to where it goes; the value here stays good. When the last one is gone, everywhere, the receiver
/// gets what is left and then learns of it. So drop the one that you kept, or the receiver waits for you.
///
/// As a descriptor ([`AsFd`]) it is *writable* when there is room, and hung up when the receiver is gone.
///
/// # Concurrency
///
/// Any threads and processes may send at the same time; a value is never mixed with another.
pub struct Sender<T> {
    pub(super) socket: Arc<OwnedFd>,
    held: Arc<Held>,
    value: PhantomData<fn(T)>,
}

/// How long to wait for room.
enum Patience {
    Endless,
    Until(Option<Instant>),
}

impl<T> Sender<T> {
    pub(super) fn new(socket: OwnedFd) -> Self {
        let held = Arc::new(Held::new([socket.as_fd()]));
        Self { socket: Arc::new(socket), held, value: PhantomData }
    }
}

impl<T: Serialize + 'static> Sender<T> {
    /// Sends a value, and waits for room if there is none.
    ///
    /// That it was sent does not mean that it will be received: the receiver may end before.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value, but not `Full`.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_with(value, &Patience::Endless)
    }

    /// Sends a value if there is room.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value; `Full` if there is no room.
    pub fn try_send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_with(value, &Patience::Until(Some(Instant::now())))
    }

    /// Sends a value, and waits for room, but no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value; `Full` if there was no room in time.
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendError<T>> {
        self.send_with(value, &Patience::Until(Instant::now().checked_add(timeout)))
    }

    fn send_with(&self, value: T, patience: &Patience) -> Result<(), SendError<T>> {
        let message = match Message::of(&value) {
            Ok(message) => message,
            Err(Refused::Encode(error)) => return Err(SendError::Encode(value, error)),
            Err(Refused::Io(error)) => return Err(SendError::Io(value, error)),
        };
        let (wait, deadline) = match patience {
            Patience::Endless => (true, None),
            Patience::Until(deadline) => (false, *deadline),
        };
        loop {
            match message.send(&self.socket, wait) {
                Ok(()) => return Ok(()),
                // One whose receiver is just going is not connected for a moment on older kernels.
                Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ECONNREFUSED | Errno::ENOTCONN) => {
                    return Err(SendError::Disconnected(value));
                }
                // However often there is room just now, others may be faster.
                Err(Errno::EAGAIN) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Err(SendError::Full(value));
                }
                // Also of a send that waits: whoever else has this end may have told it not to.
                Err(Errno::EAGAIN) => match wait_for(self.socket.as_fd(), PollFlags::POLLOUT, deadline) {
                    Ok(ready) if ready.is_empty() => return Err(SendError::Full(value)),
                    Ok(_) => {}
                    Err(error) => return Err(SendError::Io(value, error)),
                },
                Err(errno) => return Err(SendError::Io(value, refused(errno))),
            }
        }
    }
}

#[cold]
fn refused(errno: Errno) -> io::Error {
    match errno {
        // So many as one user may have in messages under way: RLIMIT_NOFILE of this process.
        Errno::ETOOMANYREFS => io::Error::new(
            io::ErrorKind::QuotaExceeded,
            "too many descriptors are in messages that nobody has received yet; the limit is that of open files",
        ),
        errno => super::in_a_fork(errno).unwrap_or_else(|| while_doing("a value could not be sent", errno)),
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        let (socket, held) = (Arc::clone(&self.socket), Arc::clone(&self.held));
        Self { socket, held, value: PhantomData }
    }
}

impl<T> AsFd for Sender<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// For event loops that take numbers; the value keeps it open.
impl<T> AsRawFd for Sender<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sender").finish_non_exhaustive()
    }
}
