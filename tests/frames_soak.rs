//! Millions of small frames with checksums under every policy, while ends are killed at every step.
//! Not here: figures (`frames_figures`), and death at each access to the memory, which the library's own tests go through.
//! Layer: the public surface. `cargo bench -p tests --bench frames_soak -- [--quick]`

use std::error::Error;
use std::time::Instant;

use nix::sys::signal::{Signal, raise};
use worker_core::frames::{self, Frame, FrameReader, FrameWriter, Layout, Overflow, RecvError};
use worker_core::{CallError, ExitReason, Pending, process_actor};

const ELEMENTS: usize = 8;
const POLICIES: [(Overflow, usize); 4] = [
    // A writer that waits would be woken for every frame of a few slots.
    (Overflow::Block, 64),
    (Overflow::DropNewest, 4),
    (Overflow::DropOldest, 4),
    (Overflow::LatestOnly, 4),
];

/// Where a reader is when it is killed.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub enum ReaderStep {
    Waiting,
    Borrowed,
    HalfRead,
    SeveralBorrowed,
    GivenBack,
    Cloned,
}

const READER_STEPS: [ReaderStep; 6] = [
    ReaderStep::Waiting,
    ReaderStep::Borrowed,
    ReaderStep::HalfRead,
    ReaderStep::SeveralBorrowed,
    ReaderStep::GivenBack,
    ReaderStep::Cloned,
];

/// Where a writer is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum WriterStep {
    Claimed,
    HalfFilled,
    Filled,
    Committed,
}

const WRITER_STEPS: [WriterStep; 4] =
    [WriterStep::Claimed, WriterStep::HalfFilled, WriterStep::Filled, WriterStep::Committed];

fn element(number: u64, place: usize) -> u64 {
    (number ^ place as u64 ^ 0x5DEE_CE66).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

fn checksum(elements: &[u64]) -> u64 {
    elements.iter().fold(0, |sum, &element| sum.rotate_left(7) ^ element)
}

/// Panics, in whatever process, if a frame is not exactly what was written under its number.
fn check(frame: &Frame<'_, u64, u64>) {
    let number = frame.sequence();
    assert!(frame.iter().enumerate().all(|(place, &found)| found == element(number, place)), "a torn frame");
    assert_eq!(frame.metadata(), checksum(frame), "a torn frame, by its checksum");
}

/// Writes a frame; says whether the policy let it.
fn write(writer: &mut FrameWriter<u64, u64>, number: u64) -> Result<bool, frames::WriteError> {
    let Some(mut claim) = writer.claim()? else { return Ok(false) };
    claim.iter_mut().enumerate().for_each(|(place, slot)| *slot = element(number, place));
    *claim.metadata_mut() = checksum(&claim);
    assert_eq!(claim.commit(), number, "frames that were dropped have numbers too");
    Ok(true)
}

fn die() -> ! {
    let _ = raise(Signal::SIGKILL);
    unreachable!("nobody survives SIGKILL")
}

/// Checks every frame that it gets.
pub struct Checker {
    frames: FrameReader<u64, u64>,
    /// How often it steps back while it holds a frame.
    turns: u32,
}

/// What came of it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Checked {
    taken: u64,
    lost: u64,
    last: u64,
}

#[process_actor]
impl Checker {
    pub fn new(frames: FrameReader<u64, u64>, turns: u32) -> Self {
        Self { frames, turns }
    }

    /// Reads until the writer is gone.
    pub fn check(&mut self) -> Checked {
        let mut last = 0;
        for frame in self.frames.iter() {
            check(&frame);
            for _ in 0..self.turns {
                std::thread::yield_now();
            }
            // Still the same: it was not touched while it was borrowed.
            check(&frame);
            assert!(frame.sequence() > last);
            last = frame.sequence();
        }
        Checked { taken: self.frames.taken(), lost: self.frames.lost(), last }
    }
}

/// Reads some frames and is killed at a step.
pub struct Victim {
    frames: FrameReader<u64, u64>,
}

