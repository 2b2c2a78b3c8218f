//! What frames cost, each figure beside the machine's own speed at the same thing, in one run.
//!
//! `cargo bench -p tests --bench frames_figures -- [--quick] [large|small|wake]...`
//!
//! Contenders take turns in rounds, so that a drift of the machine meets all of them; what is told is
//! the median of the rounds. Every sum is checked. No time is: a slow machine is no fault.

use std::error::Error;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::eventfd::EventFd;
use worker_core::frames::{self, FrameReader, FrameWriter, Layout, Overflow};
use worker_core::process_actor;

/// A frame of 1080p RGB, in words.
const WORDS: usize = 1920 * 1080 * 3 / 8;
const LARGE_SLOTS: usize = 8;
const SMALL_SLOTS: usize = 1024;
const PERIOD: Duration = Duration::from_micros(16_667);

/// Reads in its own process.
pub struct Summer {
    large: Option<FrameReader<u64>>,
    small: Option<FrameReader<u64, u64>>,
}

/// What a reader made of its frames.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Sums {
    frames: u64,
    sum: u64,
    /// From the writer's clock to the reader's, in nanoseconds, sorted.
    ages: Vec<u64>,
}

#[process_actor]
impl Summer {
    pub fn of_large(frames: FrameReader<u64>) -> Self {
        Self { large: Some(frames), small: None }
    }

    pub fn of_small(frames: FrameReader<u64, u64>) -> Self {
        Self { large: None, small: Some(frames) }
    }

    /// Sums every word of so many frames.
    pub fn sum(&mut self, count: u64) -> Sums {
        let mut sums = Sums::default();
        let Some(large) = &self.large else { return sums };
        for frame in large.iter().take(count as usize) {
            sums.sum = sums.sum.wrapping_add(sum(&frame));
            sums.frames += 1;
        }
        sums
    }

    /// Takes the age of so many frames when they come.
    pub fn ages(&mut self, count: u64) -> Sums {
        let mut sums = Sums::default();
        let Some(small) = &self.small else { return sums };
        for frame in small.iter().take(count as usize) {
            sums.ages.push(frame.age().as_nanos() as u64);
            sums.frames += 1;
        }
        sums.ages.sort_unstable();
        sums
    }

    /// Sums so many small frames.
    pub fn sum_small(&mut self, count: u64) -> Sums {
        let mut sums = Sums::default();
        let Some(small) = &self.small else { return sums };
        for frame in small.iter().take(count as usize) {
            sums.sum = sums.sum.wrapping_add(sum(&frame));
            sums.frames += 1;
        }
        sums
    }
}

fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, &word| sum.wrapping_add(word))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn gigabytes_per_second(frames: u64, time: Duration) -> f64 {
    (frames * WORDS as u64 * 8) as f64 / time.as_secs_f64() / 1e9
}

