//! The two-way connection between one frontend process and one backend process.
//! Not here: matching replies to calls (`calls`) and what a message asks for (`actor`).
//! Layer 3: above `ring` and `wire`. Everything above knows a link by this interface, never by its memory.
//!
//! A link end has two halves that different threads may hold at one time: [`Outgoing`] and
//! [`Incoming`]. Neither half waits inside `send` or `next`; [`Incoming::wait`] is the one place
//! where a thread sleeps, whether for a message or for room to send one. So whoever waits for room
//! can also take in what arrives, and two full directions cannot block each other.

#[cfg(test)]
mod attached_tests;
pub(crate) mod beside;
#[cfg(test)]
mod conformance;
pub(crate) mod newcomers;
mod outbox;
mod shared;
mod socket;
mod spin;

pub(crate) use outbox::Outbox;
pub(crate) use shared::{LinkParts, SharedParts};
pub(crate) use socket::SocketParts;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;
use std::{fmt, io};

use beside::Beside;
use nix::poll::PollFlags;

use crate::sys::clock::Moment;
pub(crate) use crate::sys::doorbell::{Rings, Wake};
use crate::wire::codec::WriteError;
use crate::wire::descriptors::{Attached, Parcel};
use crate::wire::kind::Kind;
use crate::wire::received::Received;
use crate::wire::writer::Writer;

/// Writes a payload; called again from the start if the first room was too short.
pub(crate) type Payload<'payload> = &'payload dyn Fn(&mut Writer<'_>) -> Result<(), WriteError>;

/// What kind of link it is; both sides must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum LinkKind {
    /// Rings in shared memory and doorbells.
    Shared,
    /// One stream socket, for places without `memfd`.
    Socket,
}

/// One end of a link.
#[derive(Debug)]
pub(crate) struct LinkEnd {
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    pub(crate) outbox: Outbox,
    /// The actor at the other end, as a backend knows it; zero if it is none.
    pub(crate) peer: u64,
    /// Tells apart the links of one backend, on both sides: zero for the one of its spawner.
    pub(crate) number: u64,
}

/// The half that sends.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Shared(shared::Outgoing),
    Socket(socket::Outgoing),
}

/// The half that receives, and the one that waits.
#[derive(Debug)]
pub(crate) enum Incoming {
    Shared(shared::Incoming),
    Socket(socket::Incoming),
}

/// There is no room for a message now; this says when to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// For rings, what the reader's position must reach.
    until_position: u64,
}

/// A message that went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Where the ring ended behind it; no link but the shared one counts.
    position: u64,
}

/// Why a message did not go out.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Wait for room, then send the same message again, or withdraw it.
    NoRoom(Room),
    /// The value cannot be encoded; nothing was sent.
    Value(String),
    /// The system has no memory for a message of this size; nothing was sent.
    Memory(io::Error),
    /// The other side is gone.
    Gone,
}

/// A message that has arrived and is still where it arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    /// Descriptors that came along; whoever takes the message takes them out, or they are closed.
    pub(crate) attached: Attached,
    /// Why it has come without its payload, if it has.
    pub(crate) lost: Option<Lost>,
    place: Place,
}

impl Arrived {
    /// The place for a message.
    pub(crate) fn none() -> Self {
        Self { kind: Kind::Returned, id: 0, attached: None, lost: None, place: Place::Assembled }
    }
}

/// Why there is no payload to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There was no memory for so many bytes, or more.
    NoMemory { length_bytes: usize },
    /// It is longer than this end takes in.
    TooLong { limit_bytes: usize },
}

impl Lost {
    /// Whether a payload of this length can be taken in; makes room for it behind what is there already.
    fn make_room(target: &mut Vec<u8>, more_bytes: usize, limit_bytes: usize) -> Result<(), Self> {
        let length_bytes = target.len().saturating_add(more_bytes);
        if length_bytes > limit_bytes {
            return Err(Self::TooLong { limit_bytes });
        }
        target.try_reserve(more_bytes).map_err(|_| Self::NoMemory { length_bytes })
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory { length_bytes } => {
                write!(formatter, "there is not enough memory for {length_bytes} bytes or more")
            }
            Self::TooLong { limit_bytes } => write!(
                formatter,
                "it is longer than the {limit_bytes} bytes that are taken in; `Builder::reply_max_bytes` sets the limit"
            ),
        }
    }
}

/// Where the payload of an arrived message lies.
#[derive(Debug)]
pub(crate) enum Place {
    Shared(shared::Place),
    Assembled,
}

