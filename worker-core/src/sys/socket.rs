//! Message sockets that carry descriptors beside bytes.
//! Not here: what the messages say (`process::protocol`).
//! Layer 1: system calls.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, getsockopt, sendmsg, setsockopt, socketpair,
    sockopt,
};
use nix::unistd::Pid;

use super::ancillary::Ancillary;
pub(crate) use super::ancillary::DESCRIPTORS_MAX;
use super::doorbell::wait_for;
use super::{ancillary, retry_on_interrupt, while_doing};

/// A message that came in.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Who sent it, on a socket that was asked to [`tell_senders`].
    pub(crate) sender: Option<Pid>,
}

/// A message that came into a buffer.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) length_bytes: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// It was longer than the buffer; the rest is lost.
    pub(crate) is_longer: bool,
}

/// Bytes that came in on a stream.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) length_bytes: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Descriptors were sent with these bytes, also if none of them arrived.
    pub(crate) has_descriptors: bool,
}

/// A connected pair of sockets that keep messages apart, both close-on-exec.
///
/// # Source
///
/// `SOCK_SEQPACKET` in `unix(7)`.
pub(crate) fn message_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(SockType::SeqPacket)
}

/// A connected pair of byte streams, both close-on-exec.
pub(crate) fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(SockType::Stream)
}

fn pair(kind: SockType) -> io::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|errno| while_doing("a socket could not be made", errno))
}

/// Sends one message; `wait` says whether to wait for room in the socket.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    wait: bool,
) -> nix::Result<()> {
    let mut flags = MsgFlags::empty();
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    send_once(socket, bytes, descriptors, flags).map(drop)
}

fn send_once(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: MsgFlags,
) -> nix::Result<usize> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &rights[..0] } else { &rights[..] };
    let parts = [IoSlice::new(bytes)];
    let flags = flags | MsgFlags::MSG_NOSIGNAL;
    retry_on_interrupt(|| sendmsg::<()>(socket.as_raw_fd(), &parts, control, flags, None))
}

/// Has a socket say of each message which process sent it: no ordinary process can lie about that.
///
/// # Source
///
/// `SO_PASSCRED` in `unix(7)`.
pub(crate) fn tell_senders(socket: &OwnedFd) -> io::Result<()> {
    setsockopt(socket, sockopt::PassCred, &true)
        .map_err(|errno| while_doing("a socket could not be set up", errno))
}

/// Receives one message; `None` at the end, when every other end is closed.
pub(crate) fn receive(socket: BorrowedFd<'_>, wait: bool) -> nix::Result<Option<Message>> {
    // As long as the message, for memory of a process that forks is dear: each page that it writes
    // after a fork is copied first.
    let mut bytes = vec![0; after_reset(|| next_length(socket, wait))?];
    let mut flags = MsgFlags::empty();
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    let (length, ancillary) = after_reset(|| ancillary::receive(socket, &mut bytes, flags))?;
    // A message without a byte is no end; where senders are told, it has one, which no end has.
    if length == 0 && ancillary.descriptors.is_empty() && ancillary.sender.is_none() && has_ended(&socket) {
        return Ok(None);
    }
    bytes.truncate(length);
    Ok(Some(Message { bytes, descriptors: ancillary.descriptors, sender: ancillary.sender }))
}

/// Receives again after the kernel has told, once, that the other side closed with something unread.
///
/// What the other side had sent before is still there, and comes next; the word of how a backend ended, for one. It
/// closes once, so this comes to an end.
fn after_reset<T>(mut receive: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match receive() {
            Err(Errno::ECONNRESET) => {}
            other => return other,
        }
    }
}

/// Receives one message into a buffer of the caller's; `None` at the end, when every other end is closed.
///
/// A message without a byte is `None` too: ask [`has_ended`].
pub(crate) fn receive_into(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    wait: bool,
) -> nix::Result<Option<Datagram>> {
    let mut flags = MsgFlags::empty();
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    let (length_bytes, ancillary) = after_reset(|| ancillary::receive(socket, buffer, flags))?;
    if length_bytes == 0 {
        return Ok(None);
    }
    let Ancillary { descriptors, is_longer, .. } = ancillary;
    Ok(Some(Datagram { length_bytes, descriptors, is_longer }))
}

