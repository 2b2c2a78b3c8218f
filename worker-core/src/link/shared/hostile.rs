//! A backend that writes garbage everywhere it can: its frontend must come to no harm.
//! Not here: what a hostile backend may do to its own calls, which is whatever it likes.
//! Layer 3: tests, with a client from above.

use super::layout::{Direction, FRONTEND, Layout, REPLIES};
use super::*;
use crate::calls::waits::Target;
use crate::calls::{Client, Death, Fault, Outcome};
use crate::errors::{Exit, ExitReason};
use crate::link::{Incoming as AnyIncoming, Outgoing as AnyOutgoing, Rings, SendError};
use crate::ring::Memory;
use crate::wire::codec::WriteError;
use crate::wire::kind::Kind;
use crate::wire::writer::Writer;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A sequence of numbers that is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// A header word that is often nearly right, because nonsense alone is found out at once.
    fn header(&mut self) -> u64 {
        let lengths = [0, 16, 16, 16, 48, 1000, 131_072, 262_144, u64::from(u32::MAX)];
        let length = if self.below(8) == 0 { self.next() & 0x3_FFFF } else { lengths[self.below(9)] };
        let kind = if self.below(16) == 0 { self.next() & 0xFF } else { 1 + self.next() % 11 };
        let flags = if self.below(2) == 0 { 0 } else { self.next() & 7 };
        length | kind << 32 | flags << 40
    }

    /// A place in an extension, or a number next to the end of one.
    fn region_word(&mut self) -> u64 {
        let edges = [(64 << 20) - 65_536, 64 << 20, (64 << 20) + 1, u64::MAX, u64::MAX - 65_535];
        if self.below(4) == 0 { edges[self.below(5)] } else { 65_536 * (self.next() % 16) }
    }
}

fn frontend() -> (OwnedFd, LinkEnd, SharedMemory) {
    let (descriptor, end, theirs, _) = frontend_and_bell();
    (descriptor, end, theirs)
}

fn frontend_and_bell() -> (OwnedFd, LinkEnd, SharedMemory, Bell) {
    let layout = Layout::DEFAULT;
    let (descriptor, memory) = SharedMemory::create("hostile", layout.total_bytes()).unwrap();
    let theirs = SharedMemory::map(&descriptor, layout.total_bytes()).unwrap();
    let (bell, _) = doorbell().unwrap();
    let (their_bell, sleeper) = doorbell().unwrap();
    let (beside, _) = Beside::pair().unwrap();
    let side = Side::new(memory, layout, bell, FRONTEND, Arc::new(beside));
    (descriptor, link_end(side, sleeper, REQUESTS, REPLIES), theirs, their_bell)
}

fn client(end: LinkEnd) -> Client {
    let exit = Exit::new(1, "hostile", ExitReason::Unknown);
    let find_death = move |_, _| Some(Death { exit: exit.clone(), gone_at: None });
    Client::new(end, Arc::new(Target::new(1, "test", 0)), Box::new(find_death))
}

fn scribble(theirs: &SharedMemory, numbers: &mut Numbers, direction: Direction) {
    let ring = Layout::DEFAULT.ring(direction);
    for offset in [128, 136, 256, 384, 512] {
        theirs.store(offset, numbers.next() >> numbers.below(64), Ordering::Relaxed);
    }
    for line in 0..ring.capacity_bytes / 64 {
        let offset = ring.base_bytes + line * 64;
        theirs.store(offset, numbers.header(), Ordering::Relaxed);
        theirs.store(offset + 8, numbers.next(), Ordering::Relaxed);
        theirs.store(offset + 16, numbers.region_word(), Ordering::Relaxed);
        theirs.store(offset + 24, numbers.region_word(), Ordering::Relaxed);
    }
}

#[test]
fn garbage_in_the_memory_is_an_error_and_nothing_worse() {
    let mut numbers = Numbers(1);
    let (mut broken, mut taken) = (0, 0);
    for _ in 0..200 {
        let (_descriptor, mut end, theirs) = frontend();
        scribble(&theirs, &mut numbers, REPLIES);
        let AnyIncoming::Shared(incoming) = &mut end.incoming else { unreachable!("a shared link") };
        for _ in 0..100 {
            match incoming.next() {
                Ok(Some(arrived)) => {
                    let mut payload = Vec::new();
                    // What is copied need not make sense, but a whole extension at a time is enough.
                    if incoming.assembled_bytes() < 1 << 20 {
                        incoming.copy_payload(&arrived, &mut payload).unwrap();
                    }
                    incoming.release_quietly(&arrived.place);
                    incoming.tell_room();
                    taken += 1;
                }
                Ok(None) => break,
                Err(_) => {
                    broken += 1;
                    break;
                }
            }
        }
    }
    assert!(broken > 100 && taken > 100, "both were met: {broken} broken, {taken} taken");
}

