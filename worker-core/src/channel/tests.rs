//! Channels inside of one process, and what arrives from somebody who keeps no rule.
//! Not here: ends in other processes, and their deaths (the package `tests`).
//! Layer 5: tests.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::message::MESSAGE_MAX_BYTES;
use super::message::forged::{INLINE, SEALED};
use super::*;
use crate::sys::sealed::seal;

const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);

/// Sends bytes as no `Sender` would.
fn forge<T>(sender: &Sender<T>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    socket::send(sender.as_fd(), bytes, descriptors, false).unwrap();
}

fn decode_error<T: serde::de::DeserializeOwned + 'static>(receiver: &Receiver<T>) -> String {
    match receiver.recv_timeout(LONG) {
        Err(RecvError::Decode(error)) => error.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("a value"),
    }
}

#[test]
fn values_of_every_length_come_in_order() {
    let (sender, receiver) = channel::<(usize, Vec<u32>)>().unwrap();
    let lengths = [0, 1, 1000, 3000, 3270, 3280, 4000, 100_000, 1_000_000, 3, 0];
    let sending = thread::spawn(move || {
        for (number, length) in lengths.into_iter().enumerate() {
            sender.send((number, vec![u32::MAX; length])).unwrap();
        }
    });
    for (number, length) in lengths.into_iter().enumerate() {
        assert_eq!(receiver.recv().unwrap(), (number, vec![u32::MAX; length]));
    }
    sending.join().unwrap();
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn bytes_go_as_one_block_of_any_length() {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    for length in [0, 1, MESSAGE_MAX_BYTES - 2, MESSAGE_MAX_BYTES - 1, MESSAGE_MAX_BYTES, 5 << 20] {
        let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
        sender.send(bytes.clone()).unwrap();
        assert!(receiver.recv().unwrap() == bytes, "{length}");
    }
}

#[test]
fn empty_full_and_disconnected_are_three_things() {
    let (sender, receiver) = channel::<u8>().unwrap();
    assert_eq!(receiver.try_recv().unwrap(), None);
    assert_eq!(receiver.recv_timeout(SOON).unwrap(), None);
    let mut sent = 0_usize;
    let error = loop {
        match sender.try_send(7) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SendError::Full(7)), "{error:?}");
    assert!(matches!(sender.send_timeout(8, SOON), Err(SendError::Full(8))));
    assert!(sent > 100, "{sent}");
    assert_eq!(receiver.try_iter().count(), sent);
    sender.send(9).unwrap();
    drop(sender);
    assert_eq!(receiver.try_recv().unwrap(), Some(9), "what was sent before comes first");
    assert!(matches!(receiver.try_recv(), Err(RecvError::Disconnected)));
    assert!(matches!(receiver.recv_timeout(LONG), Err(RecvError::Disconnected)));
    assert_eq!(receiver.iter().count(), 0);
}

#[test]
fn without_a_receiver_a_value_comes_back() {
    let (sender, receiver) = channel::<String>().unwrap();
    sender.send("unread".into()).unwrap();
    drop(receiver);
    // The first after unread values meets another error of the system than those that follow.
    for text in ["one", "two", "three"] {
        let error = sender.send(text.into()).unwrap_err();
        assert!(matches!(error, SendError::Disconnected(_)), "{error:?}");
        assert_eq!(error.into_inner(), text);
    }
    assert!(matches!(sender.try_send("x".into()), Err(SendError::Disconnected(_))));
    assert!(matches!(sender.send_timeout("x".into(), LONG), Err(SendError::Disconnected(_))));
}

#[test]
fn a_sender_that_waits_for_room_goes_on_with_room_and_ends_with_the_receiver() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let filled = (0..).take_while(|&number| sender.try_send(number).is_ok()).count();
    let waiting = thread::spawn(move || {
        let filled = u32::try_from(filled).unwrap();
        (filled..filled + 100_000).try_for_each(|number| sender.send(number))
    });
    let first: Vec<u32> = receiver.iter().take(filled + 1000).collect();
    assert!(first.into_iter().eq(0..u32::try_from(filled + 1000).unwrap()));
    drop(receiver);
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, SendError::Disconnected(_)), "{error:?}");
}

