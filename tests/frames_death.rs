//! Ends of rings whose process is killed: the others go on, or get a clear error.
//! Not here: death at each single step, which the library's own tests go through.
//! Layer: the public surface.

mod support;

use std::time::Duration;

use support::{eventually, processes, watchdog};
use worker_core::frames::{self, FrameReader, FrameWriter, Layout, Overflow, RecvError, WriteError};
use worker_core::{CallError, process_actor};

const ELEMENTS: usize = 4096;
const SLOTS: usize = 4;
const POLICIES: [Overflow; 4] =
    [Overflow::Block, Overflow::DropNewest, Overflow::DropOldest, Overflow::LatestOnly];

/// Reads, and dies at it.
pub struct Victim {
    frames: FrameReader<u64>,
}

#[process_actor]
impl Victim {
    pub fn new(frames: FrameReader<u64>) -> Self {
        Self { frames }
    }

    /// Borrows a frame and never gives it back.
    pub fn keep(&mut self) -> u64 {
        let frame = self.frames.recv().unwrap();
        let sequence = frame.sequence();
        std::mem::forget(frame);
        sequence
    }

    /// Waits for frames for ever.
    #[oneway]
    pub fn read_on(&mut self) {
        while let Ok(frame) = self.frames.recv() {
            check(&frame);
        }
    }
}

/// Writes, and dies at it.
pub struct Author {
    frames: FrameWriter<u64>,
}

#[process_actor]
impl Author {
    pub fn new(frames: FrameWriter<u64>) -> Self {
        Self { frames }
    }

    pub fn write(&mut self, count: u64) {
        for _ in 0..count {
            write(&mut self.frames).unwrap();
        }
    }

    /// Fills half of a frame and never commits it.
    pub fn half(&mut self) {
        let mut claim = self.frames.claim().unwrap().unwrap();
        claim[..ELEMENTS / 2].fill(u64::MAX);
        std::mem::forget(claim);
    }

    #[oneway]
    pub fn write_on(&mut self) {
        while write(&mut self.frames).is_ok() {}
    }
}

/// A frame whose elements tell its number and their places.
fn write(frames: &mut FrameWriter<u64>) -> Result<bool, WriteError> {
    let counts = frames.counts();
    let number = counts.published + counts.dropped + 1;
    let Some(mut frame) = frames.claim()? else { return Ok(false) };
    for (place, element) in frame.iter_mut().enumerate() {
        *element = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ place as u64;
    }
    assert_eq!(frame.commit(), number);
    Ok(true)
}

fn check(frame: &frames::Frame<'_, u64>) {
    let number = frame.sequence();
    for (place, &element) in frame.iter().enumerate() {
        assert_eq!(element, number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ place as u64, "a torn frame");
    }
}

fn ring(overflow: Overflow) -> (FrameWriter<u64>, FrameReader<u64>) {
    frames::ring(Layout::new([ELEMENTS]).slots(SLOTS).overflow(overflow)).unwrap()
}

fn kill(process: &worker_core::Process) {
    process.kill().unwrap();
    process.wait();
}

#[test]
fn what_a_killed_reader_had_borrowed_comes_back() {
    let _watchdog = watchdog();
    for overflow in POLICIES {
        let (mut writer, reader) = ring(overflow);
        let victim = VictimFrontend::spawn(reader.try_clone().unwrap()).unwrap();
        // As many as the policy lets one reader hold: all of the slots.
        for _ in 0..SLOTS {
            assert!(write(&mut writer).unwrap());
            victim.keep().unwrap();
            check(&reader.recv().unwrap());
        }
        match writer.claim_timeout(Duration::from_millis(1)) {
            Err(WriteError::TimedOut) => assert_eq!(overflow, Overflow::Block),
            Ok(None) => assert_ne!(overflow, Overflow::Block),
            other => panic!("every slot is borrowed, yet {other:?}"),
        }
        kill(victim.process());
        for _ in 0..3 * SLOTS {
            assert!(write(&mut writer).unwrap(), "{overflow:?}: the slots of the dead are free");
            check(&reader.recv().unwrap());
        }
        assert_eq!(writer.readers().len(), 1);
    }
}

#[test]
fn a_writer_that_waits_for_a_reader_goes_on_when_it_is_killed() {
    let _watchdog = watchdog();
    let (writer, reader) = ring(Overflow::Block);
    let victim = VictimFrontend::spawn(reader.try_clone().unwrap()).unwrap();
    let author = AuthorFrontend::spawn(writer).unwrap();
    author.write(1).unwrap();
    victim.keep().unwrap();
    let more = author.write_async(2 * SLOTS as u64);
    // Nobody but the victim is in the way, and it will never read on.
    let watching = std::thread::spawn(move || {
        let mut taken = 0;
        for frame in reader.iter() {
            check(&frame);
            taken += 1;
        }
        taken
    });
    assert!(!more.is_ready());
    kill(victim.process());
    more.wait().unwrap();
    author.stop().unwrap();
    assert_eq!(watching.join().unwrap(), 2 * SLOTS as u64 + 1);
}

