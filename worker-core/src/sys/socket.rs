//! Message sockets that carry descriptors beside bytes.
//! Not here: what the messages say (`process::protocol`).
//! Layer 1: system calls.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};

use super::{retry_on_interrupt, while_doing};

/// Most descriptors in one message.
pub(crate) const DESCRIPTORS_MAX: usize = 8;

/// A message that came in.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
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
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &rights[..0] } else { &rights[..] };
    let mut flags = MsgFlags::MSG_NOSIGNAL;
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    let parts = [IoSlice::new(bytes)];
    retry_on_interrupt(|| sendmsg::<()>(socket.as_raw_fd(), &parts, control, flags, None)).map(drop)
}

/// Receives one message; `None` at the end, when every other end is closed.
pub(crate) fn receive(socket: BorrowedFd<'_>, wait: bool) -> nix::Result<Option<Message>> {
    // As long as the message, for memory of a process that forks is dear: each page that it writes
    // after a fork is copied first.
    let mut bytes = vec![0; next_length(socket, wait)?];
    let mut control = nix::cmsg_space!([RawFd; DESCRIPTORS_MAX]);
    let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    let mut descriptors = Vec::new();
    let length = loop {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
            Err(Errno::EINTR) => continue,
            // A peer that closed with our messages unread resets; it is gone all the same.
            Err(Errno::ECONNRESET) => return Ok(None),
            other => other?,
        };
        for message in received.cmsgs().map_err(|_| Errno::EMSGSIZE)? {
            if let ControlMessageOwned::ScmRights(numbers) = message {
                descriptors.extend(numbers.into_iter().map(adopt));
            }
        }
        break received.bytes;
    };
    if length == 0 && descriptors.is_empty() {
        return Ok(None);
    }
    bytes.truncate(length);
    Ok(Some(Message { bytes, descriptors }))
}

/// Length of the message that comes next; zero at the end too.
fn next_length(socket: BorrowedFd<'_>, wait: bool) -> nix::Result<usize> {
    let mut flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    match retry_on_interrupt(|| nix::sys::socket::recv(socket.as_raw_fd(), &mut [], flags)) {
        Err(Errno::ECONNRESET) => Ok(0),
        length => length,
    }
}

#[allow(unsafe_code)]
fn adopt(number: RawFd) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for us in the `recvmsg` that told its number, and
    // nobody else has been told.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Sends as many bytes as fit without waiting; `None` if none fit now.
pub(crate) fn send_some(socket: &impl AsFd, bytes: &[u8]) -> nix::Result<Option<usize>> {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    match retry_on_interrupt(|| nix::sys::socket::send(socket.as_fd().as_raw_fd(), bytes, flags)) {
        Err(Errno::EAGAIN) => Ok(None),
        other => other.map(Some),
    }
}

/// Receives what is there without waiting, at most a buffer full; `None` if nothing is there now.
pub(crate) fn receive_some(socket: &impl AsFd, buffer: &mut [u8]) -> nix::Result<Option<usize>> {
    let flags = MsgFlags::MSG_DONTWAIT;
    match retry_on_interrupt(|| nix::sys::socket::recv(socket.as_fd().as_raw_fd(), buffer, flags)) {
        Err(Errno::EAGAIN) => Ok(None),
        Err(Errno::ECONNRESET) => Ok(Some(0)),
        other => other.map(Some),
    }
}
