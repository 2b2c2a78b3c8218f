//! ipc-channel, by its channels for bytes: nothing is serialised, and nothing copied to be sent.
//! Not here: its shared memory, which is a new mapping for each message.
//! Layer: a peer.
//!
//! What a message is, its length tells: none asks what was caught, one byte says whether what follows is to be digested or
//! given back, and is not answered, 32 are thrown, and all others are called.

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, bytes_channel};

use super::{Check, Contender, MIB, Outcome, Peer, Sort};
use crate::payload::digest;
use crate::system::Child;

const ASK: u8 = 0;
const ECHO: u8 = 1;
const ORDER_BYTES: usize = 1;
const THROWN_BYTES: usize = 32;

struct Channels {
    sender: IpcBytesSender,
    receiver: IpcBytesReceiver,
    /// What the other side was told to do last.
    kind: u8,
    child: Child,
}

impl Channels {
    fn call(&mut self, kind: u8, payload: &[u8]) -> Outcome<Vec<u8>> {
        assert!(
            payload.len() > ORDER_BYTES && payload.len() != THROWN_BYTES,
            "this length means something else"
        );
        // Once in many calls, and before those that are timed.
        if self.kind != kind {
            self.sender.send(&[kind])?;
            self.kind = kind;
        }
        self.sender.send(payload)?;
        self.receive()
    }

    fn receive(&self) -> Outcome<Vec<u8>> {
        Ok(self.receiver.recv().map_err(|error| error.to_string())?)
    }
}

impl Peer for Channels {
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        number(&self.call(ASK, payload)?)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        check(&self.call(ECHO, payload)?)
    }

    fn throw(&mut self, message: &[u8; 32]) -> Outcome<bool> {
        self.sender.send(message)?;
        Ok(true)
    }

    fn caught(&mut self) -> Outcome<u64> {
        self.sender.send(&[])?;
        number(&self.receive()?)
    }
}

fn number(reply: &[u8]) -> Outcome<u64> {
    Ok(u64::from_le_bytes(*reply.first_chunk().ok_or("no number")?))
}

fn serve(receiver: &IpcBytesReceiver, sender: &IpcBytesSender) -> Outcome<()> {
    let (mut caught, mut kind) = (0_u64, ASK);
    loop {
        let message = receiver.recv().map_err(|error| error.to_string())?;
        match message.len() {
            0 => sender.send(&caught.to_le_bytes())?,
            ORDER_BYTES => kind = message[0],
            THROWN_BYTES => caught += number(&message)?,
            _ if kind == ECHO => sender.send(&message)?,
            _ => sender.send(&digest(&message).to_le_bytes())?,
        }
    }
}

fn start_one() -> Outcome<Channels> {
    let (sender, their_receiver) = bytes_channel()?;
    let (their_sender, receiver) = bytes_channel()?;
    let child = Child::fork(|| serve(&their_receiver, &their_sender).unwrap_or_default())?;
    Ok(Channels { sender, receiver, kind: ASK, child })
}

/// One for callers that take turns.
pub fn start_shared() -> Outcome<Box<dyn Peer + Send>> {
    Ok(Box::new(start_one()?))
}

/// While this program has one thread.
pub fn start() -> Outcome<Contender> {
    let peer = start_one()?;
    let pid = peer.child.pid.as_raw();
    Ok(Contender {
        name: "ipc-channel",
        sort: Sort::Public,
        peer: Box::new(peer),
        pid: Some(pid),
        largest: 16 * MIB,
        polls: false,
    })
}
