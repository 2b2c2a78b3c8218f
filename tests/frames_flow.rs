//! Frames from process to process, as a user moves them.
//! Not here: ends that die (`frames_death`), and rings inside of one process (the library's own tests).
//! Layer: the public surface.

mod support;

use std::os::fd::AsFd;
use std::time::Duration;

use futures_util::StreamExt;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use support::executors::one_thread;
use support::{eventually, processes, watchdog};
use worker_core::frames::{self, FrameReader, FrameWriter, Layout, Overflow, RecvError, WriteError};
use worker_core::{Builder, CallError, Link, Restart, process_actor};

/// Writes from another process, at a pace of its own.
pub struct Source {
    frames: FrameWriter<u32, u64>,
}

#[process_actor]
impl Source {
    pub fn new(frames: FrameWriter<u32, u64>) -> Self {
        Self { frames }
    }

    pub fn write(&mut self, count: u32) {
        for number in 1..=count {
            self.frames.write(&vec![number; ELEMENTS]).unwrap();
        }
    }
}

#[test]
fn a_task_reads_frames_and_other_tasks_go_on_meanwhile() {
    const COUNT: u32 = 200;
    let _watchdog = watchdog();
    let layout = Layout::new(SHAPE).slots(3).overflow(Overflow::Block);
    let (writer, reader) = frames::ring_with_metadata::<u32, u64>(layout).unwrap();
    let source = SourceFrontend::spawn(writer).unwrap();
    let runtime = one_thread();
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let reading = tokio::task::spawn_local(async move {
            let mut numbers = Vec::new();
            while let Ok(frame) = reader.next().await {
                assert!(frame.iter().all(|&number| number == frame[0]), "a torn frame");
                numbers.push(frame[0]);
            }
            numbers
        });
        for _ in 0..2 {
            source.write_async(COUNT / 2).await.unwrap();
        }
        source.stop().unwrap();
        let numbers = reading.await.unwrap();
        assert_eq!(numbers, (1..=COUNT / 2).chain(1..=COUNT / 2).collect::<Vec<_>>());
    }));
}

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
const SHAPE: [usize; 3] = [48, 64, 3];
const ELEMENTS: usize = 48 * 64 * 3;

/// Checks frames in its own process.
pub struct Watcher {
    frames: FrameReader<u32, u64>,
}

/// What a watcher has seen.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    taken: u64,
    lost: u64,
    last: u64,
    sum: u64,
}

#[process_actor]
impl Watcher {
    pub fn new(frames: FrameReader<u32, u64>) -> Self {
        Self { frames }
    }

    /// Reads frames until the writer is gone.
    pub fn watch(&mut self) -> Seen {
        let mut sum = 0;
        let mut last = 0;
        for frame in self.frames.iter() {
            let number = frame[0];
            assert!(frame.iter().all(|&element| element == number), "a torn frame");
            assert_eq!((u64::from(number), frame.metadata()), (frame.sequence(), frame.sequence() * 3));
            assert!(frame.sequence() > last);
            last = frame.sequence();
            sum += u64::from(number);
        }
        Seen { taken: self.frames.taken(), lost: self.frames.lost(), last, sum }
    }

    pub fn next_within(&mut self, milliseconds: u64) -> Option<u64> {
        let frame = self.frames.recv_timeout(Duration::from_millis(milliseconds)).unwrap();
        frame.map(|frame| frame.sequence())
    }

    pub fn one_more(&self) -> FrameReader<u32, u64> {
        self.frames.try_clone().unwrap()
    }

    pub fn expect_shape(&self, shape: Vec<usize>) -> Result<(), std::io::Error> {
        self.frames.expect_shape(&shape)
    }
}

/// Makes frames in its own process.
pub struct Camera {
    frames: FrameWriter<u32, u64>,
}

#[process_actor]
impl Camera {
    pub fn new(frames: FrameWriter<u32, u64>) -> Self {
        Self { frames }
    }

