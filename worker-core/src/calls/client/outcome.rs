//! What came of a call, or why nothing did.
//! Not here: how a caller gets it (`calling`, `awaiting`), and what it sees of it (`actor::outcome`).
//! Layer 4: plain data, and a buffer for each thread.

use std::cell::Cell;
use std::io;

use crate::calls::table::Reply;
use crate::errors::Exit;
use crate::link::Sent;
use crate::sys::clock::Moment;
use crate::wire::descriptors::Attached;
use crate::wire::kind::Kind;
use crate::wire::received::Received;

/// How a backend ended, and when that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    pub(crate) exit: Exit,
    /// A moment at which it was certainly gone, if one is known.
    pub(crate) gone_at: Option<Moment>,
}

/// Why a link is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The other side is closed.
    Gone,
    /// The other side broke the protocol.
    Broken,
}

/// A call whose request has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(super) id: u64,
    pub(super) sent: Sent,
}

/// What came of a call. The default is the place for it: it is filled where the reply is, for to hand it on by value, from
/// function to function, takes longer than all the rest of them.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) payload: Received,
    /// Descriptors that came along.
    pub(crate) attached: Attached,
}

impl From<Reply> for Outcome {
    fn from(Reply { kind, payload, attached }: Reply) -> Self {
        Self { kind, payload: payload.into(), attached }
    }
}

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) enum Fault {
    NotSent(Exit),
    /// The deadline passed before the request had left.
    NotSentInTime,
    Exited(Exit),
    /// The deadline passed with the request in flight.
    TimedOut,
    Value(String),
    Memory(io::Error),
    /// The wait would be one for itself, through these actors.
    Circle(Vec<String>),
}

/// Why a call did not leave at once.
#[derive(Debug)]
pub(crate) enum NotNow {
    /// It would have to wait for room, or for others that do. Nothing of it has left.
    Room,
    Fault(Fault),
}

thread_local! {
    /// A buffer for the next reply of this thread, so that short calls allocate nothing.
    pub(super) static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Longest buffer that a thread keeps.
const SPARE_MAX_BYTES: usize = 64 * 1024;

/// Gives the buffer of a reply back for the next one of this thread.
#[inline]
pub(crate) fn recycle(payload: &mut Received) {
    if !payload.has_spare() {
        return;
    }
    let mut payload = payload.take_spare();
    if (1..=SPARE_MAX_BYTES).contains(&payload.capacity()) {
        payload.clear();
        SPARE.set(payload);
    }
}
