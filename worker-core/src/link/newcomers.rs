//! More links to a backend: whoever was given its actor makes one and knocks beside the first.
//! Not here: what is given (`process::travel`), and serving several links (`actor::serving`).
//! Layer 3: over `beside`.
//!
//! Who holds a frontend holds a *door*: a duplicate of the program's end of the socket beside the
//! actor's first link. On it a newcomer sends the backend's end of a link that it has made itself.
//!
//! * N1: whoever gives an actor away says so in the memory of its link before, and rings. So a backend that
//!   sleeps at its one doorbell is awake, and looks beside the link, before anybody can knock.
//! * N2: a door is only sent on. Nothing is received from it but by the program that made the actor.
//! * N3: doors are what keeps an actor alive: those that are held, and those in messages under way. Its
//!   far end hangs up when the last is closed, by whomever, for whatever reason.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::beside::Beside;
use super::{LinkEnd, LinkKind, open};
use crate::sys::doorbell::wait_for;
use crate::sys::socket;
use crate::sys::while_doing;
use crate::wire::descriptors::may_wait_until;

/// First bytes of a knock, which no parcel has in front of its number and length.
const KNOCK: &[u8; 8] = b"new link";
/// Those, the kind of the link, who knocks, and the number of the link.
const KNOCK_BYTES: usize = 25;
/// Time that backends get to take in knocks when hundreds are under way; for all that one message brings.
///
/// Whoever sent the message may have sent doors that nobody looks at.
const PATIENCE: Duration = Duration::from_secs(10);

/// A link that a newcomer has made.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) link: LinkEnd,
    /// The actor that made it; zero if it was none.
    pub(crate) from: u64,
}

/// Whether a message beside a link is a knock.
pub(super) fn is_knock(bytes: &[u8]) -> bool {
    bytes.len() == KNOCK_BYTES && bytes.starts_with(KNOCK)
}

/// Sends the backend its end of a new link with a number, and the far end of the socket beside that.
///
/// An actor that is gone is no error: the link shows its end.
pub(crate) fn knock(
    door: BorrowedFd<'_>,
    kind: LinkKind,
    from: u64,
    number: u64,
    beside: &OwnedFd,
    parts: &[OwnedFd],
) -> io::Result<()> {
    let refused = |errno| while_doing("an actor that was received could not be connected to", errno);
    let mut bytes = [0; KNOCK_BYTES];
    bytes[..8].copy_from_slice(KNOCK);
    bytes[8] = u8::from(kind == LinkKind::Socket);
    bytes[9..17].copy_from_slice(&from.to_le_bytes());
    bytes[17..].copy_from_slice(&number.to_le_bytes());
    let descriptors: Vec<_> = [beside].into_iter().chain(parts).map(AsFd::as_fd).collect();
    let deadline = may_wait_until(PATIENCE);
    loop {
        match socket::send(door, &bytes, &descriptors, false) {
            Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => return Ok(()),
            Err(Errno::EAGAIN) => {
                if wait_for(door, PollFlags::POLLOUT, Some(deadline))?.is_empty() {
                    return Err(refused(Errno::EAGAIN));
                }
            }
            Err(errno) => return Err(refused(errno)),
        }
    }
}

/// Takes in the newcomers of a backend, and says whether nobody can knock any more (N3).
pub(crate) fn take_in(beside: &Beside) -> (Vec<Newcomer>, bool) {
    let (knocks, closed) = beside.take_knocks();
    let newcomers = knocks.into_iter().filter_map(|message| {
        let mut descriptors = message.descriptors.into_iter();
        let kind = if message.bytes[8] == 0 { LinkKind::Shared } else { LinkKind::Socket };
        let word = |at: usize| Some(u64::from_le_bytes(message.bytes[at..at + 8].try_into().ok()?));
        let (from, number) = (word(9)?, word(17)?);
        let own = Arc::new(Beside::from(descriptors.next()?));
        // One that came incomplete, because this process may open no more, is closed here: its maker sees that.
        let mut link = open(kind, descriptors.collect(), own).ok()?;
        link.number = number;
        Some(Newcomer { link, from })
    });
    (newcomers.collect(), closed)
}
