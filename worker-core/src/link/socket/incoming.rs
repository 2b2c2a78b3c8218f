//! The receiving half of a socket link, and the place where its side sleeps.
//! Not here: what a message means.
//! Layer 3: over `sys::socket`.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{Shutdown, shutdown};

use super::{HEAD_BYTES, RECEIVE_BYTES, TAIL_BYTES, TAIL_WHOLE, TAIL_WITHDRAWN};
use crate::link::{Arrived, Broken, Interest, Lost, Place, Rings, Wake};
use crate::sys::clock::Moment;
use crate::sys::doorbell::{Sleeper, poll_timeout};
use crate::sys::held::Here;
use crate::sys::socket::{Chunk, DESCRIPTORS_MAX, receive_some};
use crate::wire::descriptors::Parcel;
use crate::wire::kind::Kind;

/// Most lists of descriptors that have come ahead of their messages: they come with tails, and nothing more is received
/// while there is a message with its tail. One more is none of an honest sender's.
const PARCELS_WAITING_MAX: usize = 1;
/// Most times that more is received with no whole message in it.
const RECEIVES_MAX: usize = 4096;

/// What a message begins with.
#[derive(Debug)]
struct Head {
    length_bytes: usize,
    id: u64,
    kind: Kind,
    /// How many descriptors come with it, if any do.
    sent_count: Option<usize>,
}

impl Head {
    fn read(bytes: &[u8; HEAD_BYTES]) -> Result<Self, Broken> {
        let word = |at: usize| bytes[at..at + 8].first_chunk::<8>().copied().map_or(0, u64::from_le_bytes);
        let sent_count = usize::from(u16::from_le_bytes([bytes[18], bytes[19]]));
        Ok(Self {
            length_bytes: usize::try_from(word(0)).map_err(|_| Broken)?,
            id: word(8),
            kind: Kind::from_number(bytes[16]).ok_or(Broken)?,
            sent_count: (bytes[17] != 0).then_some(sent_count),
        })
    }
}

/// What a tail says of its message.
fn is_whole(tail: Option<u8>) -> Result<bool, Broken> {
    match tail {
        Some(TAIL_WHOLE) => Ok(true),
        Some(TAIL_WITHDRAWN) => Ok(false),
        _ => Err(Broken),
    }
}

/// See [`super::super::Incoming`].
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Where it may be used (K1).
    here: Here,
    socket: Arc<OwnedFd>,
    kicked: Sleeper,
    /// What one receive goes to.
    buffer: Box<[u8]>,
    /// Bytes behind the last message.
    received: Vec<u8>,
    /// Payload of the message that has arrived.
    payload: Vec<u8>,
    /// A message whose payload is read over, and how many bytes of that are still to come.
    passed_over: Option<(Head, Lost, usize)>,
    payload_max_bytes: usize,
    /// Descriptors of messages that have not come as a whole.
    parcels: VecDeque<Vec<OwnedFd>>,
    ended: bool,
    /// The last look found the socket empty, and a message that has come as a whole was not there either.
    found_empty: bool,
    last_sleep_began: Option<Moment>,
}

