//! Bare shared memory: one copy in, and each way to wait that the kernel and the processor have.
//! Not here: pipes and sockets (`streams`).
//! Layer: a peer, over `system`.

use std::hint::black_box;
use std::sync::atomic::{AtomicI64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::AsFd;

use super::{Check, Contender, MIB, Outcome, Peer, Sort};
use crate::payload::digest;
use crate::system::{Child, Mailbox, Shared, futex_wait, futex_wake, shared_mailboxes};

const SPIN_TURNS: u32 = 2000;
const LARGEST: usize = 16 * MIB;
/// Messages that the bare ring holds.
const RING: u64 = 4096;

/// How the reader of a mailbox waits.
#[derive(Clone, Copy, PartialEq)]
enum Wait {
    Spin,
    /// The writer makes a system call only for a reader that has said that it sleeps.
    SpinThenFutex,
    /// The writer makes one at each message, as the plainest of such pairs do.
    SpinThenFutexEach,
    Futex,
    EventfdPoll,
}

/// One way: a mailbox whose value says how long the payload is, and the payload beside it.
struct Way {
    mailbox: &'static Mailbox,
    payload: Shared,
    wait: Wait,
    event: EventFd,
}

impl Way {
    fn new(mailbox: &'static Mailbox, wait: Wait) -> Outcome<Self> {
        let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { mailbox, payload: Shared::new(LARGEST)?, wait, event })
    }

    #[inline]
    fn send(&self, value: i64) -> Outcome<()> {
        self.mailbox.put(value);
        match self.wait {
            Wait::Spin => {}
            Wait::SpinThenFutex => {
                // Of two threads that each write, fence and read the other's word, one sees the other's.
                std::sync::atomic::fence(Ordering::SeqCst);
                if self.mailbox.sleeping.load(Ordering::Relaxed) != 0 {
                    futex_wake(&self.mailbox.sequence);
                }
            }
            Wait::SpinThenFutexEach | Wait::Futex => futex_wake(&self.mailbox.sequence),
            Wait::EventfdPoll => {
                self.event.write(1)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn receive(&self, seen: u32) -> Outcome<i64> {
        let mailbox = self.mailbox;
        match self.wait {
            Wait::Spin => {
                while !mailbox.has_more_than(seen) {
                    std::hint::spin_loop();
                }
            }
            Wait::SpinThenFutex | Wait::SpinThenFutexEach => {
                let mut turns = 0;
                while !mailbox.has_more_than(seen) && turns < SPIN_TURNS {
                    std::hint::spin_loop();
                    turns += 1;
                }
                if turns == SPIN_TURNS {
                    mailbox.sleeping.store(1, Ordering::Relaxed);
                    std::sync::atomic::fence(Ordering::SeqCst);
                    while !mailbox.has_more_than(seen) {
                        futex_wait(&mailbox.sequence, seen);
                    }
                    mailbox.sleeping.store(0, Ordering::Relaxed);
                }
            }
            Wait::Futex => {
                while !mailbox.has_more_than(seen) {
                    futex_wait(&mailbox.sequence, seen);
                }
            }
            Wait::EventfdPoll => {
                while !mailbox.has_more_than(seen) {
                    poll(&mut [PollFd::new(self.event.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
                    let _ = self.event.read();
                }
            }
        }
        Ok(mailbox.value.load(Ordering::Relaxed))
    }
}

/// Above the length of a payload: it is to come back.
const ECHO: i64 = 1 << 40;
/// Instead of a length: how many messages the ring has given.
const CAUGHT: i64 = 1 << 41;

/// A ring of 32-byte messages, for one writer and one reader that polls it.
#[derive(Clone, Copy)]
struct Ring {
    written: &'static AtomicI64,
    read: &'static AtomicI64,
    slots: Shared,
}

impl Ring {
    fn new() -> Outcome<Self> {
        let [written, read] = shared_mailboxes()?;
        Ok(Self { written: &written.value, read: &read.value, slots: Shared::new(RING as usize * 32)? })
    }
}

struct Bare {
    there: Way,
    back: Way,
    rounds: u32,
    ring: Option<Ring>,
    written: u64,
    read_seen: u64,
    /// What comes back is put here; or into a vector of its own each time, and the other side makes one too.
    buffer: Vec<u8>,
    vectors: bool,
    child: Child,
}

impl Peer for Bare {
    #[inline]
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        self.there.payload.write(payload);
        self.there.send(payload.len() as i64)?;
        let reply = self.back.receive(self.rounds)?;
        self.rounds = self.rounds.wrapping_add(1);
        Ok(reply as u64)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        self.there.payload.write(payload);
        self.there.send(payload.len() as i64 | ECHO)?;
        let length = self.back.receive(self.rounds)?;
        self.rounds = self.rounds.wrapping_add(1);
        if self.vectors {
            return check(&self.back.payload.with(length as usize, <[u8]>::to_vec));
        }
        self.buffer.resize(length as usize, 0);
        self.back.payload.read(&mut self.buffer);
        check(&self.buffer)
    }

    fn only_echoes(&self) -> bool {
        self.vectors
    }

    #[inline]
    fn throw(&mut self, message: &[u8; 32]) -> Outcome<bool> {
        let Some(ring) = &self.ring else { return Ok(false) };
        while self.written - self.read_seen == RING {
            self.read_seen = ring.read.load(Ordering::Acquire) as u64;
            std::hint::spin_loop();
        }
        ring.slots.write_at((self.written % RING) as usize * 32, message);
        self.written += 1;
        ring.written.store(self.written as i64, Ordering::Release);
        Ok(true)
    }

    fn caught(&mut self) -> Outcome<u64> {
        self.there.send(CAUGHT)?;
        let reply = self.back.receive(self.rounds)?;
        self.rounds = self.rounds.wrapping_add(1);
        Ok(reply as u64)
    }
}

fn serve(there: &Way, back: &Way, ring: Option<Ring>, vectors: bool) -> Outcome<()> {
    let (mut rounds, mut read, mut caught) = (0_u32, 0_u64, 0_u64);
    let mut drain = |caught: &mut u64| {
        let Some(ring) = &ring else { return };
        let written = ring.written.load(Ordering::Acquire) as u64;
        while read < written {
            let mut first = [0; 8];
            ring.slots.read_at((read % RING) as usize * 32, &mut first);
            *caught += u64::from_le_bytes(first);
            read += 1;
        }
        ring.read.store(read as i64, Ordering::Release);
    };
    loop {
        if ring.is_some() {
            while !there.mailbox.has_more_than(rounds) {
                drain(&mut caught);
                std::hint::spin_loop();
            }
        }
        let request = there.receive(rounds)?;
        rounds = rounds.wrapping_add(1);
        let reply = match request {
            CAUGHT => {
                drain(&mut caught);
                caught as i64
            }
            request if request & ECHO != 0 => {
                let length = request & !ECHO;
                if vectors {
                    back.payload.write(&black_box(there.payload.with(length as usize, <[u8]>::to_vec)));
                } else {
                    back.payload.copy_from(&there.payload, length as usize);
                }
                length
            }
            length => there.payload.with(length as usize, digest) as i64,
        };
        back.send(reply)?;
    }
}

fn start_one(wait: Wait, ring: bool, vectors: bool) -> Outcome<Bare> {
    let [there, back] = shared_mailboxes()?;
    let (there, back) = (Way::new(there, wait)?, Way::new(back, wait)?);
    let ring = if ring { Some(Ring::new()?) } else { None };
    let child = Child::fork(|| serve(&there, &back, ring, vectors).unwrap_or_default())?;
    Ok(Bare { there, back, rounds: 0, ring, written: 0, read_seen: 0, buffer: Vec::new(), vectors, child })
}

fn one(name: &'static str, wait: Wait, ring: bool) -> Outcome<Contender> {
    let peer = start_one(wait, ring, false)?;
    let pid = peer.child.pid.as_raw();
    let polls = wait == Wait::Spin;
    Ok(Contender { name, sort: Sort::Bare, peer: Box::new(peer), pid: Some(pid), largest: LARGEST, polls })
}

/// While this program has one thread.
pub fn start() -> Outcome<Vec<Contender>> {
    Ok(vec![
        one("bare spin", Wait::Spin, false)?,
        one("bare spin, then futex", Wait::SpinThenFutex, false)?,
        one("bare spin, then futex each time", Wait::SpinThenFutexEach, false)?,
        one("bare futex", Wait::Futex, false)?,
        one("bare eventfd + poll", Wait::EventfdPoll, false)?,
        // The work of a method that gives a vector to a caller who gets one: a copy more. It is in no other row, so it
        // need not be pinned.
        Contender {
            name: "bare, a Vec on each side",
            sort: Sort::Bare,
            peer: Box::new(start_one(Wait::SpinThenFutex, false, true)?),
            pid: None,
            largest: LARGEST,
            polls: false,
        },
    ])
}

/// One for callers that take turns.
pub fn start_shared() -> Outcome<Box<dyn Peer + Send>> {
    Ok(Box::new(start_one(Wait::SpinThenFutex, false, false)?))
}

/// The bare ring, whose reader polls: for one-way messages alone.
pub fn start_ring() -> Outcome<Contender> {
    one("bare ring", Wait::Spin, true)
}
