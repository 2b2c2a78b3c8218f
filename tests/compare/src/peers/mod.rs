//! Everybody who answers in another process, under one interface.
//! Not here: measuring (`rows`).
//! Layer: over `system` and `payload`.

pub mod bare;
pub mod crossmist;
pub mod frames;
pub mod herd;
pub mod iceoryx;
pub mod ipc_channel;
pub mod ours;
pub mod procspawn;
pub mod python;
pub mod streams;
pub mod tarpc;

use std::error::Error;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a reply is checked with.
pub type Check<'a> = &'a mut dyn FnMut(&[u8]) -> Outcome<()>;

/// Somebody in another process who answers.
pub trait Peer {
    /// Sends a payload; gives the digest that the other side made of it.
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64>;

    /// Sends a payload and gets it back.
    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()>;

    /// Whether it takes part in echoes alone.
    fn only_echoes(&self) -> bool {
        false
    }

    /// Sends a message and waits for nothing; `false` where there is no such thing.
    fn throw(&mut self, message: &[u8; 32]) -> Outcome<bool> {
        let _ = message;
        Ok(false)
    }

    /// How many messages have been caught by now, all that were sent before this included.
    fn caught(&mut self) -> Outcome<u64> {
        Ok(0)
    }
}

/// What sort of contender it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Ours,
    /// As little as can do the work: what there is to be reached.
    Bare,
    Public,
    /// Ours too, in a way that is not the usual one: nobody to be ahead of.
    OursOtherwise,
}

/// A peer with what the rows need to know of it.
pub struct Contender {
    pub name: &'static str,
    pub sort: Sort,
    pub peer: Box<dyn Peer>,
    /// To be pinned, where the peer tells.
    pub pid: Option<i32>,
    /// The largest payload worth the time.
    pub largest: usize,
    /// Whether the processor is busy while nothing is sent.
    pub polls: bool,
}

pub const KIB: usize = 1 << 10;
pub const MIB: usize = 1 << 20;