#[process_actor]
impl Victim {
    pub fn new(frames: FrameReader<u64, u64>) -> Self {
        Self { frames }
    }

    pub fn die(&mut self, after: u64, step: ReaderStep) {
        for frame in self.frames.iter().take(after as usize) {
            check(&frame);
        }
        let next = || self.frames.recv().expect("the writer goes on");
        match step {
            ReaderStep::Waiting => while let Ok(Some(_)) = self.frames.try_recv() {},
            ReaderStep::Borrowed => std::mem::forget(next()),
            ReaderStep::HalfRead => {
                let frame = next();
                assert_eq!(frame[..ELEMENTS / 2], [0, 1, 2, 3].map(|place| element(frame.sequence(), place)));
                std::mem::forget(frame);
            }
            ReaderStep::SeveralBorrowed => std::mem::forget((next(), next())),
            ReaderStep::GivenBack => drop(next()),
            ReaderStep::Cloned => std::mem::forget((self.frames.try_clone().expect("a seat"), next())),
        }
        die()
    }
}

/// Writes some frames and is killed at a step.
pub struct Author {
    frames: FrameWriter<u64, u64>,
}

#[process_actor]
impl Author {
    pub fn new(frames: FrameWriter<u64, u64>) -> Self {
        Self { frames }
    }

    pub fn die(&mut self, after: u64, step: WriterStep) {
        let mut number = 1;
        let mut written = 0;
        while written < after {
            written += u64::from(write(&mut self.frames, number).expect("readers are there"));
            number += 1;
        }
        let mut claim = loop {
            if let Some(claim) = self.frames.claim().expect("readers are there") {
                break claim;
            }
            number += 1;
        };
        let filled = match step {
            WriterStep::Claimed => 0,
            WriterStep::HalfFilled => ELEMENTS / 2,
            WriterStep::Filled | WriterStep::Committed => ELEMENTS,
        };
        claim[..filled].iter_mut().enumerate().for_each(|(place, slot)| *slot = element(number, place));
        *claim.metadata_mut() = checksum(&claim);
        if step == WriterStep::Committed {
            assert_eq!(claim.commit(), number);
        } else {
            std::mem::forget(claim);
        }
        die()
    }
}

/// It was killed, and did not find anything wrong before.
fn assert_killed(pending: Pending<()>) {
    match pending.wait() {
        Err(CallError::Exited(exit)) => {
            assert!(matches!(exit.reason, ExitReason::Signal { signal: 9, .. }), "{exit}");
        }
        other => panic!("the victim was to be killed, and {other:?}"),
    }
}

/// Frames that were published, and processes that were killed meanwhile.
#[derive(Default)]
struct Tally {
    published: u64,
    dropped: u64,
    overwritten: u64,
    checked: u64,
    kills: usize,
}