/// The other side broke the protocol; the link is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// What a waiting thread wants to be woken for, besides the other side's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    /// A message.
    pub(crate) message: bool,
    /// Room to send.
    pub(crate) room: Option<Room>,
}

impl Interest {
    /// A message and nothing else.
    pub(crate) const MESSAGE: Self = Self { message: true, room: None };
}

/// Both ends of a new link: ours, and the descriptors from which the other side makes its own.
#[derive(Debug)]
pub(crate) struct NewLink {
    pub(crate) kind: LinkKind,
    pub(crate) ours: LinkEnd,
    pub(crate) theirs: Vec<OwnedFd>,
}

/// Makes a link; the caller is the frontend.
pub(crate) fn create(kind: LinkKind, beside: Arc<Beside>) -> io::Result<NewLink> {
    match kind {
        LinkKind::Shared => SharedParts::create(beside),
        LinkKind::Socket => SocketParts::create(),
    }
}

/// Makes the frontend's end of a link that was made ahead, as [`LinkParts`].
pub(crate) fn open_ours(descriptors: Vec<OwnedFd>, beside: Arc<Beside>) -> io::Result<LinkEnd> {
    SharedParts::open_ours(descriptors, beside)
}

/// Makes the backend's end of such a link, with the pages that the first messages need.
pub(crate) fn open_ahead(descriptors: Vec<OwnedFd>, beside: OwnedFd) -> io::Result<LinkEnd> {
    SharedParts::open_ahead(descriptors, Arc::new(Beside::from(beside)))
}

/// Makes the backend's end from what travelled.
pub(crate) fn open(kind: LinkKind, descriptors: Vec<OwnedFd>, beside: Arc<Beside>) -> io::Result<LinkEnd> {
    match kind {
        LinkKind::Shared => SharedParts::open(descriptors, beside),
        LinkKind::Socket => SocketParts::open(descriptors),
    }
}

macro_rules! both {
    ($half:ident, $value:expr, $name:ident => $call:expr) => {
        match $value {
            $half::Shared($name) => $call,
            $half::Socket($name) => $call,
        }
    };
}

impl Outgoing {
    /// Sends a message without waiting; [`Outgoing::notify`] wakes the other side for it.
    ///
    /// After [`SendError::NoRoom`] the next call must be for the same message, or
    /// [`Outgoing::withdraw`]: part of a long one may be on its way already.
    #[inline]
    pub(crate) fn send(&mut self, kind: Kind, id: u64, payload: Payload<'_>) -> Result<Sent, SendError> {
        both!(Outgoing, self, half => half.send(kind, id, payload))
    }

    /// Wakes the other side if it sleeps; says whether it had to.
    #[inline]
    pub(crate) fn notify(&mut self) -> bool {
        match self {
            Self::Shared(half) => half.notify(),
            // The kernel wakes, and tells nobody.
            Self::Socket(_) => false,
        }
    }

    /// Whether the other side had begun to work on a message; `true` where nobody can know.
    pub(crate) fn was_taken(&self, sent: Sent) -> bool {
        match self {
            Self::Shared(half) => half.was_taken(sent),
            Self::Socket(_) => true,
        }
    }

    /// Whether [`Outgoing::was_taken`] can tell.
    pub(crate) fn knows_what_was_taken(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Gives up a message for which there was no room: it will never be seen, also if a part of it is out.
    pub(crate) fn withdraw(&mut self) {
        both!(Outgoing, self, half => half.withdraw())
    }

    /// Has a thread that sleeps in [`Incoming::wait`] look at the room too; says if it is there now.
    pub(crate) fn alarm_for(&mut self, room: Room) -> bool {
        both!(Outgoing, self, half => half.alarm_for(room))
    }
}

impl Incoming {
    /// The next message, if one has arrived. It stays until [`Incoming::release`].
    ///
    /// Of a side that sends parts without end it takes in some, and comes back with none.
    pub(crate) fn next(&mut self) -> Result<Option<Arrived>, Broken> {
        let mut arrived = Arrived::none();
        Ok(self.next_into(&mut arrived)?.then_some(arrived))
    }

    /// As [`Incoming::next`], into a place that its caller has for all messages; says whether there is one.
    ///
    /// To hand a message on by value, from function to function, takes longer than to look for it.
    #[inline]
    pub(crate) fn next_into(&mut self, arrived: &mut Arrived) -> Result<bool, Broken> {
        match self {
            Self::Shared(half) => half.next_into(arrived),
            Self::Socket(half) => match half.next()? {
                Some(message) => {
                    *arrived = message;
                    Ok(true)
                }
                None => Ok(false),
            },
        }
    }

