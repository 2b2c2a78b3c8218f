//! Waiting for the first of many descriptors.
//! Not here: one alone (`doorbell`).
//! Layer 1: system calls.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll, ppoll};
use nix::sys::time::TimeSpec;

use super::doorbell::poll_timeout;

/// Waits until one of the descriptors is readable; says whether one is.
pub(crate) fn wait_any_readable<'descriptors>(
    descriptors: impl Iterator<Item = BorrowedFd<'descriptors>>,
    deadline: Option<Instant>,
) -> io::Result<bool> {
    let mut polled: Vec<_> =
        descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)).collect();
    loop {
        match poll(&mut polled, poll_timeout(deadline)) {
            Ok(0) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Waits until one of the entries shows something, to the nanosecond of the deadline; says whether one does.
///
/// # Source
///
/// `ppoll(2)`.
pub(crate) fn wait_any(polled: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match ppoll(polled, left.map(TimeSpec::from_duration), None) {
            Ok(0) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
