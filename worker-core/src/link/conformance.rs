//! One suite for every link: what the layers above rely on, whatever a link is made of.
//! Not here: the parts of one link alone, which are tested beside them.
//! Layer 3: tests.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::beside::Beside;
use super::{Arrived, Interest, LinkEnd, LinkKind, Lost, NewLink, Room, SendError, Wake, create, open};
use crate::wire::codec::WriteError;
use crate::wire::kind::Kind;
use crate::wire::writer::Writer;

macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        mod shared {
            $(#[test] fn $test() { super::$test(super::LinkKind::Shared); })*
        }
        mod socket {
            $(#[test] fn $test() { super::$test(super::LinkKind::Socket); })*
        }
    };
}

conformance!(
    every_length_arrives_as_it_was,
    what_does_not_fit_waits_for_room,
    a_withdrawn_message_is_never_seen,
    both_directions_full_do_not_block_each_other,
    every_message_wakes_a_sleeper,
    an_end_is_seen_after_everything_sent_before_it,
    a_wait_ends_at_its_deadline,
    a_value_that_cannot_be_encoded_sends_nothing,
    what_is_too_long_is_read_over_and_nothing_of_it_is_kept,
);

fn pair(kind: LinkKind) -> (LinkEnd, LinkEnd) {
    let (beside, other_beside) = Beside::pair().unwrap();
    let NewLink { kind, ours, theirs } = create(kind, Arc::new(beside)).unwrap();
    (ours, open(kind, theirs, Arc::new(Beside::from(other_beside))).unwrap())
}

