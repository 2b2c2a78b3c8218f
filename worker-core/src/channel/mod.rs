//! Channels: values from any number of senders to one receiver, each in whatever process.
//! Not here: calls (`actor`), megabytes in place (`frames`), and waiting for many at once (`select`).
//! Layer 5: beside `process`, over `sys` and `wire`.
//!
//! # Protocol
//!
//! A channel is a connected pair of message sockets. All senders, in all processes, share the one end; the
//! receiver has the other.
//!
//! * Q1: a value is one message of the socket. The kernel takes a message in whole or not at all, so a sender that is
//!   killed at whatever moment leaves no half of one, and senders do not mix.
//! * Q2: a value that is too long for that travels in sealed memory, which is complete and sealed before the
//!   message that brings it is sent.
//! * Q3: the senders are gone when the last copy of their end is closed, in whatever process, and in messages under way
//!   too. The kernel closes what a killed process had. The receiver learns that behind the last value.
//! * Q4: the receiving end moves. A value of it that was sent is spent, from the moment its message has left.
//! * Q5: nobody trusts what arrives. A message is bounded, sealed memory is checked before it is read, descriptors
//!   that nobody takes are closed, and whatever is no `T` is an error of one `recv`.
//!
//! What lies in a channel is bounded by the kernel's count of bytes. A message that brings sealed memory is as
//! long as the longest that does without, so a dozen long values fill a channel, and not hundreds.

#[cfg(feature = "tokio")]
mod awaiting;
mod end;
mod errors;
mod message;
mod receiver;
#[cfg(feature = "tokio")]
mod room;
mod sender;
#[cfg(test)]
mod tests;
mod travel;

use std::io;

use nix::errno::Errno;

#[cfg(feature = "tokio")]
pub use awaiting::Values;
pub(crate) use end::{End, Watcher};
pub use errors::{RecvError, SendError};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use sender::Sender;

use crate::sys::limits::with_descriptors;
use crate::sys::socket;

/// Least capacity: room for a long value and some short ones.
const CAPACITY_MIN_BYTES: usize = 64 << 10;

/// Makes a channel, and its two ends.
///
/// The ends are values like others: arguments, results, fields of your own types, and messages of other channels. A
/// [`Sender`] is cloned by that, as by `clone`; the [`Receiver`] moves. Values come in the order in which they
/// were sent, as far as one `send` had returned before the other began.
///
/// It holds as much as a socket does by default (208 KiB, as the kernel counts: some 250 short values); a sender
/// for which there is no room waits. See [`channel_with_capacity`].
///
/// # Errors
///
/// If the system refuses a descriptor.
///
/// # Examples
///
/// Progress of a backend, told while its call runs:
///
/// ```
/// use worker_core::{Sender, channel, process_actor};
///
/// pub struct Copier;
///
/// #[process_actor]
/// impl Copier {
///     pub fn new() -> Self { Self }
///     pub fn copy(&self, files: u32, progress: Sender<u32>) -> u32 {
///         for file in 1..=files {
///             let _ = progress.send(file); // whether anybody listens is not our concern
///         }
///         files
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let copier = CopierFrontend::spawn()?;
/// let (sender, receiver) = channel()?;
/// let copied = copier.copy_async(3, sender); // the sender lives over there alone now
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]); // ends when the last sender is dropped
/// assert_eq!(copied.wait()?, 3);
/// # Ok(())
/// # }
/// ```
pub fn channel<T>() -> io::Result<(Sender<T>, Receiver<T>)> {
    let (sending, receiving) = with_descriptors(socket::message_pair)?;
    Ok((Sender::new(sending), Receiver::new(receiving)))
}

/// Makes a channel that holds so many bytes, as the kernel counts them.
///
/// It counts its own overhead: a short value takes about 0.75 KiB, one of 16 KiB or more about 20 KiB.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) below 64 KiB, and for more than the system grants (twice
/// `net.core.wmem_max`); and if the system refuses a descriptor.
///
/// # Examples
///
/// ```
/// use worker_core::{SendError, channel_with_capacity};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = channel_with_capacity::<u64>(64 << 10)?;
/// let mut sent = 0;
/// while sender.try_send(sent).is_ok() {
///     sent += 1;
/// }
/// assert!(matches!(sender.try_send(7), Err(SendError::Full(7))));
/// assert_eq!(receiver.try_iter().count() as u64, sent);
/// # Ok(())
/// # }
/// ```
pub fn channel_with_capacity<T>(bytes: usize) -> io::Result<(Sender<T>, Receiver<T>)> {
    let refused = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if bytes < CAPACITY_MIN_BYTES {
        return refused(format!("a channel holds at least {CAPACITY_MIN_BYTES} bytes, not {bytes}"));
    }
    let (sending, receiving) = with_descriptors(socket::message_pair)?;
    socket::set_send_room(&sending, bytes)?;
    let granted = socket::send_room(&sending)?;
    if granted < bytes {
        return refused(format!(
            "the system grants a channel {granted} bytes, not {bytes}; the sysctl net.core.wmem_max, half of that, \
             says how many"
        ));
    }
    Ok((Sender::new(sending), Receiver::new(receiving)))
}

/// What is wrong if an end leads to no socket: it is in a backend that is a fork of the program (`sys::held`).
#[cold]
fn in_a_fork(errno: Errno) -> Option<io::Error> {
    let text = "this end of a channel came along in a fork of the program, and belongs to the program; \
                give the backend its own as an argument";
    (errno == Errno::ENOTSOCK).then(|| io::Error::new(io::ErrorKind::NotConnected, text))
}
