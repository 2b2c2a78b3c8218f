//! The library itself: an actor that is called.
//! Not here: its spawn and its memory (`rows`).
//! Layer: a peer.

use worker_core::{Builder, Link, process_actor};

use super::{Check, Contender, Outcome, Peer, Sort};
use crate::payload::digest;

/// Answers, and counts what it is thrown.
pub struct Answerer {
    caught: u64,
}

#[process_actor]
impl Answerer {
    pub fn new() -> Self {
        Self { caught: 0 }
    }
    pub fn ask(&self, payload: &[u8]) -> u64 {
        digest(payload)
    }
    pub fn echo(&self, payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }
    #[oneway]
    pub fn throw(&mut self, message: [u64; 4]) {
        self.caught += message[0];
    }
    pub fn caught(&self) -> u64 {
        self.caught
    }
}

impl Peer for AnswererFrontend {
    #[inline]
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        Ok(AnswererFrontend::ask(self, payload)?)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        check(&AnswererFrontend::echo(self, payload)?)
    }

    #[inline]
    fn throw(&mut self, message: &[u8; 32]) -> Outcome<bool> {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(message.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        AnswererFrontend::throw(self, words)?;
        Ok(true)
    }

    fn caught(&mut self) -> Outcome<u64> {
        Ok(AnswererFrontend::caught(self)?)
    }
}

pub fn start() -> Outcome<[Contender; 2]> {
    let start = |name, sort, link| -> Outcome<Contender> {
        let frontend = AnswererFrontend::spawn_with(&Builder::new().link(link))?;
        let pid = i32::try_from(frontend.process().pid())?;
        Ok(Contender {
            name,
            sort,
            peer: Box::new(frontend),
            pid: Some(pid),
            largest: usize::MAX,
            polls: false,
        })
    };
    Ok([
        start("worker-core", Sort::Ours, Link::SharedMemory)?,
        start("worker-core over a socket", Sort::OursOtherwise, Link::Socket)?,
    ])
}
