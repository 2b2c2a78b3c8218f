//! The receiving end of a channel.
//! Not here: values as bytes (`message`).
//! Layer 5: over `message` and `end`.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde::de::DeserializeOwned;

use super::end::End;
use super::errors::RecvError;
use super::message;
use crate::sys::doorbell::wait_readable;
use crate::sys::while_doing;

/// The receiving end of a [`channel`](super::channel()): there is one.
///
/// It can be an argument, a result, a field, or a value of another channel, and moves: from then on the process
/// that got it receives, and this value gives [`RecvError::Sent`]. If that process ends before it took the
/// receiver out of its message, the channel is disconnected, and what was in it is gone.
///
/// As a descriptor ([`AsFd`]) it is readable when there is a value, and when every sender is gone. One
/// look, one [`try_recv`](Receiver::try_recv): nothing is received ahead.
pub struct Receiver<T> {
    pub(super) end: Arc<End>,
    /// An error that ended an iteration, for the next `recv` to tell.
    untold: Mutex<Option<RecvError>>,
    value: PhantomData<fn() -> T>,
}

impl<T> Receiver<T> {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { end: Arc::new(End::new(socket)), untold: Mutex::default(), value: PhantomData }
    }

    pub(crate) fn end(&self) -> &Arc<End> {
        &self.end
    }

    pub(super) fn is_spent(&self) -> bool {
        self.end.is_spent()
    }
}

impl<T: DeserializeOwned + 'static> Receiver<T> {
    /// Waits for the next value.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; `Disconnected` once every sender is gone and everything is received.
    pub fn recv(&self) -> Result<T, RecvError> {
        loop {
            if let Some(value) = self.receive(true)? {
                return Ok(value);
            }
            wait_readable(self.as_fd(), None).map_err(RecvError::Io)?;
        }
    }

    /// The next value, if there is one now; `None` if not.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`]: that every sender is gone is an error, that nothing came yet is none.
    pub fn try_recv(&self) -> Result<Option<T>, RecvError> {
        self.receive(false)
    }

    /// Waits for the next value, but no longer than `timeout`; `None` if it has not come by then.
    ///
    /// # Errors
    ///
    /// As [`Receiver::recv`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<T>, RecvError> {
        self.recv_deadline(Instant::now().checked_add(timeout))
    }

    fn recv_deadline(&self, deadline: Option<Instant>) -> Result<Option<T>, RecvError> {
        loop {
            if let Some(value) = self.receive(false)? {
                return Ok(Some(value));
            }
            // However often there is a value just now, other threads may be faster.
            let is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if is_late || !wait_readable(self.as_fd(), deadline).map_err(RecvError::Io)? {
                return Ok(None);
            }
        }
    }

    /// Every value from now on; it ends when every sender is gone.
    ///
    /// It ends at any other error too, which the next [`recv`](Receiver::recv) then tells.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Every value that is there now; it waits for none.
    ///
    /// An error ends it, and is told by the next [`recv`](Receiver::recv).
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    fn receive(&self, wait: bool) -> Result<Option<T>, RecvError> {
        if self.is_spent() {
            return Err(RecvError::Sent);
        }
        if let Some(error) = self.untold().take() {
            return Err(error);
        }
        match message::receive(self.end.socket(), wait) {
            Ok(Some(Ok(value))) => Ok(Some(value)),
            Ok(Some(Err(error))) => Err(RecvError::Decode(error)),
            Ok(None) => Err(RecvError::Disconnected),
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => {
                let refused = || while_doing("a value could not be received", errno);
                Err(RecvError::Io(super::in_a_fork(errno).unwrap_or_else(refused)))
            }
        }
    }

    /// The value, for an iterator, which has no room for an error.
    fn or_untold(&self, received: Result<Option<T>, RecvError>) -> Option<T> {
        received.unwrap_or_else(|error| {
            // That it is disconnected shows again by itself.
            if !matches!(error, RecvError::Disconnected) {
                *self.untold() = Some(error);
            }
            None
        })
    }

    fn untold(&self) -> std::sync::MutexGuard<'_, Option<RecvError>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> AsFd for Receiver<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// For event loops that take numbers; the value keeps it open.
impl<T> AsRawFd for Receiver<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Receiver").field("is_sent", &self.is_spent()).finish_non_exhaustive()
    }
}

/// Values as they come; see [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'receiver, T> {
    receiver: &'receiver Receiver<T>,
}

/// Values that are there; see [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'receiver, T> {
    receiver: &'receiver Receiver<T>,
}

/// Values as they come, with the receiver that they come from.
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T: DeserializeOwned + 'static> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.or_untold(self.receiver.recv().map(Some))
    }
}

impl<T: DeserializeOwned + 'static> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.or_untold(self.receiver.try_recv())
    }
}

impl<T: DeserializeOwned + 'static> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.iter().next()
    }
}

impl<'receiver, T: DeserializeOwned + 'static> IntoIterator for &'receiver Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'receiver, T>;

    fn into_iter(self) -> Iter<'receiver, T> {
        self.iter()
    }
}

impl<T: DeserializeOwned + 'static> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}
