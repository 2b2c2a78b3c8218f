//! Channels between processes: who gets what, who learns what, and deaths at every step.
//! Not here: channels inside of one process, and forged messages (the library's own tests).
//! Layer: the public surface.

#[path = "../support/mod.rs"]
mod support;

mod deaths;
mod ends;
mod values;

use std::fs::File;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use support::processes;
use worker_core::{
    Builder, Descriptor, Link, Receiver, RecvError, Sender, StartMethod, channel, process_actor,
};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
/// Long enough for sealed memory.
const LONG_BYTES: usize = 100_000;

/// A numbered value that shows whether all of it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    from: u32,
    number: u64,
    filling: Vec<u64>,
}

impl Parcel {
    fn new(from: u32, number: u64) -> Self {
        // Every seventh is long.
        let words = if number % 7 == 6 { LONG_BYTES / 8 } else { 4 };
        Self { from, number, filling: vec![number.wrapping_mul(0x9e37_79b9_7f4a_7c15); words] }
    }

    fn assert_whole(&self) {
        assert!(*self == Self::new(self.from, self.number), "half a value, or a mixed one");
    }
}

/// Where a value is encoded or decoded that ends its process in the middle of that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Deadly {
    Harmless(u32),
    InEncoding,
    InDecoding,
}

/// [`Deadly`], with a long part before it, so that some of it is encoded by then.
pub struct Trap(Vec<u64>, Deadly);

impl Serialize for Trap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.0)?;
        if self.1 == Deadly::InEncoding {
            processes::signal(std::process::id(), Signal::SIGKILL);
        }
        tuple.serialize_element(&self.1)?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (filling, deadly) = <(Vec<u64>, Deadly)>::deserialize(deserializer)?;
        if deadly == Deadly::InDecoding {
            processes::signal(std::process::id(), Signal::SIGKILL);
        }
        Ok(Self(filling, deadly))
    }
}

/// Sends, receives and passes on, in its own process.
pub struct Station {
    sender: Option<Sender<Parcel>>,
    receiver: Option<Receiver<Parcel>>,
}

#[process_actor]
impl Station {
    pub fn new() -> Self {
        Self { sender: None, receiver: None }
    }

    pub fn sending(sender: Sender<Parcel>) -> Self {
        Self { sender: Some(sender), receiver: None }
    }

    pub fn receiving(receiver: Receiver<Parcel>) -> Self {
        Self { sender: None, receiver: Some(receiver) }
    }

    pub fn take_sender(&mut self, sender: Sender<Parcel>) {
        self.sender = Some(sender);
    }

    pub fn take_receiver(&mut self, receiver: Receiver<Parcel>) {
        self.receiver = Some(receiver);
    }

    pub fn give_receiver(&mut self) -> Option<Receiver<Parcel>> {
        self.receiver.take()
    }

    pub fn close(&mut self) {
        (self.sender, self.receiver) = (None, None);
    }

    /// Sends numbered values, and says how many found a receiver.
    pub fn send(&self, from: u32, first: u64, count: u64) -> u64 {
        let sender = self.sender.as_ref().expect("a sender");
        let sent =
            (first..first + count).take_while(|&number| sender.send(Parcel::new(from, number)).is_ok());
        sent.count() as u64
    }

    /// Sends until nobody receives any more.
    #[oneway]
    pub fn flood(&self, from: u32) {
        self.send(from, 0, u64::MAX);
    }

    /// Receives to the end; says how many came.
    pub fn drain(&self) -> u64 {
        let received = self.receiver.as_ref().expect("a receiver").iter();
        received.inspect(Parcel::assert_whole).count() as u64
    }

    pub fn next(&self) -> Option<u64> {
        let received = self.receiver.as_ref().expect("a receiver").recv();
        received.ok().map(|parcel| parcel.number)
    }

    /// Makes a channel over here, and gives one end away.
    pub fn open(&mut self) -> std::io::Result<Sender<Parcel>> {
        let (sender, receiver) = channel()?;
        self.receiver = Some(receiver);
        Ok(sender)
    }

    /// Passes values on until there are no more.
    #[oneway]
    pub fn relay(&mut self) {
        let (Some(receiver), Some(sender)) = (self.receiver.take(), self.sender.take()) else { return };
        let _ = receiver.into_iter().try_for_each(|parcel| sender.send(parcel));
    }

    pub fn trap(&self, sender: Sender<Trap>, deadly: Deadly, words: usize) -> bool {
        sender.send(Trap(vec![1; words], Deadly::Harmless(1))).is_ok()
            && sender.send(Trap(vec![2; words], deadly)).is_ok()
    }

    pub fn spring(&self, receiver: Receiver<Trap>) -> u32 {
        receiver.iter().map(|trap| if let Deadly::Harmless(number) = trap.1 { number } else { 0 }).sum()
    }

    pub fn files(&self, sender: Sender<(String, Descriptor<File>)>) -> std::io::Result<()> {
        for name in ["comm", "stat"] {
            let file = File::open(format!("/proc/self/{name}"))?;
            sender.send((name.to_owned(), file.into())).map_err(std::io::Error::other)?;
        }
        Ok(())
    }
}

fn everywhere() -> impl Iterator<Item = Builder> {
    let links = LINKS.into_iter().map(|link| Builder::new().link(link));
    links.chain([Builder::new().start(StartMethod::Thread)])
}

/// Receives to the end; gives how many came of each station, and fails if one of them has a gap.
fn receive_all(receiver: &Receiver<Parcel>, stations: usize) -> Vec<u64> {
    let mut next = vec![0; stations];
    for parcel in receiver {
        parcel.assert_whole();
        let next = &mut next[parcel.from as usize];
        assert_eq!(parcel.number, *next, "in order, without a gap, of station {}", parcel.from);
        *next += 1;
    }
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    next
}

fn sockets() -> usize {
    processes::descriptors().iter().filter(|(_, target)| target.starts_with("socket:")).count()
}