#[test]
fn a_killed_writer_leaves_whole_frames_and_then_the_end() {
    let _watchdog = watchdog();
    for overflow in POLICIES {
        let (writer, reader) = ring(overflow);
        let author = AuthorFrontend::spawn(writer).unwrap();
        author.write(2).unwrap();
        author.half().unwrap();
        kill(author.process());
        let mut sequences = Vec::new();
        let end = loop {
            match reader.recv() {
                Ok(frame) => {
                    check(&frame);
                    sequences.push(frame.sequence());
                }
                Err(end) => break end,
            }
        };
        assert!(matches!(end, RecvError::WriterGone));
        let expected = if overflow == Overflow::LatestOnly { vec![2] } else { vec![1, 2] };
        assert_eq!(sequences, expected);
    }
}

#[test]
fn a_reader_that_waits_is_told_when_the_writer_is_killed() {
    let _watchdog = watchdog();
    let (writer, reader) = ring(Overflow::Block);
    let author = AuthorFrontend::spawn(writer).unwrap();
    let victim = VictimFrontend::spawn(reader).unwrap();
    victim.read_on().unwrap();
    author.write(3).unwrap();
    kill(author.process());
    // It comes back from its loop, so it can answer.
    assert!(
        matches!(victim.keep(), Err(CallError::Panicked(report)) if report.message.contains("WriterGone"))
    );
}

#[test]
fn the_last_reader_killed_is_an_error_for_the_writer() {
    let _watchdog = watchdog();
    for overflow in POLICIES {
        let (mut writer, reader) = ring(overflow);
        let victim = VictimFrontend::spawn(reader).unwrap();
        write(&mut writer).unwrap();
        victim.keep().unwrap();
        kill(victim.process());
        let mut written = 0;
        let error = loop {
            match write(&mut writer) {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 1000, "{overflow:?}: it writes for nobody");
        };
        assert!(matches!(error, WriteError::NoReaders));
    }
}

#[test]
fn readers_killed_in_full_flow_tear_nothing_and_lose_no_slot() {
    let _watchdog = watchdog();
    let (mut writer, reader) = ring(Overflow::DropOldest);
    for round in 0..25_u64 {
        let victim = VictimFrontend::spawn(reader.try_clone().unwrap()).unwrap();
        victim.read_on().unwrap();
        // It is killed somewhere in its loop, after some frames; each round after another number.
        let until =
            |writer: &FrameWriter<u64>| writer.readers().iter().map(|reader| reader.taken).sum::<u64>();
        let start = until(&writer);
        while until(&writer) < start + 20 + 7 * round {
            write(&mut writer).unwrap();
            if let Some(frame) = reader.try_recv().unwrap() {
                check(&frame);
            }
        }
        kill(victim.process());
    }
    while reader.try_recv().unwrap().is_some() {}
    // Each slot can be borrowed again, so none is left in the hands of the dead.
    let mut borrowed = Vec::new();
    eventually("the dead are seen", || {
        write(&mut writer).unwrap();
        while reader.try_recv().unwrap().is_some() {}
        writer.readers().len() == 1
    });
    for _ in 0..SLOTS {
        assert!(write(&mut writer).unwrap());
        borrowed.push(reader.recv().unwrap());
    }
    borrowed.iter().for_each(check);
}

#[test]
fn writers_killed_in_full_flow_tear_nothing() {
    let _watchdog = watchdog();
    for round in 0..20 {
        let (writer, reader) = ring(POLICIES[round % POLICIES.len()]);
        let other = reader.try_clone().unwrap();
        let author = AuthorFrontend::spawn(writer).unwrap();
        author.write_on().unwrap();
        let pid = author.process().pid();
        let mut taken = 0;
        let end = loop {
            match reader.recv() {
                Ok(frame) => check(&frame),
                Err(end) => break end,
            }
            // The other one keeps up, or a blocked author would wait for it.
            while let Ok(Some(frame)) = other.try_recv() {
                check(&frame);
            }
            taken += 1;
            if taken == 20 + 11 * round {
                processes::signal(pid, nix::sys::signal::Signal::SIGKILL);
            }
        };
        assert!(matches!(end, RecvError::WriterGone));
        while let Ok(Some(frame)) = other.try_recv() {
            check(&frame);
        }
    }
}
