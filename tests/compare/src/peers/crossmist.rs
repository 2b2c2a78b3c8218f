//! crossmist, by its duplex channel and a function in a new process.
//! Not here: its spawn, measured by itself (`rows::spawn`).
//! Layer: a peer.

use crossmist::{Child, Duplex, Object};

use super::{Check, Contender, MIB, Outcome, Peer, Sort};
use crate::payload::digest;

#[derive(Object)]
pub enum Request {
    Ask(Vec<u8>),
    Echo(Vec<u8>),
    Throw([u64; 4]),
    Caught,
}

#[derive(Object)]
pub enum Reply {
    Number(u64),
    Payload(Vec<u8>),
}

#[crossmist::func]
fn serve_requests(mut requests: Duplex<Reply, Request>) {
    let mut caught = 0;
    while let Ok(Some(request)) = requests.recv() {
        let reply = match request {
            Request::Ask(payload) => Reply::Number(digest(&payload)),
            Request::Echo(payload) => Reply::Payload(payload),
            Request::Throw(message) => {
                caught += message[0];
                continue;
            }
            Request::Caught => Reply::Number(caught),
        };
        if requests.send(&reply).is_err() {
            return;
        }
    }
}

/// A process that adds, once: for the time of a spawn.
#[crossmist::func]
fn add_two(mut numbers: Duplex<i64, i64>) {
    if let Ok(Some(number)) = numbers.recv() {
        let _ = numbers.send(&(number + 2));
    }
}

/// Spawns a process and has one answer of it; it is still to be joined.
pub fn spawn_and_ask(number: i64) -> Outcome<(i64, Child<()>)> {
    let (mut ours, theirs) = crossmist::duplex::<i64, i64>()?;
    let child = add_two.spawn(theirs)?;
    Ok((ours.request(&number)?, child))
}

struct Channel {
    requests: Duplex<Request, Reply>,
    _child: Child<()>,
}

impl Channel {
    fn number(&mut self, request: &Request) -> Outcome<u64> {
        match self.requests.request(request)? {
            Reply::Number(number) => Ok(number),
            Reply::Payload(_) => Err("a payload instead of a number".into()),
        }
    }
}

impl Peer for Channel {
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        self.number(&Request::Ask(payload.to_vec()))
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        match self.requests.request(&Request::Echo(payload.to_vec()))? {
            Reply::Payload(payload) => check(&payload),
            Reply::Number(_) => Err("a number instead of a payload".into()),
        }
    }

    fn throw(&mut self, message: &[u8; 32]) -> Outcome<bool> {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(message.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        self.requests.send(&Request::Throw(words))?;
        Ok(true)
    }

    fn caught(&mut self) -> Outcome<u64> {
        self.number(&Request::Caught)
    }
}

/// `None` where crossmist does not work: 1.1.2 asks whether a type has a trait by how arrays of it are cloned, which newer
/// compilers (1.95) no longer tell, and panics at its first message.
pub fn start_if_it_works() -> Option<Contender> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let started = std::panic::catch_unwind(|| start().map_err(|error| error.to_string()));
    std::panic::set_hook(hook);
    let started = started.unwrap_or_else(|_| Err("it panics at its first message".to_owned()));
    started.inspect_err(|error| eprintln!("compare: crossmist is left out: {error}")).ok()
}

fn start() -> Outcome<Contender> {
    let (requests, theirs) = crossmist::duplex()?;
    let child = serve_requests.spawn(theirs)?;
    let pid = Some(child.id());
    let peer = Channel { requests, _child: child };
    Ok(Contender {
        name: "crossmist",
        sort: Sort::Public,
        peer: Box::new(peer),
        pid,
        largest: 16 * MIB,
        polls: false,
    })
}