#[test]
fn garbage_in_the_positions_does_not_lead_a_sender_astray() {
    let mut numbers = Numbers(2);
    let bytes = vec![7; 100_000];
    let mut full = 0;
    for _ in 0..200 {
        let (_descriptor, mut end, theirs) = frontend();
        let AnyOutgoing::Shared(outgoing) = &mut end.outgoing else { unreachable!("a shared link") };
        for id in 0..20 {
            scribble(&theirs, &mut numbers, REPLIES);
            let payload = |writer: &mut Writer<'_>| {
                writer.extend(&bytes[..numbers_length(id)]).map_err(|_| WriteError::OutOfRoom)
            };
            match outgoing.send(Kind::Request, id, &payload) {
                Ok(_) => {}
                Err(SendError::NoRoom(_)) => {
                    full += 1;
                    outgoing.withdraw();
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert!(full > 100, "a ring that is said to be read may still be full: {full}");
}

#[test]
fn replies_without_end_keep_nobody_from_the_clock_or_from_a_death() {
    for is_alive in [true, false] {
        let (_descriptor, end, theirs, bell) = frontend_and_bell();
        // Records of one line each, with no zero anywhere: the ring has no end, as nobody writes to it.
        let ring = Layout::DEFAULT.ring(REPLIES);
        for offset in (ring.base_bytes..ring.base_bytes + ring.capacity_bytes).step_by(64) {
            theirs.store(offset, (Kind::Returned as u64) << 32, Ordering::Relaxed);
            theirs.store(offset + 8, u64::MAX, Ordering::Relaxed);
        }
        let client = client(end);
        let now = Some(Instant::now());
        if is_alive {
            // Alone at first, and then with a reply owed to a call that gave up.
            let mut outcome = Outcome::default();
            let called = client.call(Kind::Request, &|_| Ok(()), now, &mut outcome);
            assert!(matches!(called, Err(Fault::TimedOut)));
        }
        let ticket = client.start(Kind::Request, &|_| Ok(()), None).unwrap();
        if is_alive {
            assert!(matches!(client.wait(ticket, now), Err(Fault::TimedOut)));
        }
        drop(bell);
        assert!(matches!(client.wait(ticket, None), Err(Fault::Exited(_))));
    }
}

#[test]
fn rings_and_parts_without_end_keep_nobody_from_the_clock() {
    for rings in [true, false] {
        let (_descriptor, end, theirs, bell) = frontend_and_bell();
        if rings {
            for _ in 0..1000 {
                bell.ring();
            }
        } else {
            // Parts of a message that has no last one, with no zero anywhere.
            let ring = Layout::DEFAULT.ring(REPLIES);
            let more = u64::from(FLAG_EXTERNAL | FLAG_MORE) << 40;
            for offset in (ring.base_bytes..ring.base_bytes + ring.capacity_bytes).step_by(64) {
                theirs.store(offset, 16 | (Kind::Returned as u64) << 32 | more, Ordering::Relaxed);
                theirs.store(offset + 16, 0, Ordering::Relaxed);
                theirs.store(offset + 24, 0, Ordering::Relaxed);
            }
        }
        let end_bell = Sleeper::from(end.incoming.bell().try_clone().unwrap());
        let client = client(end);
        let ticket = client.start(Kind::Request, &|_| Ok(()), None).unwrap();
        assert!(matches!(client.wait(ticket, Some(Instant::now())), Err(Fault::TimedOut)));
        assert!(client.wait_death(Some(Instant::now())).is_none());
        if rings {
            // It has slept twice, not until it had heard all of them.
            let left = std::iter::repeat_with(|| end_bell.take_rings().unwrap());
            assert_eq!(left.take_while(|&rings| rings == Rings::More).count(), 1, "of 1000 rings, by 512");
        }
    }
}

#[test]
fn a_message_without_end_takes_no_more_memory_than_the_limit() {
    const LIMIT_BYTES: usize = 100 << 20;
    let (_descriptor, mut end, theirs) = frontend();
    let AnyIncoming::Shared(incoming) = &mut end.incoming else { unreachable!("a shared link") };
    incoming.limit(LIMIT_BYTES);
    let ring = Layout::DEFAULT.ring(REPLIES);
    let more = u64::from(FLAG_EXTERNAL | FLAG_MORE) << 40;
    for offset in (ring.base_bytes..ring.base_bytes + ring.capacity_bytes).step_by(64) {
        theirs.store(offset, 16 | (Kind::Returned as u64) << 32 | more, Ordering::Relaxed);
        theirs.store(offset + 8, 1, Ordering::Relaxed);
        theirs.store(offset + 16, 0, Ordering::Relaxed);
        theirs.store(offset + 24, 1 << 20, Ordering::Relaxed);
    }
    // The last record of all ends the message, after four times as much as may be.
    let last = ring.base_bytes + (LIMIT_BYTES >> 20) * 4 * 64;
    theirs.store(
        last,
        16 | (Kind::Returned as u64) << 32 | u64::from(FLAG_EXTERNAL) << 40,
        Ordering::Relaxed,
    );
    // No look takes in all of it: who looks has a clock.
    assert!(incoming.next().unwrap().is_none());
    let arrived = std::iter::repeat_with(|| incoming.next().unwrap()).flatten().next().unwrap();
    assert_eq!(arrived.lost, Some(crate::link::Lost::TooLong { limit_bytes: LIMIT_BYTES }));
    assert_eq!(incoming.assembled_bytes(), 0);
    incoming.release_quietly(&arrived.place);
    incoming.tell_room();
}

fn numbers_length(id: u64) -> usize {
    usize::try_from(id * 7919 % 100_000).unwrap()
}
