//! Descriptors that go along with messages, over every kind of link, both ends in this process.
//! Not here: messages without any (`conformance`).
//! Layer 3: tests.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::beside::Beside;
use super::{Broken, LinkEnd, LinkKind, NewLink, SendError};
use crate::wire::codec::WriteError;
use crate::wire::descriptors::{attach, detach, with_arrived};
use crate::wire::kind::Kind;
use crate::wire::writer::Writer;

const BOTH: [LinkKind; 2] = [LinkKind::Shared, LinkKind::Socket];

fn link(kind: LinkKind) -> (LinkEnd, LinkEnd) {
    let (beside, far_end) = Beside::pair().unwrap();
    let NewLink { ours, theirs, .. } = super::create(kind, Arc::new(beside)).unwrap();
    (ours, super::open(kind, theirs, Arc::new(Beside::from(far_end))).unwrap())
}

/// Sends the number and the descriptor that stands for it.
fn send(end: &mut LinkEnd, number: u64, descriptor: &OwnedFd, length_bytes: usize) -> Result<(), SendError> {
    let payload = |writer: &mut Writer<'_>| {
        attach(descriptor.try_clone().unwrap()).map_err(WriteError::Value)?;
        writer.extend(&vec![0; length_bytes]).map_err(|_| WriteError::OutOfRoom)
    };
    end.outgoing.send(Kind::Request, number, &payload).map(drop)
}

/// Takes the next message; gives its id and its descriptor.
fn take(end: &mut LinkEnd) -> Result<Option<(u64, OwnedFd)>, Broken> {
    let Some(mut arrived) = end.incoming.next()? else { return Ok(None) };
    let descriptor = with_arrived(arrived.attached.take(), || detach(0)).unwrap();
    let id = arrived.id;
    end.incoming.release(&mut arrived);
    Ok(Some((id, descriptor)))
}

/// A descriptor, and a file that reads to its end once every copy of the descriptor is closed.
fn tracked() -> (File, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (OwnedFd::from(reader).into(), writer.into())
}