    /// Has messages whose payload is longer come without it, from a side that is not to be trusted.
    pub(crate) fn limit(&mut self, payload_max_bytes: usize) {
        both!(Incoming, self, half => half.limit(payload_max_bytes));
    }

    /// Bytes that were copied for an arrived message already, while it came.
    #[inline]
    pub(crate) fn copied_bytes(&self, arrived: &Arrived) -> usize {
        match self {
            Self::Shared(half) => half.copied_bytes(arrived),
            Self::Socket(half) => half.copied_bytes(),
        }
    }

    /// Copies the payload of an arrived message, if it is short; says whether it was.
    #[inline]
    pub(crate) fn copy_short(&self, arrived: &Arrived, target: &mut Received) -> bool {
        match self {
            Self::Shared(half) => half.copy_short(arrived, target),
            Self::Socket(_) => false,
        }
    }

    /// Appends the payload of an arrived message to private memory.
    ///
    /// # Errors
    ///
    /// If there is no memory for it; then nothing is appended.
    #[inline]
    pub(crate) fn copy_payload(&mut self, arrived: &Arrived, target: &mut Vec<u8>) -> Result<(), Lost> {
        both!(Incoming, self, half => half.copy_payload(arrived, target))
    }

    /// The payload of an arrived message, in place, for as long as the caller vouches for it.
    ///
    /// # Safety
    ///
    /// The other side must be trusted not to write to the payload before it is released, and the
    /// slice must not be used after [`Incoming::release`] or [`Incoming::next`]. Waiting is fine.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn trusted_payload<'any>(&self, arrived: &Arrived) -> &'any [u8] {
        match self {
            // SAFETY: the caller vouches for the other side.
            Self::Shared(half) => unsafe { half.trusted_payload(arrived) },
            // SAFETY: `release` and `next` alone touch the buffer, and the caller calls neither.
            Self::Socket(half) => unsafe { outlive(half.payload()) },
        }
    }

    /// Says that work on the message that [`Incoming::next`] gave begins.
    #[inline]
    pub(crate) fn note_taken(&self) {
        if let Self::Shared(half) = self {
            half.note_taken();
        }
    }

    /// Is done with an arrived message; what nobody has taken out of it is closed.
    #[inline]
    pub(crate) fn release(&mut self, arrived: &mut Arrived) {
        self.release_quietly(arrived);
        self.tell_room();
    }

    /// As [`Incoming::release`], without a look at whether the other side waits for the room.
    ///
    /// [`Incoming::tell_room`] follows, unless nobody can.
    #[inline]
    pub(crate) fn release_quietly(&mut self, arrived: &mut Arrived) {
        both!(Incoming, self, half => half.release_quietly(&arrived.place));
        // By hand, because to drop nothing is a call otherwise, for every message.
        if let Some(parcel) = arrived.attached.take() {
            close(parcel);
        }
    }

    /// Wakes the other side if it waits for room.
    #[inline]
    pub(crate) fn tell_room(&self) {
        if let Self::Shared(half) = self {
            half.tell_room();
        }
    }

    /// Waits until there may be something to do: look again after [`Wake::Rung`].
    pub(crate) fn wait(&mut self, interest: Interest, deadline: Option<Instant>) -> io::Result<Wake> {
        both!(Incoming, self, half => half.wait(interest, deadline))
    }

    /// Says whether a wait for a message ends for newcomers too (see `newcomers`).
    pub(crate) fn heed_given(&mut self, heeds: bool) {
        if let Self::Shared(half) = self {
            half.heed_given(heeds);
        }
    }

    /// Whether the actor was given away, and that is heeded; over a socket, nobody needs to say so.
    #[inline]
    pub(crate) fn was_given(&self) -> bool {
        match self {
            Self::Shared(half) => half.was_given(),
            Self::Socket(_) => false,
        }
    }

    /// Whether what is waited for is seen to have come; a socket shows nothing before it is polled.
    #[inline]
    pub(crate) fn is_ready(&self, interest: Interest) -> bool {
        match self {
            Self::Shared(half) => half.is_ready(interest),
            Self::Socket(_) => false,
        }
    }

    /// Looks for a moment, if that is likely to pay; says whether what is waited for came, or `or` did.
    pub(crate) fn spin(&mut self, interest: Interest, or: impl FnMut() -> bool) -> bool {
        match self {
            Self::Shared(half) => half.spin(interest, or),
            Self::Socket(_) => false,
        }
    }