    /// Writes frames; gives how many found a slot.
    pub fn film(&mut self, count: u32) -> u64 {
        let mut written = 0;
        for _ in 0..count {
            let counts = self.frames.counts();
            let number = counts.published + counts.dropped + 1;
            if let Some(mut frame) = self.frames.claim().unwrap() {
                frame.fill(u32::try_from(number).unwrap());
                *frame.metadata_mut() = number * 3;
                assert_eq!(frame.commit(), number);
                written += 1;
            }
        }
        written
    }

    pub fn pass_on(&mut self, other: FrameWriter<u32, u64>) -> FrameWriter<u32, u64> {
        std::mem::replace(&mut self.frames, other)
    }

    pub fn readers(&self) -> usize {
        self.frames.readers().len()
    }
}

fn ring(overflow: Overflow) -> (FrameWriter<u32, u64>, FrameReader<u32, u64>) {
    frames::ring_with_metadata(Layout::new(SHAPE).slots(4).overflow(overflow)).unwrap()
}

#[test]
fn one_camera_and_four_watchers_each_in_a_process_lose_nothing_or_count_it() {
    let _watchdog = watchdog();
    for (link, overflow) in LINKS
        .into_iter()
        .zip([Overflow::Block, Overflow::DropOldest])
        .chain([(Link::SharedMemory, Overflow::DropNewest), (Link::SharedMemory, Overflow::LatestOnly)])
    {
        let builder = Builder::new().link(link);
        let (writer, reader) = ring(overflow);
        let watchers: Vec<_> = (0..4)
            .map(|_| WatcherFrontend::spawn_with(&builder, reader.try_clone().unwrap()).unwrap())
            .collect();
        drop(reader);
        let seen: Vec<_> = watchers.iter().map(WatcherFrontend::watch_async).collect();
        let camera = CameraFrontend::spawn_with(&builder, writer).unwrap();
        let written = camera.film(500).unwrap();
        camera.stop().unwrap();
        for seen in seen {
            let seen = seen.wait().unwrap();
            assert_eq!(seen.taken + seen.lost, seen.last, "{overflow:?} {seen:?}");
            if overflow == Overflow::Block {
                assert_eq!((written, seen.taken, seen.sum), (500, 500, 500 * 501 / 2));
            } else if overflow != Overflow::DropNewest {
                assert_eq!((written, seen.last), (500, 500), "the newest frame is never lost here");
            }
        }
    }
}

#[test]
fn readers_are_results_too_and_go_on_where_they_are_made() {
    let _watchdog = watchdog();
    for link in LINKS {
        let builder = Builder::new().link(link);
        let (writer, reader) = ring(Overflow::Block);
        let watcher = WatcherFrontend::spawn_with(&builder, reader).unwrap();
        let camera = CameraFrontend::spawn_with(&builder, writer).unwrap();
        assert_eq!(camera.film(2).unwrap(), 2);
        assert_eq!(watcher.next_within(60_000).unwrap(), Some(1));
        let here = watcher.one_more().unwrap();
        assert_eq!(here.recv().unwrap().sequence(), 2);
        assert_eq!(watcher.next_within(60_000).unwrap(), Some(2));
        assert_eq!(watcher.next_within(1).unwrap(), None);
        // From the process that got it to one that has never seen the ring's other ends.
        let third = WatcherFrontend::spawn_with(&builder, here).unwrap();
        assert_eq!(camera.film(1).unwrap(), 1);
        assert_eq!(third.next_within(60_000).unwrap(), Some(3));
        assert_eq!(camera.readers().unwrap(), 2);
    }
}

#[test]
fn a_writer_changes_hands_between_processes() {
    let _watchdog = watchdog();
    let (writer, reader) = ring(Overflow::Block);
    let (other_writer, other_reader) = ring(Overflow::Block);
    let first = CameraFrontend::spawn(writer).unwrap();
    assert_eq!(first.film(2).unwrap(), 2);
    let back = first.pass_on(other_writer).unwrap();
    let second = CameraFrontend::spawn(back).unwrap();
    assert_eq!(second.film(2).unwrap(), 2);
    assert_eq!(first.film(1).unwrap(), 1);
    let sequences: Vec<_> = (0..4).map(|_| reader.recv().unwrap().sequence()).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    assert_eq!(other_reader.recv().unwrap()[0], 1);
    second.stop().unwrap();
    assert!(matches!(reader.recv(), Err(RecvError::WriterGone)));
}