#[test]
fn many_threads_send_and_nothing_is_mixed_or_lost() {
    let (sender, receiver) = channel::<(u8, u32, Vec<u8>)>().unwrap();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let sender = sender.clone();
            thread::spawn(move || {
                for number in 0..2000 {
                    // Some are long.
                    let length = if number % 100 == 0 { 30_000 } else { usize::from(thread) * 10 };
                    sender.send((thread, number, vec![thread; length])).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let mut next = [0; 8];
    for (thread, number, bytes) in &receiver {
        assert!(bytes.iter().all(|&byte| byte == thread));
        assert_eq!(number, next[usize::from(thread)], "in order of their thread");
        next[usize::from(thread)] += 1;
    }
    assert_eq!(next, [2000; 8]);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn ends_travel_inside_of_values() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Question {
        number: u32,
        answer: Sender<u32>,
    }
    let (questions, receiver) = channel::<Question>().unwrap();
    let answering = thread::spawn(move || {
        for Question { number, answer } in receiver {
            answer.send(number * 2).unwrap();
        }
    });
    for number in 0..50 {
        let (answer, receiver) = channel().unwrap();
        questions.send(Question { number, answer }).unwrap();
        assert_eq!(receiver.recv().unwrap(), number * 2);
        assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)), "the sender went with its question");
    }
    drop(questions);
    answering.join().unwrap();
}

#[test]
fn a_receiver_moves_once() {
    let (mover, moved) = channel::<Receiver<u32>>().unwrap();
    let (sender, receiver) = channel::<u32>().unwrap();
    sender.send(1).unwrap();
    mover.send(receiver).unwrap();
    let receiver = moved.recv().unwrap();
    assert_eq!(receiver.recv().unwrap(), 1, "what was in it came along");
    // Not even by reference can it go twice.
    let (bytes, attached) = crate::wire::descriptors::attached_by(|| postcard::to_allocvec(&receiver));
    assert!(bytes.is_ok() && !receiver.is_spent(), "it has not left");
    attached.unwrap().note_left();
    assert!(matches!(receiver.recv(), Err(RecvError::Sent)));
    assert!(matches!(receiver.try_recv(), Err(RecvError::Sent)));
    let error = mover.send(receiver).unwrap_err();
    assert!(matches!(error, SendError::Encode(..)), "{error:?}");
    assert!(error.to_string().contains("was sent away"), "{error}");
}

#[test]
fn a_value_that_cannot_be_sent_comes_back() {
    /// Wants a descriptor where there can be none.
    #[derive(serde::Deserialize)]
    struct Stubborn;
    impl serde::Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let (sender, receiver) = channel::<Stubborn>().unwrap();
    let error = sender.send(Stubborn).unwrap_err();
    assert!(matches!(error, SendError::Encode(Stubborn, _)), "{error:?}");
    assert!(receiver.try_recv().unwrap().is_none());
    let (sender, _receiver) = channel::<(Vec<crate::Descriptor<File>>, Vec<u32>)>().unwrap();
    let null = || File::open("/dev/null").unwrap().into();
    let files = |count: usize| (0..count).map(|_| null()).collect::<Vec<_>>();
    sender.send((files(252), vec![u32::MAX; 10_000])).unwrap();
    let error = sender.send((files(253), vec![u32::MAX; 10_000])).unwrap_err();
    assert!(error.to_string().contains("at most 252 descriptors"), "{error}");
    sender.send((files(253), Vec::new())).unwrap();
}

