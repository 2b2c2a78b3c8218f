//! Ends of channels as sources: what is there, what has room, what is gone or only pretends.
//! Not here: frames and descriptors (`others`).
//! Layer: tests only, through the public surface.

use std::collections::BTreeSet;
use std::fs::File;
use std::thread;

use worker_core::{Receiver, RecvError, Select, channel};

use super::{LONG, next, nothing, told};
use crate::support::watchdog;

#[test]
fn receivers_are_told_for_as_long_as_they_have_something() {
    let _watchdog = watchdog();
    let (first_sender, first) = channel::<u32>().unwrap();
    let (second_sender, second) = channel::<u32>().unwrap();
    let mut select = Select::new();
    let (first_key, second_key) = (select.add(&first), select.add(&second));
    nothing(&mut select);
    first_sender.send(1).unwrap();
    first_sender.send(2).unwrap();
    assert_eq!((next(&mut select), next(&mut select)), (first_key, first_key), "left alone it is told again");
    assert_eq!(first.try_recv().unwrap(), Some(1));
    assert_eq!(next(&mut select), first_key, "one more is there");
    second_sender.send(3).unwrap();
    assert_eq!(told(&mut select, 2), BTreeSet::from([first_key, second_key]), "in turn");
    assert_eq!((first.try_recv().unwrap(), second.try_recv().unwrap()), (Some(2), Some(3)));
    nothing(&mut select);
    drop(first_sender);
    assert_eq!(next(&mut select), first_key);
    assert!(matches!(first.try_recv(), Err(RecvError::Disconnected)));
    assert!(select.remove(first_key) && !select.remove(first_key));
    nothing(&mut select);
    assert_eq!(select.len(), 1);
}

#[test]
fn what_is_dropped_or_sent_away_takes_itself_out() {
    let _watchdog = watchdog();
    let mut select = Select::new();
    let (sender, receiver) = channel::<u32>().unwrap();
    select.add(&receiver);
    let (mover, moved) = channel::<Receiver<u32>>().unwrap();
    mover.send(receiver).unwrap();
    // Its socket is open, in a message, and readable. That is no news of ours any more.
    sender.send(1).unwrap();
    nothing(&mut select);
    assert!(select.is_empty());
    let receiver = moved.recv().unwrap();
    let key = select.add(&receiver);
    assert_eq!(next(&mut select), key);
    let waiting = thread::spawn(move || {
        assert_eq!(receiver.recv().unwrap(), 1);
        drop(receiver);
    });
    // Dropped in another thread while this one waits, with nothing else to wait for.
    let error = loop {
        match select.wait() {
            Ok(told) => assert_eq!(told, key),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("no source"), "{error}");
    waiting.join().unwrap();
    assert!(sender.send(2).is_err());
    let receivers: Vec<_> = (0..10).map(|_| channel::<u8>().unwrap().1).collect();
    let mut other = Select::new();
    for receiver in &receivers {
        select.add(receiver);
        other.add(receiver);
    }
    drop(select);
    drop(receivers);
    nothing(&mut other);
    assert!(other.is_empty());
}

/// What says that it is the receiving end of a channel, and is any file.
struct Forged {
    file: Option<File>,
    end: Option<Receiver<u32>>,
}

impl serde::Serialize for Forged {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        worker_core::descriptor::serialize(self.file.as_ref().unwrap(), serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Forged {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Receiver::deserialize(deserializer).map(|end| Self { file: None, end: Some(end) })
    }
}

#[test]
fn what_only_says_that_it_is_an_end_of_a_channel_is_refused() {
    let _watchdog = watchdog();
    let (sender, receiver) = channel().unwrap();
    sender.send(Forged { file: Some(File::open("/proc/self/exe").unwrap()), end: None }).unwrap();
    let forged = receiver.recv().unwrap().end.unwrap();
    let mut select = Select::new();
    let key = select.add(&forged);
    // Taken in, it would never be told, whatever becomes of it.
    let error = select.wait_timeout(LONG).unwrap_err();
    assert!(error.to_string().contains("of a sort that cannot be waited for"), "{error}");
    assert!(!select.remove(key));
    nothing(&mut select);
}

#[test]
fn a_full_channel_shows_when_it_has_room() {
    let _watchdog = watchdog();
    let (sender, receiver) = channel::<u32>().unwrap();
    while sender.try_send(1).is_ok() {}
    let mut select = Select::new();
    let room = select.add_fd_writable(&sender);
    nothing(&mut select);
    assert!(receiver.try_iter().count() > 100);
    assert_eq!(next(&mut select), room);
}