/// Whether nothing can come any more.
pub(crate) fn has_ended(socket: &impl AsFd) -> bool {
    let hung_up = PollFlags::from_bits_retain(libc::POLLRDHUP);
    let events = wait_for(socket.as_fd(), hung_up, Some(Instant::now()));
    events.is_ok_and(|events| !events.is_empty())
}

/// Bytes that a socket takes before its sender has to wait, as the kernel counts them.
///
/// # Source
///
/// `SO_SNDBUF` in `socket(7)`: twice what was asked for, because the kernel's own overhead counts too.
pub(crate) fn send_room(socket: &OwnedFd) -> io::Result<usize> {
    getsockopt(socket, sockopt::SndBuf).map_err(|errno| while_doing("a socket could not be asked", errno))
}

/// Sets what [`send_room`] gives; the system may grant less.
pub(crate) fn set_send_room(socket: &OwnedFd, bytes: usize) -> io::Result<()> {
    setsockopt(socket, sockopt::SndBuf, &(bytes / 2))
        .map_err(|errno| while_doing("a socket could not be set up", errno))
}

/// Length of the message that comes next; zero at the end too.
fn next_length(socket: BorrowedFd<'_>, wait: bool) -> nix::Result<usize> {
    let mut flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    retry_on_interrupt(|| nix::sys::socket::recv(socket.as_raw_fd(), &mut [], flags))
}

/// Sends as many bytes as fit without waiting, and the descriptors with the first of them; `None`
/// if none fit now.
pub(crate) fn send_some(
    socket: &impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> nix::Result<Option<usize>> {
    match send_once(socket.as_fd(), bytes, descriptors, MsgFlags::MSG_DONTWAIT) {
        Err(Errno::EAGAIN) => Ok(None),
        other => other.map(Some),
    }
}

/// Receives what is there without waiting, at most a buffer full; `None` if nothing is there now.
pub(crate) fn receive_some(socket: &impl AsFd, buffer: &mut [u8]) -> nix::Result<Option<Chunk>> {
    match ancillary::receive(socket.as_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
        Err(Errno::EAGAIN) => Ok(None),
        Err(Errno::ECONNRESET) => {
            Ok(Some(Chunk { length_bytes: 0, descriptors: Vec::new(), has_descriptors: false }))
        }
        Err(errno) => Err(errno),
        Ok((length_bytes, ancillary)) => Ok(Some(Chunk {
            length_bytes,
            has_descriptors: ancillary.is_cut_off || !ancillary.descriptors.is_empty(),
            descriptors: ancillary.descriptors,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_a_byte_is_no_end() {
        for tells_senders in [false, true] {
            let (ours, theirs) = message_pair().unwrap();
            if tells_senders {
                tell_senders(&ours).unwrap();
            }
            send(theirs.as_fd(), b"", &[], false).unwrap();
            send(theirs.as_fd(), b"word", &[], false).unwrap();
            for expected in ["", "word"] {
                let message = receive(ours.as_fd(), false).unwrap().unwrap();
                assert_eq!(message.bytes, expected.as_bytes());
            }
            assert_eq!(receive(ours.as_fd(), false).unwrap_err(), Errno::EAGAIN);
            if tells_senders {
                // Told apart even once the end has come.
                send(theirs.as_fd(), b"", &[], false).unwrap();
                send(theirs.as_fd(), b"word", &[], false).unwrap();
                drop(theirs);
                assert_eq!(receive(ours.as_fd(), false).unwrap().unwrap().bytes, b"");
                assert_eq!(receive(ours.as_fd(), false).unwrap().unwrap().bytes, b"word");
            } else {
                drop(theirs);
            }
            assert!(receive(ours.as_fd(), true).unwrap().is_none());
        }
    }
}