#[test]
fn a_reader_is_one_of_many_things_to_wait_for() {
    let _watchdog = watchdog();
    let (writer, reader) = ring(Overflow::Block);
    let camera = CameraFrontend::spawn(writer).unwrap();
    for expected in 1..=3 {
        assert!(reader.try_recv().unwrap().is_none());
        camera.film(1).unwrap();
        let process = camera.process();
        let mut polled =
            [PollFd::new(reader.as_fd(), PollFlags::POLLIN), PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::NONE).unwrap();
        assert_eq!(polled.map(|entry| entry.any().unwrap()), [true, false]);
        assert_eq!(reader.try_recv().unwrap().unwrap().sequence(), expected);
    }
}

#[test]
fn a_shape_that_does_not_fit_is_told_across() {
    let _watchdog = watchdog();
    let (_writer, reader) = ring(Overflow::Block);
    let watcher = WatcherFrontend::spawn(reader).unwrap();
    watcher.expect_shape(SHAPE.to_vec()).unwrap();
    match watcher.expect_shape(vec![64, 48, 3]) {
        Err(CallError::Actor(error)) => {
            assert_eq!(error.to_string(), "the ring has frames of shape [48, 64, 3], not [64, 48, 3]");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_end_that_is_in_use_is_not_sent_and_the_call_says_so() {
    let _watchdog = watchdog();
    let (mut writer, reader) = ring(Overflow::Block);
    writer.write(&[1; ELEMENTS]).unwrap();
    let kept = reader.try_clone().unwrap();
    std::mem::forget(reader.recv().unwrap());
    let error = WatcherFrontend::spawn(reader).unwrap_err().to_string();
    assert!(error.contains("a frame of this reader is still borrowed"), "{error}");
    assert_eq!(kept.recv().unwrap().sequence(), 1);
}

#[test]
fn an_end_is_no_argument_of_a_constructor_that_may_run_again() {
    let _watchdog = watchdog();
    let (_writer, reader) = ring(Overflow::Block);
    let builder = Builder::new().restart(Restart::on_crash());
    let error = WatcherFrontend::spawn_with(&builder, reader).unwrap_err().to_string();
    assert!(error.contains("hand it over by a method"), "{error}");
}

#[test]
fn nothing_is_left_when_the_last_end_is_gone() {
    let _watchdog = watchdog();
    // In a program of its own, because the other tests open and close things meanwhile.
    support::rerun::alone("nothing_is_left_when_the_last_end_is_gone", || {
        // What the first actor of a program leaves, its fork server, is not in question here.
        let (writer, reader) = ring(Overflow::Block);
        drop(WatcherFrontend::spawn(reader).unwrap());
        drop(writer);
        let count = || (processes::descriptors().len(), processes::shared_mappings());
        eventually("the first actor is gone", || processes::descendants(std::process::id()).len() == 1);
        let before = count();
        for _ in 0..20 {
            let (writer, reader) = ring(Overflow::DropOldest);
            let watcher = WatcherFrontend::spawn(reader.try_clone().unwrap()).unwrap();
            let camera = CameraFrontend::spawn(writer).unwrap();
            camera.film(10).unwrap();
            reader.recv().unwrap();
            drop((watcher.one_more().unwrap(), camera, watcher));
        }
        assert_eq!(count(), before);
    });
}

#[test]
fn a_stream_gives_frames_that_outlive_it_and_other_tasks_go_on_meanwhile() {
    const COUNT: u32 = 200;
    let _watchdog = watchdog();
    let layout = Layout::new(SHAPE).slots(COUNT as usize + 1).overflow(Overflow::Block);
    let (writer, reader) = frames::ring_with_metadata::<u32, u64>(layout).unwrap();
    let source = SourceFrontend::spawn(writer).unwrap();
    let runtime = one_thread();
    let frames = runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let frames =
            tokio::task::spawn_local(async move { reader.into_stream().unwrap().collect::<Vec<_>>().await });
        for _ in 0..2 {
            source.write_async(COUNT / 2).await.unwrap();
        }
        source.stop().unwrap();
        frames.await.unwrap()
    }));
    // The stream, its writer and the runtime's task are gone; the frames are still where they lie.
    let numbers: Vec<_> = frames.iter().map(|frame| frame.as_ref().unwrap()[ELEMENTS - 1]).collect();
    assert_eq!(numbers, (1..=COUNT / 2).chain(1..=COUNT / 2).collect::<Vec<_>>());
}