/// Bytes by which a message can be told from every other, and each of its parts from the others.
fn pattern(length_bytes: usize, seed: u64) -> Vec<u8> {
    // A prime length, so that no power of two cuts it into equal parts.
    const BLOCK_BYTES: usize = 4099;
    let mut state = seed;
    let block: Vec<u8> = (0..BLOCK_BYTES.min(length_bytes))
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .collect();
    let mut bytes = Vec::with_capacity(length_bytes + BLOCK_BYTES);
    while bytes.len() < length_bytes {
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(length_bytes);
    bytes
}

fn try_send(end: &mut LinkEnd, id: u64, bytes: &[u8]) -> Result<(), Room> {
    let payload = |writer: &mut Writer<'_>| writer.extend(bytes).map_err(|_| WriteError::OutOfRoom);
    let result = end.outgoing.send(Kind::Request, id, &payload);
    end.outgoing.notify();
    match result {
        Ok(_) => Ok(()),
        Err(SendError::NoRoom(room)) => Err(room),
        Err(error) => panic!("{error:?}"),
    }
}

fn take(end: &mut LinkEnd) -> Option<(u64, Vec<u8>)> {
    take_or_lose(end).map(|(id, taken)| (id, taken.unwrap()))
}

fn take_or_lose(end: &mut LinkEnd) -> Option<(u64, Result<Vec<u8>, Lost>)> {
    let mut arrived: Arrived = end.incoming.next().unwrap()?;
    let mut payload = Vec::new();
    let copied = end.incoming.copy_payload(&arrived, &mut payload);
    let (id, lost) = (arrived.id, arrived.lost.or(copied.err()));
    assert_eq!(arrived.kind, Kind::Request);
    end.incoming.release(&mut arrived);
    Some((id, lost.map_or(Ok(payload), Err)))
}

/// Sends, and takes in whatever comes while there is no room.
fn send(end: &mut LinkEnd, id: u64, bytes: &[u8], taken: &mut Vec<(u64, Vec<u8>)>) {
    while let Err(room) = try_send(end, id, bytes) {
        taken.extend(std::iter::from_fn(|| take(end)));
        let interest = Interest { message: true, room: Some(room) };
        assert_eq!(end.incoming.wait(interest, None).unwrap(), Wake::Rung);
    }
}

fn receive(end: &mut LinkEnd) -> (u64, Vec<u8>) {
    loop {
        if let Some(message) = take(end) {
            return message;
        }
        assert_eq!(end.incoming.wait(Interest::MESSAGE, None).unwrap(), Wake::Rung);
    }
}

fn every_length_arrives_as_it_was(kind: LinkKind) {
    let (mut ours, mut theirs) = pair(kind);
    let edges = [0, 48, 64, 1000, 4096, 65_536, 131_072 - 80, 131_072, 262_144, 1 << 20, 32 << 20, 33 << 20];
    let lengths: Vec<usize> =
        edges.iter().flat_map(|&edge: &usize| [edge.saturating_sub(1), edge, edge + 1]).collect();
    let expected = lengths.clone();
    let receiver = thread::spawn(move || {
        for (id, length_bytes) in (0..).zip(expected) {
            let (got, payload) = receive(&mut theirs);
            assert_eq!((got, payload.len()), (id, length_bytes));
            assert!(
                payload == pattern(length_bytes, id),
                "the {length_bytes} bytes are not those that were sent"
            );
        }
    });
    for (id, length_bytes) in (0..).zip(lengths) {
        send(&mut ours, id, &pattern(length_bytes, id), &mut Vec::new());
    }
    receiver.join().unwrap();
}

fn what_is_too_long_is_read_over_and_nothing_of_it_is_kept(kind: LinkKind) {
    const LIMIT_BYTES: usize = 100_000;
    let lengths = [10, LIMIT_BYTES, LIMIT_BYTES + 1, 50 << 20, 7, 33 << 20, 1 << 20, 70 << 20, 100];
    let (mut ours, mut theirs) = pair(kind);
    theirs.incoming.limit(LIMIT_BYTES);
    let receiver = thread::spawn(move || {
        for (id, length_bytes) in (0..).zip(lengths) {
            let (got, taken) = loop {
                match take_or_lose(&mut theirs) {
                    Some(message) => break message,
                    None => assert_eq!(theirs.incoming.wait(Interest::MESSAGE, None).unwrap(), Wake::Rung),
                }
            };
            assert_eq!(got, id);
            if length_bytes <= LIMIT_BYTES {
                assert!(taken.unwrap() == pattern(length_bytes, id));
            } else {
                assert_eq!(taken, Err(Lost::TooLong { limit_bytes: LIMIT_BYTES }));
            }
        }
    });
    for (id, length_bytes) in (0..).zip(lengths) {
        send(&mut ours, id, &pattern(length_bytes, id), &mut Vec::new());
    }
    receiver.join().unwrap();
}

fn what_does_not_fit_waits_for_room(kind: LinkKind) {
    let (mut ours, mut theirs) = pair(kind);
    let bytes = pattern(10_000, 1);
    let (mut sent, mut taken) = (0, 0);
    for _ in 0..3 {
        let room = loop {
            match try_send(&mut ours, sent, &bytes) {
                Ok(()) => sent += 1,
                Err(room) => break room,
            }
        };
        let interest = Interest { message: false, room: Some(room) };
        let now = Some(Instant::now());
        assert_eq!(ours.incoming.wait(interest, now).unwrap(), Wake::TimedOut, "there is no room yet");
        // The message that did not fit is on its way in part, over a socket, so it must be told whole.
        let receiver = thread::spawn(move || {
            while taken < sent {
                assert_eq!(receive(&mut theirs).0, taken);
                taken += 1;
            }
            (theirs, taken)
        });
        send(&mut ours, sent, &bytes, &mut Vec::new());
        sent += 1;
        (theirs, taken) = receiver.join().unwrap();
        assert_eq!(receive(&mut theirs), (taken, bytes.clone()));
        taken += 1;
    }
}

fn a_withdrawn_message_is_never_seen(kind: LinkKind) {
    let (mut ours, mut theirs) = pair(kind);
    let long = pattern(80 << 20, 1);
    // Long enough to be under way in part on either link.
    assert!(try_send(&mut ours, 1, &long).is_err());
    ours.outgoing.withdraw();
    let receiver = thread::spawn(move || receive(&mut theirs));
    send(&mut ours, 2, b"next", &mut Vec::new());
    assert_eq!(receiver.join().unwrap(), (2, b"next".to_vec()), "nothing of the message is seen");
}

fn both_directions_full_do_not_block_each_other(kind: LinkKind) {
    const COUNT: u64 = 20;
    let (ours, theirs) = pair(kind);
    let run = |mut end: LinkEnd| {
        thread::spawn(move || {
            let mut taken = Vec::new();
            for id in 0..COUNT {
                send(&mut end, id, &pattern(1 << 20, id), &mut taken);
            }
            while taken.len() < usize::try_from(COUNT).unwrap() {
                taken.push(receive(&mut end));
            }
            assert!(taken.iter().zip(0..).all(|(message, id)| *message == (id, pattern(1 << 20, id))));
        })
    };
    let (one, other) = (run(ours), run(theirs));
    one.join().unwrap();
    other.join().unwrap();
}

fn every_message_wakes_a_sleeper(kind: LinkKind) {
    const TURNS: u64 = 20_000;
    let (mut ours, mut theirs) = pair(kind);
    let echo = thread::spawn(move || {
        for _ in 0..TURNS {
            let (id, payload) = receive(&mut theirs);
            send(&mut theirs, id, &payload, &mut Vec::new());
        }
    });
    for id in 0..TURNS {
        send(&mut ours, id, &id.to_le_bytes(), &mut Vec::new());
        assert_eq!(receive(&mut ours), (id, id.to_le_bytes().to_vec()));
    }
    echo.join().unwrap();
}

fn an_end_is_seen_after_everything_sent_before_it(kind: LinkKind) {
    let (mut ours, mut theirs) = pair(kind);
    for id in 0..5 {
        send(&mut theirs, id, b"last words", &mut Vec::new());
    }
    drop(theirs);
    for id in 0..5 {
        assert_eq!(receive(&mut ours).0, id);
    }
    loop {
        assert!(take(&mut ours).is_none());
        match ours.incoming.wait(Interest::MESSAGE, None).unwrap() {
            Wake::Gone => break,
            // A stray ring, or bytes that were no whole message: look again.
            Wake::Rung => {}
            Wake::TimedOut => panic!("there is no deadline"),
        }
    }
}

fn a_wait_ends_at_its_deadline(kind: LinkKind) {
    let (mut ours, _theirs) = pair(kind);
    let deadline = Instant::now() + Duration::from_millis(20);
    assert_eq!(ours.incoming.wait(Interest::MESSAGE, Some(deadline)).unwrap(), Wake::TimedOut);
    assert!(Instant::now() >= deadline, "not before it");
}

fn a_value_that_cannot_be_encoded_sends_nothing(kind: LinkKind) {
    let (mut ours, mut theirs) = pair(kind);
    let broken = |writer: &mut Writer<'_>| {
        writer.extend(b"half of it").map_err(|_| WriteError::OutOfRoom)?;
        Err(WriteError::Value("no such colour".to_owned()))
    };
    let error = ours.outgoing.send(Kind::Request, 1, &broken).unwrap_err();
    assert!(matches!(error, SendError::Value(cause) if cause == "no such colour"));
    send(&mut ours, 2, b"whole", &mut Vec::new());
    assert_eq!(receive(&mut theirs), (2, b"whole".to_vec()));
}