    /// Says that this side is about to sleep at [`Incoming::sleeps_at`], among others.
    ///
    /// The caller looks at [`Incoming::is_ready`] once more before it does, and ends with
    /// [`Incoming::end_sleep`] in any case.
    pub(crate) fn announce_sleep(&mut self, interest: Interest) {
        if let Self::Shared(half) = self {
            half.announce_sleep(interest);
        }
    }

    /// The events of [`Incoming::sleeps_at`] that there may be something to do after.
    pub(crate) fn events(&self, interest: Interest) -> PollFlags {
        match self {
            Self::Socket(_) if interest.room.is_some() => PollFlags::POLLOUT,
            _ => PollFlags::POLLIN,
        }
    }

    /// What is readable once there may be something to do.
    pub(crate) fn sleeps_at(&self) -> BorrowedFd<'_> {
        both!(Incoming, self, half => half.sleeps_at())
    }

    /// Says that this side is awake; `readable` is whether [`Incoming::sleeps_at`] is.
    pub(crate) fn end_sleep(&mut self, readable: bool) -> io::Result<Wake> {
        match self {
            Self::Shared(half) => half.end_sleep(readable),
            Self::Socket(half) => Ok(half.end_sleep()),
        }
    }

    /// The descriptor to watch with others instead of sleeping in [`Incoming::wait`]: it becomes readable
    /// when there may be something to do after [`Incoming::arm`], and hangs up with the other side.
    pub(crate) fn bell(&self) -> Arc<OwnedFd> {
        both!(Incoming, self, half => half.bell())
    }

    /// Ends the link although others still hold its bell.
    pub(crate) fn hang_up(&mut self) {
        match self {
            // A bell that is only read from ends nothing.
            Self::Shared(_) => {}
            Self::Socket(half) => half.hang_up(),
        }
    }

    /// Takes in what made [`Incoming::bell`] readable, so that it becomes so again by the next ring.
    pub(crate) fn take_rings(&mut self) -> io::Result<Rings> {
        both!(Incoming, self, half => half.take_rings())
    }

    /// Asks for a ring for the next message; `true` if there is a message now.
    ///
    /// It holds until somebody waits, or a ring has come. Call it with everything taken in.
    pub(crate) fn arm(&mut self) -> bool {
        both!(Incoming, self, half => half.arm())
    }

    /// Whether a message of the other side was its end; a memory tells it by [`Incoming::take_rings`].
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Shared(_) => false,
            Self::Socket(half) => half.has_ended(),
        }
    }

    /// Whether the other side is seen to be gone, whatever it left behind.
    ///
    /// A stream that was closed ends by itself, and [`Incoming::wait`] tells that.
    #[cold]
    pub(crate) fn has_hung_up(&self) -> bool {
        match self {
            Self::Shared(half) => half.has_hung_up(),
            Self::Socket(_) => false,
        }
    }

    /// When the last [`Incoming::wait`] went to sleep, if it did.
    pub(crate) fn last_sleep_began(&self) -> Option<Moment> {
        both!(Incoming, self, half => half.last_sleep_began())
    }
}

/// Tells the other side that its actor was given away.
#[derive(Debug)]
pub(crate) enum Herald {
    Shared(shared::Herald),
    /// Over a socket a backend looks for newcomers at all times.
    Socket,
}

impl Herald {
    pub(crate) fn of(link: &LinkEnd) -> Self {
        match &link.outgoing {
            Outgoing::Shared(half) => Self::Shared(shared::Herald::of(half)),
            Outgoing::Socket(_) => Self::Socket,
        }
    }

    pub(crate) fn tell(&self) {
        if let Self::Shared(herald) = self {
            herald.tell();
        }
    }

    pub(crate) fn kind(&self) -> LinkKind {
        match self {
            Self::Shared(_) => LinkKind::Shared,
            Self::Socket => LinkKind::Socket,
        }
    }
}

impl LinkEnd {
    /// The socket beside the link, where the link itself needs one.
    pub(crate) fn beside(&self) -> Option<Arc<Beside>> {
        match &self.outgoing {
            Outgoing::Shared(half) => Some(half.beside()),
            Outgoing::Socket(_) => None,
        }
    }

    /// The descriptors of this end.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        both!(Incoming, &self.incoming, half => half.descriptors())
    }
}

/// Closes what nobody has taken out of a message.
#[cold]
fn close(parcel: Box<Parcel>) {
    drop(parcel);
}

/// Frees a slice from the borrow it came from.
///
/// # Safety
///
/// The bytes must stay where they are, unchanged, for as long as the result is used.
#[allow(unsafe_code)]
unsafe fn outlive<'any>(bytes: &[u8]) -> &'any [u8] {
    // SAFETY: pointer and length are those of a live slice, and the caller vouches for its time.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) }
}