impl Incoming {
    pub(super) fn over(here: Here, socket: Arc<OwnedFd>, kicked: Sleeper) -> Self {
        Self {
            here,
            socket,
            kicked,
            buffer: vec![0; RECEIVE_BYTES].into_boxed_slice(),
            received: Vec::new(),
            payload: Vec::new(),
            passed_over: None,
            payload_max_bytes: usize::MAX,
            parcels: VecDeque::new(),
            ended: false,
            found_empty: false,
            last_sleep_began: None,
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Arrived>, Broken> {
        if !self.here.is_it() {
            self.ended = true;
            return Ok(None);
        }
        for _ in 0..RECEIVES_MAX {
            if let Some((head, lost, left_bytes)) = self.passed_over.take() {
                let passed_bytes = left_bytes.min(self.received.len());
                let tail = self.received.drain(..passed_bytes).next_back();
                if passed_bytes == left_bytes {
                    if is_whole(tail)? {
                        return self.arrived(&head, Some(lost)).map(Some);
                    }
                    continue;
                }
                self.passed_over = Some((head, lost, left_bytes - passed_bytes));
            } else if let Some(head) = self.received.first_chunk::<HEAD_BYTES>() {
                let head = Head::read(head)?;
                let length_bytes = head.length_bytes.checked_add(TAIL_BYTES).ok_or(Broken)?;
                let end = HEAD_BYTES.checked_add(length_bytes).ok_or(Broken)?;
                self.payload.clear();
                let missing_bytes = end.saturating_sub(self.received.len());
                // Both at once: while the one is copied to the other both are there.
                let room = Lost::make_room(&mut self.payload, head.length_bytes, self.payload_max_bytes)
                    .and_then(|()| Lost::make_room(&mut self.received, missing_bytes, usize::MAX));
                if let Err(lost) = room {
                    self.payload = Vec::new();
                    self.received.drain(..HEAD_BYTES);
                    self.passed_over = Some((head, lost, length_bytes));
                    continue;
                }
                if missing_bytes == 0 {
                    let is_whole = is_whole(self.received.get(end - TAIL_BYTES).copied())?;
                    if is_whole {
                        self.payload.extend_from_slice(&self.received[HEAD_BYTES..end - TAIL_BYTES]);
                    }
                    self.received.drain(..end);
                    if is_whole {
                        return self.arrived(&head, None).map(Some);
                    }
                    continue;
                }
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
        // The socket was not found empty, so a wait ends at once; but its caller has a clock to look at.
        Ok(None)
    }

    fn arrived(&mut self, head: &Head, lost: Option<Lost>) -> Result<Arrived, Broken> {
        let attached = match head.sent_count {
            None => None,
            Some(sent_count) => {
                let descriptors = self.parcels.pop_front().ok_or(Broken)?;
                Some(Parcel::arrived(descriptors, sent_count.min(DESCRIPTORS_MAX)))
            }
        };
        Ok(Arrived { kind: head.kind, id: head.id, attached, lost, place: Place::Assembled })
    }

    pub(crate) fn limit(&mut self, payload_max_bytes: usize) {
        self.payload_max_bytes = payload_max_bytes;
    }

    /// Takes what the socket holds; says whether it held anything.
    fn receive(&mut self) -> Result<bool, Broken> {
        let received = self.receive_more();
        self.found_empty = matches!(received, Ok(false));
        received
    }

    fn receive_more(&mut self) -> Result<bool, Broken> {
        match receive_some(&self.socket, &mut self.buffer) {
            Ok(None) => Ok(false),
            Ok(Some(Chunk { length_bytes: 0, .. })) => {
                self.ended = true;
                Ok(false)
            }
            Ok(Some(chunk)) => {
                self.received.extend_from_slice(&self.buffer[..chunk.length_bytes]);
                if !chunk.has_descriptors {
                    return Ok(true);
                }
                // An honest side sends none but with a message, so only a few wait for theirs.
                if self.parcels.len() >= PARCELS_WAITING_MAX {
                    return Err(Broken);
                }
                self.parcels.push_back(chunk.descriptors);
                Ok(true)
            }
            Err(_) => Err(Broken),
        }
    }

    pub(crate) fn copied_bytes(&self) -> usize {
        self.payload.len()
    }

    pub(crate) fn copy_payload(&mut self, _arrived: &Arrived, target: &mut Vec<u8>) -> Result<(), Lost> {
        if target.is_empty() {
            std::mem::swap(target, &mut self.payload);
        } else {
            Lost::make_room(target, self.payload.len(), usize::MAX)?;
            target.append(&mut self.payload);
        }
        Ok(())
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(crate) fn release_quietly(&mut self, _place: &Place) {
        if self.payload.capacity() > RECEIVE_BYTES {
            self.payload = Vec::new();
        }
    }

    pub(crate) fn wait(&mut self, interest: Interest, deadline: Option<Instant>) -> io::Result<Wake> {
        if self.ended && interest.message || !self.here.is_it() {
            return Ok(Wake::Gone);
        }
        if interest.message && !self.found_empty && self.received.len() > HEAD_BYTES {
            // The last look was long, and left what may be messages.
            return Ok(Wake::Rung);
        }
        self.last_sleep_began = Some(Moment::now());
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, interest.message);
        events.set(PollFlags::POLLOUT, interest.room.is_some());
        loop {
            let mut polled = [
                PollFd::new(self.socket.as_fd(), events),
                PollFd::new(self.kicked.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut polled, poll_timeout(deadline)) {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(Wake::TimedOut);
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => {
                    let [socket, kicked] = polled.map(|entry| entry.revents().unwrap_or(PollFlags::POLLERR));
                    if !kicked.is_empty() {
                        self.kicked.wake()?;
                    }
                    let ended = socket.intersects(PollFlags::POLLHUP | PollFlags::POLLERR);
                    return Ok(if ended && !interest.message { Wake::Gone } else { Wake::Rung });
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    pub(crate) fn sleeps_at(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Of a stream, its end is what is read last.
    pub(crate) fn end_sleep(&self) -> Wake {
        if self.ended { Wake::Gone } else { Wake::Rung }
    }

    pub(crate) fn bell(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.socket)
    }

    pub(crate) fn hang_up(&mut self) {
        // What was sent is still delivered. That it is shut already is all that could be wrong. In a fork (K1), those
        // who talk there would hear of it.
        if self.here.is_it() {
            let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
        }
    }

    /// What makes the socket readable is the messages themselves.
    pub(crate) fn take_rings(&mut self) -> io::Result<Rings> {
        Ok(Rings::Taken)
    }

    /// A socket rings for whatever comes after it was found empty.
    pub(crate) fn arm(&mut self) -> bool {
        !self.found_empty
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn last_sleep_began(&self) -> Option<Moment> {
        self.last_sleep_began
    }

    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.socket.as_fd()]
    }
}