fn assert_closed(mut tracker: File) {
    assert_eq!(tracker.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn each_message_brings_its_own_descriptors_in_order() {
    for kind in BOTH {
        let (mut program, mut backend) = link(kind);
        for (from, to) in [(&mut program, &mut backend)] {
            let mut trackers = Vec::new();
            let mut taken = Vec::new();
            for number in 0..200 {
                let (tracker, descriptor) = tracked();
                trackers.push(tracker);
                while let Err(error) = send(from, number, &descriptor, 3) {
                    assert!(matches!(error, SendError::NoRoom(_)), "{error:?}");
                    taken.push(take(to).unwrap().unwrap());
                }
            }
            while let Some(message) = take(to).unwrap() {
                taken.push(message);
            }
            assert_eq!(taken.len(), 200);
            for ((expected, (number, descriptor)), mut tracker) in (0..).zip(taken).zip(trackers) {
                assert_eq!(number, expected);
                File::from(descriptor).write_all(&number.to_le_bytes()).unwrap();
                let mut told = Vec::new();
                tracker.read_to_end(&mut told).unwrap();
                assert_eq!(told, number.to_le_bytes(), "every other copy is closed by now");
            }
        }
    }
}

#[test]
fn they_come_with_long_messages_and_with_messages_in_pieces() {
    for (kind, length_bytes) in [(BOTH[0], 1 << 20), (BOTH[0], 50 << 20), (BOTH[1], 1 << 20)] {
        let (mut program, mut backend) = link(kind);
        let (tracker, descriptor) = tracked();
        let message = loop {
            match send(&mut program, 7, &descriptor, length_bytes) {
                Ok(()) => break take(&mut backend).unwrap(),
                // What has come so far is taken in, which makes room.
                Err(SendError::NoRoom(_)) => assert!(take(&mut backend).unwrap().is_none()),
                Err(error) => panic!("{error:?}"),
            }
        };
        assert_eq!(message.unwrap().0, 7);
        drop(descriptor);
        assert_closed(tracker);
    }
}

#[test]
fn a_message_that_fails_to_encode_leaks_nothing_and_disturbs_nothing() {
    for kind in BOTH {
        let (mut program, mut backend) = link(kind);
        let (tracker, descriptor) = tracked();
        let failing = |_: &mut Writer<'_>| {
            attach(descriptor.try_clone().unwrap()).unwrap();
            Err(WriteError::Value("on purpose".into()))
        };
        assert!(matches!(program.outgoing.send(Kind::Request, 1, &failing), Err(SendError::Value(_))));
        send(&mut program, 2, &descriptor, 0).unwrap();
        drop(descriptor);
        assert_eq!(take(&mut backend).unwrap().unwrap().0, 2);
        assert_closed(tracker);
    }
}

#[test]
fn of_a_reply_that_was_kept_and_cannot_be_sent_the_caller_is_told() {
    let (beside, _far_end) = Beside::pair().unwrap();
    let NewLink { ours: mut program, theirs, .. } =
        super::create(LinkKind::Shared, Arc::new(beside)).unwrap();
    // What no descriptor can be sent on stands for a system that refuses.
    let no_socket = OwnedFd::from(File::open("/dev/null").unwrap());
    let mut backend = super::open(LinkKind::Shared, theirs, Arc::new(Beside::from(no_socket))).unwrap();
    let (tracker, descriptor) = tracked();
    let with_descriptor = |writer: &mut Writer<'_>| {
        attach(descriptor.try_clone().unwrap()).map_err(WriteError::Value)?;
        writer.extend(b"value").map_err(|_| WriteError::OutOfRoom)
    };
    let plain = |writer: &mut Writer<'_>| writer.extend(b"plain").map_err(|_| WriteError::OutOfRoom);
    backend.keep(Kind::Returned, 7, &with_descriptor, None).unwrap();
    backend.keep(Kind::Returned, 8, &plain, None).unwrap();
    let mut sent = Vec::new();
    assert!(backend.flush(|id| sent.push(id)));
    assert_eq!(sent, [7, 8]);
    let mut next = || {
        let mut arrived = program.incoming.next().unwrap().unwrap();
        let mut payload = Vec::new();
        program.incoming.copy_payload(&arrived, &mut payload).unwrap();
        let what = (arrived.kind, arrived.id, payload);
        program.incoming.release(&mut arrived);
        what
    };
    let (kind, id, payload) = next();
    assert_eq!((kind, id), (Kind::NotEncoded, 7));
    let error: crate::errors::EncodeError = crate::wire::codec::decode(&payload).unwrap();
    assert!(error.to_string().contains("descriptors could not be sent"), "{error}");
    assert_eq!(next(), (Kind::Returned, 8, b"plain".to_vec()));
    drop(descriptor);
    assert_closed(tracker);
}

