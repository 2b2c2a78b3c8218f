//! procspawn, by its pool: a call is a job of a process that is there already.
//! Not here: its spawn, measured by itself (`rows::spawn`).
//! Layer: a peer.

use serde_bytes::ByteBuf;

use super::{Check, Contender, MIB, Outcome, Peer, Sort};
use crate::payload::digest;

struct Pooled(procspawn::Pool);

impl Peer for Pooled {
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        let payload = ByteBuf::from(payload);
        Ok(procspawn::spawn!(in self.0, (payload) || digest(&payload)).join()?)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        let payload = ByteBuf::from(payload);
        check(&procspawn::spawn!(in self.0, (payload) || payload).join()?)
    }
}

/// Spawns a process and has one answer of it, for which there is `join` alone: it waits for the end of the process too.
pub fn spawn_and_ask(number: i64) -> Outcome<i64> {
    Ok(procspawn::spawn(number, |number| number + 2).join()?)
}

pub fn start() -> Outcome<Contender> {
    Ok(Contender {
        name: "procspawn, a pool of one",
        sort: Sort::Public,
        peer: Box::new(Pooled(procspawn::Pool::new(1)?)),
        pid: None,
        largest: MIB,
        polls: false,
    })
}
