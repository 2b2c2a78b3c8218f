//! What travels beside the bytes of a Unix socket: descriptors, and who sent them.
//! Not here: sending, for which `nix` has a safe shape, and what the bytes say (`socket`).
//! Layer 1: system calls.
//!
//! By hand, because the safe shape at hand gives nothing at all when descriptors were cut off, and
//! those that did arrive would stay open for ever.
//!
//! # Safety
//!
//! * Y1: `msg_control` points to an aligned private buffer of `msg_controllen` bytes, zeroed before
//!   the call; the kernel writes whole headers and reports how many bytes it wrote.
#![allow(unsafe_code)]

use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use nix::unistd::Pid;

use super::retry_on_interrupt;

/// Most descriptors in one message.
///
/// # Source
///
/// `SCM_MAX_FD` in `unix(7)`.
pub(crate) const DESCRIPTORS_MAX: usize = 253;

/// A pidfd of the sender, from Linux 6.5; `include/linux/socket.h`. The crate `libc` does not name it.
const SCM_PIDFD: libc::c_int = 4;
/// Room for both kinds of control messages, in words.
const CONTROL_WORDS: usize = 144;

/// What came beside the bytes.
#[derive(Debug, Default)]
pub(super) struct Ancillary {
    pub(super) descriptors: Vec<OwnedFd>,
    /// The process that sent the bytes, if the socket was told to say so.
    pub(super) sender: Option<Pid>,
    /// Some descriptors were sent and did not arrive: this process may open no more of them.
    pub(super) is_cut_off: bool,
    /// The message was longer than the bytes that there was room for.
    pub(super) is_longer: bool,
}

/// Receives once; gives the number of bytes.
///
/// # Source
///
/// `recvmsg(2)`, `cmsg(3)`, `unix(7)`.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    flags: MsgFlags,
) -> nix::Result<(usize, Ancillary)> {
    let mut control = [0_u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: a header of zeroes and null pointers is what the call defines as "nothing given".
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    let flags = (flags | MsgFlags::MSG_CMSG_CLOEXEC).bits();
    let length = retry_on_interrupt(|| {
        // SAFETY: Y1, and `part` spans exactly `bytes`, which outlives the call.
        Errno::result(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) })
    })?;
    let mut ancillary = Ancillary {
        is_cut_off: header.msg_flags & libc::MSG_CTRUNC != 0,
        is_longer: header.msg_flags & libc::MSG_TRUNC != 0,
        ..Ancillary::default()
    };
    // SAFETY: Y1.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !message.is_null() {
        // SAFETY: Y1: the kernel wrote a whole header here.
        let head = unsafe { message.read() };
        // SAFETY: the data of a control message begins behind its header, inside the buffer (Y1).
        let data = unsafe { libc::CMSG_DATA(message) };
        // SAFETY: pure arithmetic on a length.
        let data_bytes = head.cmsg_len.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
        match (head.cmsg_level, head.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                for index in 0..data_bytes / size_of::<RawFd>() {
                    // SAFETY: `index` stays below the length that the kernel wrote.
                    let number = unsafe { data.cast::<RawFd>().add(index) };
                    // SAFETY: as above; the data may lie unaligned.
                    let number = unsafe { number.read_unaligned() };
                    // SAFETY: the kernel made this descriptor for us in this very call, and nobody
                    // else has been told its number.
                    ancillary.descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
                }
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if data_bytes >= size_of::<libc::ucred>() => {
                // SAFETY: the length was checked in the line above; the data may lie unaligned.
                let credentials = unsafe { data.cast::<libc::ucred>().read_unaligned() };
                ancillary.sender = Some(Pid::from_raw(credentials.pid));
            }
            // Whoever made the socket may have asked the kernel for a pidfd with each message; nobody here wants it.
            (libc::SOL_SOCKET, SCM_PIDFD) if data_bytes >= size_of::<RawFd>() => {
                // SAFETY: the length was checked in the line above; the data may lie unaligned.
                let number = unsafe { data.cast::<RawFd>().read_unaligned() };
                if number >= 0 {
                    // SAFETY: the kernel made this descriptor for us in this very call.
                    drop(unsafe { OwnedFd::from_raw_fd(number) });
                }
            }
            _ => {}
        }
        // SAFETY: Y1, and `message` is one of its headers.
        message = unsafe { libc::CMSG_NXTHDR(&raw const header, message) };
    }
    Ok((usize::try_from(length).unwrap_or(0), ancillary))
}