/// One writer; a reader beside it, a fast and a slow one in processes of their own, and one after the other that
/// is killed.
fn readers_die(overflow: Overflow, slots: usize, published: u64) -> Result<Tally, Box<dyn Error>> {
    let layout = Layout::new([ELEMENTS]).slots(slots).overflow(overflow);
    let (mut writer, reader) = frames::ring_with_metadata::<u64, u64>(layout)?;
    let checkers =
        [CheckerFrontend::spawn(reader.try_clone()?, 0)?, CheckerFrontend::spawn(reader.try_clone()?, 3)?];
    let checked = checkers.each_ref().map(CheckerFrontend::check_async);
    let mut dying: Option<(VictimFrontend, Pending<()>)> = None;
    let mut tally = Tally::default();
    let mut number = 0;
    while tally.published < published {
        number += 1;
        if write(&mut writer, number)? {
            tally.published += 1;
            // This one keeps up: victims are made from it, and begin where it is.
            let frame = reader.try_recv()?.expect("it was published just now");
            check(&frame);
            assert!(frame.sequence() == number, "the only one that it has not read");
        } else {
            tally.dropped += 1;
            std::thread::yield_now();
        }
        if number % 256 == 0 && dying.as_ref().is_none_or(|(_, pending)| pending.is_ready()) {
            if let Some((_, pending)) = dying.take() {
                assert_killed(pending);
                tally.kills += 1;
            }
            let step = READER_STEPS[tally.kills % READER_STEPS.len()];
            let victim = VictimFrontend::spawn(reader.try_clone()?)?;
            let pending = victim.die_async(tally.kills as u64 * 7 % 300, step);
            dying = Some((victim, pending));
        }
    }
    // The last victim has no more frames to wait for.
    drop(dying);
    let counts = writer.counts();
    assert_eq!((counts.published, counts.dropped), (tally.published, tally.dropped));
    tally.overwritten = counts.overwritten;
    tally.checked = reader.taken();
    assert_eq!(reader.taken(), tally.published, "it has kept up");
    drop((writer, reader));
    for pending in checked {
        let Checked { taken, lost, last } = pending.wait()?;
        assert_eq!(taken + lost, last, "{overflow:?}: each frame is taken or counted");
        if overflow == Overflow::Block {
            assert_eq!((taken, lost), (published, 0));
        }
        tally.checked += taken;
    }
    Ok(tally)
}

/// Writers are killed, and whoever reads gets whole frames and then the end.
fn writers_die(overflow: Overflow, slots: usize, rounds: u64, most: u64) -> Result<Tally, Box<dyn Error>> {
    let mut tally = Tally::default();
    for round in 0..rounds {
        let step = WRITER_STEPS[round as usize % WRITER_STEPS.len()];
        let after = round * 7919 % most;
        let layout = Layout::new([ELEMENTS]).slots(slots).overflow(overflow);
        let (writer, reader) = frames::ring_with_metadata::<u64, u64>(layout)?;
        let checker = CheckerFrontend::spawn(reader.try_clone()?, 0)?;
        let checked = checker.check_async();
        let author = AuthorFrontend::spawn(writer)?;
        let dying = author.die_async(after, step);
        let end = loop {
            match reader.recv() {
                Ok(frame) => check(&frame),
                Err(end) => break end,
            }
        };
        assert!(matches!(end, RecvError::WriterGone), "{end}");
        assert_killed(dying);
        let counts = reader.counts();
        assert_eq!(counts.published, after + u64::from(step == WriterStep::Committed), "{step:?}");
        let Checked { taken, lost, last } = checked.wait()?;
        assert_eq!(taken + lost, last, "{overflow:?} {step:?}");
        if !matches!(overflow, Overflow::DropOldest | Overflow::LatestOnly) {
            assert_eq!(
                (taken, reader.taken()),
                (counts.published, counts.published),
                "{overflow:?} {step:?}"
            );
        }
        tally.published += counts.published;
        tally.dropped += counts.dropped;
        tally.overwritten += counts.overwritten;
        tally.checked += taken + reader.taken();
        tally.kills += 1;
    }
    Ok(tally)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (frames, rounds, most) = if quick { (50_000, 8, 2_000) } else { (1_000_000, 40, 10_000) };
    if cfg!(debug_assertions) {
        println!("a build without optimisation: this takes a while");
    }
    println!(
        "frames of {} bytes with a checksum; every torn or uncounted one ends this with an error",
        ELEMENTS * 8
    );
    let start = Instant::now();
    for (overflow, slots) in POLICIES {
        for (who, tally) in [
            ("readers", readers_die(overflow, slots, frames)?),
            ("writers", writers_die(overflow, slots, rounds, most)?),
        ] {
            let Tally { published, dropped, overwritten, checked, kills } = tally;
            println!(
                "  {:<10} {who} die: {published:>8} published, {dropped:>9} dropped, {overwritten:>8} overwritten, \
                 {checked:>8} checked, {kills:>4} killed",
                format!("{overflow:?}"),
            );
            assert!(kills > 0, "nobody was killed");
        }
    }
    println!("none torn, none uncounted; {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
