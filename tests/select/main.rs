//! One wait for many sources of every sort: which is told, when, and how often.
//! Not here: what comes of a source itself.
//! Layer: the public surface.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod channels;
mod clock;
mod many;
mod others;

use std::collections::BTreeSet;
use std::time::Duration;

use worker_core::frames;
use worker_core::select::Key;
use worker_core::{Builder, Link, Receiver, Select, Sender, StartMethod, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(120);

/// Answers when it is told to.
pub struct Slow {
    gate: Option<Receiver<u32>>,
    frames: Option<frames::FrameWriter<u8>>,
}

#[process_actor]
impl Slow {
    pub fn new() -> Self {
        Self { gate: None, frames: None }
    }

    pub fn set_gate(&mut self, gate: Receiver<u32>) {
        self.gate = Some(gate);
    }

    pub fn set_frames(&mut self, writer: frames::FrameWriter<u8>) {
        self.frames = Some(writer);
    }

    /// The next number that comes through the gate.
    pub fn next(&self) -> u32 {
        self.gate.as_ref().expect("a gate").recv().unwrap_or(u32::MAX)
    }

    pub fn double(&self, number: u32) -> u32 {
        number * 2
    }

    pub fn long(&self, number: u32) -> Vec<u8> {
        vec![u8::try_from(number % 251).unwrap(); 200_000]
    }

    pub fn tell(&self, to: Sender<u32>, count: u32) {
        (0..count).for_each(|number| to.send(number).unwrap());
    }

    pub fn film(&mut self, count: u8) {
        let writer = self.frames.as_mut().expect("a writer");
        for number in 0..count {
            writer.write(&[number; 16]).unwrap();
        }
    }

    pub fn stop_filming(&mut self) {
        self.frames = None;
    }
}

fn builders() -> impl Iterator<Item = Builder> {
    let links = LINKS.into_iter().map(|link| Builder::new().link(link));
    links.chain([Builder::new().start(StartMethod::Thread)])
}

fn nothing(select: &mut Select<'_>) {
    assert_eq!(select.wait_timeout(SOON).unwrap(), None);
}

fn next(select: &mut Select<'_>) -> Key {
    select.wait_timeout(LONG).unwrap().expect("something is ready")
}

/// Keys that are told in so many waits.
fn told(select: &mut Select<'_>, waits: usize) -> BTreeSet<Key> {
    (0..waits).map(|_| next(select)).collect()
}
