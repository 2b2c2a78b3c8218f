//! ipc-channel, by its channels for bytes: nothing is serialised.
//! Not here: its shared memory, which is a new mapping for each message.
//! Layer: a peer.

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, bytes_channel};

use super::{Check, Contender, MIB, Outcome, Peer, Sort};
use crate::payload::digest;
use crate::system::Child;

const ASK: u8 = 0;
const ECHO: u8 = 1;
const THROW: u8 = 2;

struct Channels {
    sender: IpcBytesSender,
    receiver: IpcBytesReceiver,
    buffer: Vec<u8>,
    child: Child,
}

impl Channels {
    fn call(&mut self, kind: u8, payload: &[u8]) -> Outcome<Vec<u8>> {
        self.send(kind, payload)?;
        Ok(self.receiver.recv().map_err(|error| error.to_string())?)
    }

    fn send(&mut self, kind: u8, payload: &[u8]) -> Outcome<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(payload);
        self.buffer.push(kind);
        Ok(self.sender.send(&self.buffer)?)
    }

    fn number(&mut self, kind: u8, payload: &[u8]) -> Outcome<u64> {
        let reply = self.call(kind, payload)?;
        Ok(u64::from_le_bytes(*reply.first_chunk().ok_or("no number")?))
    }
}

impl Peer for Channels {
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        self.number(ASK, payload)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        check(&self.call(ECHO, payload)?)
    }

    fn throw(&mut self, message: &[u8; 32]) -> Outcome<bool> {
        self.send(THROW, message)?;
        Ok(true)
    }

    fn caught(&mut self) -> Outcome<u64> {
        self.number(u8::MAX, &[])
    }
}

fn serve(receiver: &IpcBytesReceiver, sender: &IpcBytesSender) -> Outcome<()> {
    let mut caught = 0_u64;
    loop {
        let mut message = receiver.recv().map_err(|error| error.to_string())?;
        match message.pop() {
            Some(ASK) => sender.send(&digest(&message).to_le_bytes())?,
            Some(ECHO) => sender.send(&message)?,
            Some(THROW) => caught += message.first_chunk().map_or(0, |first| u64::from_le_bytes(*first)),
            _ => sender.send(&caught.to_le_bytes())?,
        }
    }
}

fn start_one() -> Outcome<Channels> {
    let (sender, their_receiver) = bytes_channel()?;
    let (their_sender, receiver) = bytes_channel()?;
    let child = Child::fork(|| serve(&their_receiver, &their_sender).unwrap_or_default())?;
    Ok(Channels { sender, receiver, buffer: Vec::new(), child })
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