fn source() -> Vec<u64> {
    (0..WORDS as u64).map(|word| word.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect()
}

/// One thread copies each frame to one of as many slots, and sums it there so many times.
fn alone(source: &[u64], count: u64, sums: usize) -> (Duration, u64) {
    let mut slots = vec![vec![1_u64; WORDS]; LARGE_SLOTS];
    let start = Instant::now();
    let mut total = 0_u64;
    for number in 0..count as usize {
        let slot = &mut slots[number % LARGE_SLOTS];
        slot.copy_from_slice(source);
        for _ in 1..sums {
            black_box(sum(black_box(slot)));
        }
        total = total.wrapping_add(sum(black_box(slot)));
    }
    (start.elapsed(), total)
}

struct Stream {
    writer: FrameWriter<u64>,
    readers: Vec<SummerFrontend>,
}

impl Stream {
    fn new(readers: usize, huge_pages: bool) -> Result<Self, Box<dyn Error>> {
        let layout = Layout::new([WORDS]).slots(LARGE_SLOTS).huge_pages(huge_pages);
        let (writer, reader) = frames::ring::<u64>(layout)?;
        let readers = (0..readers).map(|_| Ok(SummerFrontend::spawn_of_large(reader.try_clone()?)?));
        let readers = readers.collect::<Result<_, Box<dyn Error>>>()?;
        Ok(Self { writer, readers })
    }

    fn run(&mut self, source: &[u64], count: u64) -> Result<(Duration, u64), Box<dyn Error>> {
        let start = Instant::now();
        let sums: Vec<_> = self.readers.iter().map(|reader| reader.sum_async(count)).collect();
        for _ in 0..count {
            self.writer.write(source)?;
        }
        let mut total = 0;
        for sums in sums {
            let sums = sums.wait()?;
            assert_eq!(sums.frames, count);
            total = sums.sum;
        }
        Ok((start.elapsed(), total))
    }
}

fn large(rounds: usize, count: u64) -> Result<(), Box<dyn Error>> {
    let source = source();
    let expected = (0..count).fold(0_u64, |total, _| total.wrapping_add(sum(&source)));
    let mut streams = [
        ("one reader", 1, Stream::new(1, false)?),
        ("one reader, huge pages asked for", 1, Stream::new(1, true)?),
        ("four readers", 4, Stream::new(4, false)?),
    ];
    // The same work in one thread: as many passes over each frame as all of the ends make.
    let mut here = [(1, Vec::new()), (4, Vec::new())];
    let mut there: Vec<Vec<f64>> = vec![Vec::new(); streams.len()];
    for _ in 0..rounds {
        for (sums, speeds) in &mut here {
            let (time, total) = alone(&source, count, *sums);
            assert_eq!(total, expected);
            speeds.push(gigabytes_per_second(count, time));
        }
        for ((_, _, stream), speeds) in streams.iter_mut().zip(&mut there) {
            let (time, total) = stream.run(&source, count)?;
            assert_eq!(total, expected, "a torn frame, or a wrong one");
            speeds.push(gigabytes_per_second(count, time));
        }
    }
    let here = here.map(|(sums, speeds)| (sums, median(speeds)));
    println!("\n{count} frames of {} bytes, every word summed, {LARGE_SLOTS} slots", WORDS * 8);
    for (sums, speed) in here {
        println!("  {:<44} {speed:>8.2} GB/s", format!("one thread copies, then sums {sums} time(s)"));
    }
    for ((name, sums, _), speeds) in streams.iter().zip(there) {
        let speed = median(speeds);
        let alone =
            here.iter().find(|(alone_sums, _)| alone_sums == sums).map_or(f64::NAN, |(_, speed)| *speed);
        println!("  {:<44} {speed:>8.2} GB/s   x {:.2}", format!("a ring, {name}"), speed / alone);
    }
    Ok(())
}

fn small(rounds: usize, count: u64) -> Result<(), Box<dyn Error>> {
    println!("\nframes of 64 bytes, {SMALL_SLOTS} slots");
    for readers in [1, 4] {
        let layout = Layout::new([8]).slots(SMALL_SLOTS);
        let (mut writer, reader) = frames::ring_with_metadata::<u64, u64>(layout)?;
        let summers = (0..readers).map(|_| Ok(SummerFrontend::spawn_of_small(reader.try_clone()?)?));
        let summers: Vec<_> = summers.collect::<Result<_, Box<dyn Error>>>()?;
        drop(reader);
        let mut speeds = Vec::new();
        for _ in 0..rounds {
            let start = Instant::now();
            let sums: Vec<_> = summers.iter().map(|summer| summer.sum_small_async(count)).collect();
            for number in 0..count {
                writer.write(&[number; 8])?;
            }
            for sums in sums {
                assert_eq!(sums.wait()?.sum, count * (count - 1) / 2 * 8);
            }
            speeds.push(count as f64 / start.elapsed().as_secs_f64() / 1e6);
        }
        println!("  {:<44} {:>8.2} million/s", format!("a ring, {readers} reader(s)"), median(speeds));
    }
    Ok(())
}

/// A process that waits at an eventfd and tells how long after the ring of it that was.
struct Bare {
    bell: EventFd,
    done: EventFd,
    shared: &'static [AtomicU64],
}

impl Bare {
    /// Forked first of all, while this process has one thread.
    fn start(most: usize) -> Result<Self, Box<dyn Error>> {
        let (bell, done) = (EventFd::new()?, EventFd::new()?);
        let length_bytes = (most + 2) * 8;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(
                std::ptr::null_mut(),
                length_bytes,
                protection,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        // SAFETY: the mapping is this long, zeroed, and never undone.
        let shared = unsafe { std::slice::from_raw_parts(base.cast::<AtomicU64>(), most + 2) };
        // SAFETY: this process has one thread.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: only asks to go when the parent goes.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            let mut index = 2;
            loop {
                if bell.read().is_err() {
                    std::process::exit(1);
                }
                let age = now() - shared[0].load(Ordering::Acquire);
                shared[index].store(age, Ordering::Relaxed);
                index = if index == most + 1 { 2 } else { index + 1 };
                if index == 2 {
                    let _ = done.write(1);
                }
            }
        }
        Ok(Self { bell, done, shared })
    }

    fn ring(&self) -> Result<(), Box<dyn Error>> {
        self.shared[0].store(now(), Ordering::Release);
        self.bell.write(1)?;
        Ok(())
    }

    /// The ages of as many rings as there is room for, which have been rung.
    fn ages(&self) -> Result<Vec<u64>, Box<dyn Error>> {
        self.done.read()?;
        let mut ages: Vec<_> = self.shared[2..].iter().map(|age| age.load(Ordering::Relaxed)).collect();
        ages.sort_unstable();
        Ok(ages)
    }
}

fn now() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from);
    time.map_or(0, |time| time.as_nanos() as u64)
}