#[test]
fn garbage_is_an_error_of_one_receive() {
    let (sender, receiver) = channel::<u32>().unwrap();
    forge(&sender, &[INLINE], &[]);
    forge(&sender, &[INLINE, 0], &[]);
    forge(&sender, &[INLINE, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[]);
    forge(&sender, &[INLINE, 0, 1, 2], &[]);
    forge(&sender, &[INLINE, 255, 1], &[]);
    forge(&sender, &[77, 0, 1], &[]);
    forge(&sender, &vec![0; MESSAGE_MAX_BYTES + 1], &[]);
    let wanted =
        ["shorter", "", "", "1 bytes were left over", "more descriptors", "no message of kind 77", "longer"];
    for wanted in wanted {
        let error = decode_error(&receiver);
        assert!(error.contains(wanted), "{error}");
    }
    forge(&sender, &[], &[]);
    assert!(decode_error(&receiver).contains("is empty"), "and not the end");
    sender.send(5).unwrap();
    assert_eq!(receiver.recv().unwrap(), 5);
    forge(&sender, &[77, 0], &[]);
    sender.send(6).unwrap();
    assert_eq!(receiver.iter().count(), 0, "the iteration ends at what is no value");
    assert!(matches!(receiver.recv(), Err(RecvError::Decode(_))), "which is told then");
    assert_eq!(receiver.recv().unwrap(), 6);
}

#[test]
fn forged_descriptors_are_refused_and_closed() {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    let (reader, mut writer) = io::pipe().unwrap();
    forge(&sender, &[SEALED, 0], &[]);
    forge(&sender, &[SEALED, 1], &[reader.as_fd()]);
    forge(&sender, &[SEALED, 0], &[reader.as_fd()]);
    forge(&sender, &[INLINE, 1, 9], &[]);
    forge(&sender, &[INLINE, 0, 9], &[reader.as_fd(), reader.as_fd()]);
    assert!(decode_error(&receiver).contains("lost on the way"));
    assert!(decode_error(&receiver).contains("lost on the way"));
    assert!(decode_error(&receiver).contains("no sealed shared memory"));
    assert_eq!(receiver.recv().unwrap(), [9], "bytes ask for no descriptor");
    assert_eq!(receiver.recv().unwrap(), [9]);
    let sealed = seal("test", b"all of it").unwrap();
    forge(&sender, &[SEALED, 0, 1, 2, 3], &[sealed.as_fd()]);
    assert_eq!(receiver.recv().unwrap(), b"all of it");
    drop(reader);
    let error = writer.write_all(b"x").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "every copy of the other end is closed");
}

#[test]
fn an_end_that_others_made_non_blocking_still_waits() {
    let (sender, receiver) = channel::<u32>().unwrap();
    for end in [sender.as_fd(), receiver.as_fd()] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    }
    let receiving = thread::spawn(move || receiver.iter().map(u64::from).sum::<u64>());
    (0..10_000).for_each(|number| sender.send(number).unwrap());
    drop(sender);
    assert_eq!(receiving.join().unwrap(), 9999 * 10_000 / 2);
}

#[test]
fn a_capacity_is_what_was_asked_for_or_an_error() {
    let fill = |(sender, _receiver): (Sender<u8>, Receiver<u8>)| {
        (0..).take_while(|_| sender.try_send(1).is_ok()).count()
    };
    let small = fill(channel_with_capacity(64 << 10).unwrap());
    let large = fill(channel_with_capacity(256 << 10).unwrap());
    assert!(large >= 3 * small && small >= 20, "{small} and {large}");
    let error = channel_with_capacity::<u8>(1000).unwrap_err();
    assert!(error.to_string().contains("at least 65536"), "{error}");
    let error = channel_with_capacity::<u8>(1 << 30).unwrap_err();
    assert!(error.to_string().contains("net.core.wmem_max"), "{error}");
    // Long values count, though their bytes lie elsewhere.
    let (sender, _receiver) = channel_with_capacity::<Vec<u8>>(64 << 10).unwrap();
    let long = (0..).take_while(|_| sender.try_send(vec![0; 1 << 20]).is_ok()).count();
    assert!((2..=6).contains(&long), "{long}");
}

#[test]
fn an_end_shows_readable_and_writable() {
    use crate::sys::doorbell::wait_for;
    use nix::poll::PollFlags;
    let now = || Some(std::time::Instant::now());
    let (sender, receiver) = channel::<u8>().unwrap();
    let look = |end: &dyn AsFd, events| wait_for(end.as_fd(), events, now()).unwrap();
    assert_eq!(look(&receiver, PollFlags::POLLIN), PollFlags::empty());
    assert_eq!(look(&sender, PollFlags::POLLOUT), PollFlags::POLLOUT);
    while sender.try_send(1).is_ok() {}
    assert_eq!(look(&receiver, PollFlags::POLLIN), PollFlags::POLLIN);
    assert_eq!(look(&sender, PollFlags::POLLOUT), PollFlags::empty());
    assert!(receiver.try_iter().count() > 0);
    assert_eq!(look(&receiver, PollFlags::POLLIN), PollFlags::empty(), "nothing is received ahead");
    drop(sender);
    assert!(look(&receiver, PollFlags::POLLIN).contains(PollFlags::POLLIN));
}