#[test]
fn a_stream_gives_slots_back_as_its_frames_are_dropped() {
    let _watchdog = watchdog();
    let (mut writer, reader) = ring(Overflow::Block);
    let runtime = one_thread();
    runtime.block_on(async {
        let mut frames = reader.into_stream().unwrap();
        for number in 1..=4 {
            writer.write(&[number; ELEMENTS]).unwrap();
        }
        let (first, second) = (frames.next().await.unwrap().unwrap(), frames.next().await.unwrap().unwrap());
        assert!(matches!(writer.claim_timeout(Duration::ZERO), Err(WriteError::TimedOut)));
        drop(first);
        assert_eq!(writer.write(&[5; ELEMENTS]).unwrap(), Some(5));
        assert_eq!((second[0], frames.reader().taken()), (2, 2));
        let rest: Vec<_> = [frames.next().await, frames.next().await, frames.next().await]
            .into_iter()
            .map(|frame| frame.unwrap().unwrap()[0])
            .collect();
        assert_eq!(rest, [3, 4, 5]);
        // A wait that is given up has taken nothing.
        assert!(tokio::time::timeout(Duration::from_millis(1), frames.next()).await.is_err());
        writer.write(&[6; ELEMENTS]).unwrap();
        assert_eq!(frames.next().await.unwrap().unwrap()[0], 6);
        drop(writer);
        assert!(frames.next().await.is_none());
    });
}

/// Ends of rings in a user's own type.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Feeds {
    name: String,
    readers: Vec<FrameReader<u32>>,
    writer: Option<FrameWriter<u32>>,
}

/// Writes into what it is given, reads what is there, and gives it back.
pub struct Mixer;

#[process_actor]
impl Mixer {
    pub fn new() -> Self {
        Self
    }

    pub fn mix(&self, mut feeds: Feeds) -> Feeds {
        let sum = feeds.readers.iter_mut().map(|reader| reader.recv().unwrap()[0]).sum();
        if let Some(writer) = &mut feeds.writer {
            writer.write(&[sum]).unwrap();
        }
        feeds.name.push_str(", mixed");
        feeds
    }
}

#[test]
fn ends_inside_of_a_users_own_type_go_there_and_back() {
    let _watchdog = watchdog();
    for link in LINKS {
        let mixer = MixerFrontend::spawn_with(&Builder::new().link(link)).unwrap();
        let ring = || frames::ring::<u32>(Layout::new([1]).slots(3).overflow(Overflow::Block)).unwrap();
        let (mut inputs, readers): (Vec<_>, Vec<_>) = (0..2).map(|_| ring()).unzip();
        let (writer, mixed) = ring();
        let mut feeds = Feeds { name: "two".to_owned(), readers, writer: Some(writer) };
        for round in 1..=3 {
            for input in &mut inputs {
                input.write(&[round]).unwrap();
            }
            feeds = mixer.mix(feeds).unwrap();
            assert_eq!(mixed.recv().unwrap()[0], 2 * round);
        }
        assert_eq!((feeds.name.as_str(), feeds.readers.len()), ("two, mixed, mixed, mixed", 2));
        // What came back is what went.
        feeds.writer.take().unwrap().write(&[7]).unwrap();
        assert_eq!(mixed.recv().unwrap()[0], 7);
        inputs[1].write(&[8]).unwrap();
        assert_eq!(feeds.readers[1].recv().unwrap()[0], 8);
    }
}