fn wake_up(bare: &Bare, rounds: usize) -> Result<(), Box<dyn Error>> {
    let count = (bare.shared.len() - 2) as u64;
    let layout = Layout::new([8]).slots(4).overflow(Overflow::DropOldest);
    let (mut writer, reader) = frames::ring_with_metadata::<u64, u64>(layout)?;
    let summer = SummerFrontend::spawn_of_small(reader)?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let ages = summer.ages_async(count);
        for _ in 0..count {
            // In turns, so that what else the machine does meets both.
            std::thread::sleep(PERIOD / 2);
            bare.ring()?;
            std::thread::sleep(PERIOD / 2);
            writer.write(&[7; 8])?;
        }
        theirs.extend(bare.ages()?);
        ours.extend(ages.wait()?.ages);
    }
    println!("\nwake-up of a reader, {} frames, 60 a second", theirs.len());
    let mut medians = Vec::new();
    for (name, mut ages) in [("an eventfd, bare", theirs), ("a ring", ours)] {
        ages.sort_unstable();
        let at = |part: f64| ages[((ages.len() - 1) as f64 * part) as usize] as f64 / 1e3;
        println!("  {name:<44} {:>8.1} us median, {:>8.1} us at 99 %", at(0.5), at(0.99));
        medians.push(at(0.5));
    }
    println!("  {:<44} {:>8.2}", "ratio of the medians", medians[1] / medians[0]);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let chosen: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let wants = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| *chosen == name);
    if cfg!(debug_assertions) {
        println!("a build without optimisation: these are no figures");
    }
    let bare = Bare::start(if quick { 20 } else { 120 })?;
    if wants("large") {
        large(if quick { 1 } else { 7 }, if quick { 32 } else { 256 })?;
    }
    if wants("small") {
        small(if quick { 1 } else { 5 }, if quick { 20_000 } else { 1_000_000 })?;
    }
    if wants("wake") {
        wake_up(&bare, if quick { 1 } else { 3 })?;
    }
    Ok(())
}