#[test]
fn a_message_in_pieces_whose_descriptors_cannot_be_sent_disturbs_no_other() {
    let (_near_end, far_end) = Beside::pair().unwrap();
    let no_socket = OwnedFd::from(File::open("/dev/null").unwrap());
    let NewLink { ours: mut program, theirs, .. } =
        super::create(LinkKind::Shared, Arc::new(Beside::from(no_socket))).unwrap();
    let mut backend = super::open(LinkKind::Shared, theirs, Arc::new(Beside::from(far_end))).unwrap();
    let (tracker, descriptor) = tracked();
    loop {
        match send(&mut program, 7, &descriptor, 50 << 20) {
            // What has come so far is taken in, which makes room.
            Err(SendError::NoRoom(_)) => assert!(take(&mut backend).unwrap().is_none()),
            Err(SendError::Memory(error)) => {
                break assert!(error.to_string().contains("descriptors"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    let plain = |writer: &mut Writer<'_>| writer.extend(b"plain").map_err(|_| WriteError::OutOfRoom);
    program.outgoing.send(Kind::Request, 8, &plain).unwrap();
    let mut arrived =
        backend.incoming.next().unwrap().expect("the next message comes, and nothing of that one");
    assert_eq!((arrived.kind, arrived.id), (Kind::Request, 8));
    backend.incoming.release(&mut arrived);
    drop(descriptor);
    assert_closed(tracker);
}

#[test]
fn a_receiver_that_is_gone_leaks_nothing() {
    for kind in BOTH {
        let (mut program, backend) = link(kind);
        let (tracker, descriptor) = tracked();
        send(&mut program, 1, &descriptor, 0).unwrap();
        drop((backend, descriptor));
        assert_closed(tracker);
        let (tracker, descriptor) = tracked();
        // Memory takes the message of a reader that is gone, the socket does not.
        let _ = send(&mut program, 2, &descriptor, 0);
        drop((program, descriptor));
        assert_closed(tracker);
    }
}

#[test]
fn what_a_message_brought_and_nobody_took_is_closed() {
    for kind in BOTH {
        let (mut program, mut backend) = link(kind);
        let (tracker, descriptor) = tracked();
        send(&mut backend, 1, &descriptor, 0).unwrap();
        drop(descriptor);
        let mut arrived = program.incoming.next().unwrap().unwrap();
        assert!(arrived.attached.is_some());
        program.incoming.release(&mut arrived);
        assert_closed(tracker);
    }
}

#[test]
fn a_side_that_says_it_sent_descriptors_and_did_not_has_broken_the_protocol() {
    let (beside, far_end) = Beside::pair().unwrap();
    let beside = Arc::new(beside);
    let NewLink { mut ours, theirs, .. } = super::create(LinkKind::Shared, Arc::clone(&beside)).unwrap();
    let mut backend = super::open(LinkKind::Shared, theirs, Arc::new(Beside::from(far_end))).unwrap();
    send(&mut backend, 1, &tracked().1, 0).unwrap();
    beside.take_parcel(0).unwrap();
    assert!(ours.incoming.next().is_err());
}

#[test]
fn descriptors_on_their_way_are_never_more_than_one_message_may_have() {
    let (mut program, mut backend) = link(LinkKind::Shared);
    let (tracker, descriptor) = tracked();
    let many = |writer: &mut Writer<'_>| {
        for _ in 0..100 {
            attach(descriptor.try_clone().unwrap()).map_err(WriteError::Value)?;
        }
        writer.extend(b"many").map_err(|_| WriteError::OutOfRoom)
    };
    for id in 0..2 {
        backend.outgoing.send(Kind::Returned, id, &many).unwrap();
    }
    let refused = backend.outgoing.send(Kind::Returned, 2, &many);
    assert!(matches!(refused, Err(SendError::NoRoom(_))), "P3: {refused:?}");
    assert_eq!(take(&mut program).unwrap().unwrap().0, 0);
    backend.outgoing.send(Kind::Returned, 2, &many).unwrap();
    for id in 1..3 {
        assert_eq!(take(&mut program).unwrap().unwrap().0, id);
    }
    drop(descriptor);
    assert_closed(tracker);
}

#[test]
fn a_backend_cannot_pile_up_descriptors_in_the_program() {
    let (beside, far_end) = Beside::pair().unwrap();
    beside.believe(nix::unistd::getppid());
    let (tracker, descriptor) = tracked();
    let many: Vec<_> = std::iter::repeat_n(std::os::fd::AsFd::as_fd(&descriptor), 200).collect();
    let opened = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let soon = Some(std::time::Instant::now());
    let mut most = 0;
    for _ in 0..10 {
        crate::sys::socket::send(std::os::fd::AsFd::as_fd(&far_end), b"0123456789abcdef", &many, false)
            .unwrap();
        assert!(beside.next_notice(soon).is_none());
        most = most.max(opened());
    }
    // Other tests of this program open some too, but never hundreds.
    assert!(most < 1000, "B3: {most} descriptors");
    drop((beside, far_end, descriptor));
    assert_closed(tracker);
}

#[test]
fn only_the_fork_server_is_believed() {
    let (beside, far_end) = Beside::pair().unwrap();
    beside.believe(nix::unistd::getppid());
    crate::sys::socket::send(std::os::fd::AsFd::as_fd(&far_end), b"born", &[], false).unwrap();
    let soon = Some(std::time::Instant::now());
    assert!(beside.next_notice(soon).is_none(), "this very process is no fork server");
    let (beside, far_end) = Beside::pair().unwrap();
    beside.believe(nix::unistd::getpid());
    crate::sys::socket::send(std::os::fd::AsFd::as_fd(&far_end), b"born", &[], false).unwrap();
    assert_eq!(beside.next_notice(soon).unwrap().bytes, b"born");
}
