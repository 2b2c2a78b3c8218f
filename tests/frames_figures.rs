//! What frames cost, each figure beside the machine's own speed at the same thing, in one run.
//!
//! `cargo bench -p tests --bench frames_figures -- [--quick] [large|small|wake]...`
//!
//! Contenders take turns in rounds, so that a drift of the machine meets all of them; what is told is
//! the median of the rounds, and the range of the ratios of single rounds. Every sum is checked. No time is: a slow
//! machine is no fault.

use std::error::Error;
use std::hint::black_box;
use std::sync::RwLock;
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

/// One thread copies each frame to one of as many slots, and so many others sum it there: what a ring does, in one
/// process and without a wake-up, for they all look again and again.
fn together(source: &[u64], count: u64, readers: usize) -> (Duration, u64) {
    let slots: Vec<_> = (0..LARGE_SLOTS).map(|_| RwLock::new(vec![1_u64; WORDS])).collect();
    let published = AtomicU64::new(0);
    let passed: Vec<_> = (0..readers).map(|_| AtomicU64::new(0)).collect();
    let (slots, published) = (&slots, &published);
    let slot = |number: u64| &slots[number as usize % LARGE_SLOTS];
    let start = Instant::now();
    let total = std::thread::scope(|scope| {
        let read = |passed| {
            move || {
                let passed: &AtomicU64 = passed;
                (0..count).fold(0_u64, |total, number| {
                    while published.load(Ordering::Acquire) <= number {
                        std::thread::yield_now();
                    }
                    let sum = sum(black_box(&slot(number).read().expect("nobody panics")));
                    passed.store(number + 1, Ordering::Release);
                    total.wrapping_add(sum)
                })
            }
        };
        let threads: Vec<_> = passed.iter().map(|passed| scope.spawn(read(passed))).collect();
        for number in 0..count {
            while passed.iter().any(|passed| passed.load(Ordering::Acquire) + LARGE_SLOTS as u64 <= number) {
                std::thread::yield_now();
            }
            slot(number).write().expect("nobody panics").copy_from_slice(source);
            published.store(number + 1, Ordering::Release);
        }
        threads.into_iter().map(|thread| thread.join().expect("it only sums")).last()
    });
    (start.elapsed(), total.unwrap_or(0))
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

/// One contender, its figure in each round.
struct Series {
    name: &'static str,
    rounds: Vec<f64>,
}

/// What a ratio shall be.
#[derive(Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Series {
    /// Prints the figure.
    fn print(&self, unit: &str) {
        println!("  {:<52} {:>8.2} {unit}", self.name, median(self.rounds.clone()));
    }

    /// Prints the figure, and its ratio to what it stands on, round by round.
    fn print_beside(&self, unit: &str, beside: &Self, goal: Option<Goal>) {
        let figure = median(self.rounds.clone());
        let [lowest, middle, highest] = self.ratios(beside);
        let goal = goal.map_or(String::new(), |goal| {
            let (what, number, met) = match goal {
                Goal::AtLeast(least) => ("at least", least, middle >= least),
                Goal::AtMost(most) => ("at most", most, middle <= most),
            };
            format!("; {what} {number}: {}", if met { "met" } else { "missed" })
        });
        println!(
            "  {:<52} {figure:>8.2} {unit}   x {middle:.2} ({lowest:.2} to {highest:.2}) beside `{}`{goal}",
            self.name, beside.name
        );
    }

    /// Lowest, median and highest ratio of a round.
    fn ratios(&self, beside: &Self) -> [f64; 3] {
        let mut ratios: Vec<_> =
            self.rounds.iter().zip(&beside.rounds).map(|(ours, theirs)| ours / theirs).collect();
        ratios.sort_by(f64::total_cmp);
        [ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]]
    }
}

fn large(rounds: usize, count: u64) -> Result<(), Box<dyn Error>> {
    let source = source();
    let expected = (0..count).fold(0_u64, |total, _| total.wrapping_add(sum(&source)));
    let mut one = Stream::new(1, false)?;
    let mut one_huge = Stream::new(1, true)?;
    let mut four = Stream::new(4, false)?;
    let huge = huge_pages_of_rings();
    let names = [
        "one thread copies, then sums",
        "a thread copies, one sums, none sleeps",
        "a ring, one reader",
        if huge {
            "a ring, one reader, huge pages"
        } else {
            "a ring, one reader, huge pages asked for, none had"
        },
        "one thread copies, then sums four times",
        "a thread copies, four threads sum, none sleeps",
        "a ring, four readers",
    ];
    let mut series = names.map(|name| Series { name, rounds: Vec::new() });
    for _ in 0..rounds {
        let results = [
            alone(&source, count, 1),
            together(&source, count, 1),
            one.run(&source, count)?,
            one_huge.run(&source, count)?,
            alone(&source, count, 4),
            together(&source, count, 4),
            four.run(&source, count)?,
        ];
        for ((time, total), series) in results.into_iter().zip(&mut series) {
            assert_eq!(total, expected, "{}: a torn frame, or a wrong one", series.name);
            series.rounds.push(gigabytes_per_second(count, time));
        }
    }
    println!(
        "\n{count} frames of {} bytes, every word summed by each reader, {LARGE_SLOTS} slots",
        WORDS * 8
    );
    let [alone, two, one, one_huge, alone_four, together, four] = &series;
    alone.print("GB/s");
    two.print_beside("GB/s", alone, None);
    one.print_beside("GB/s", alone, Some(Goal::AtLeast(1.0)));
    one.print_beside("GB/s", two, Some(Goal::AtLeast(0.95)));
    one_huge.print_beside("GB/s", one, None);
    alone_four.print("GB/s");
    together.print_beside("GB/s", alone_four, None);
    four.print_beside("GB/s", together, None);
    Ok(())
}

/// Whether the memory of a ring of this process has huge pages, as the kernel tells.
fn huge_pages_of_rings() -> bool {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let mut is_ring = false;
    smaps.lines().any(|line| {
        if line.contains("worker-core frames") {
            is_ring = true;
        } else if line.starts_with("VmFlags:") {
            is_ring = false;
        }
        let mut words = line.split_whitespace();
        let (name, kibibytes) = (words.next(), words.next().and_then(|number| number.parse::<u64>().ok()));
        let of_huge_memory = name == Some("KernelPageSize:") && kibibytes > Some(4);
        is_ring && (of_huge_memory || name == Some("ShmemPmdMapped:") && kibibytes > Some(0))
    })
}

fn small(rounds: usize, count: u64) -> Result<(), Box<dyn Error>> {
    println!("\nframes of 64 bytes, {SMALL_SLOTS} slots");
    for (readers, name) in [(1, "one reader"), (4, "four readers")] {
        let layout = Layout::new([8]).slots(SMALL_SLOTS);
        let (mut writer, reader) = frames::ring_with_metadata::<u64, u64>(layout)?;
        let summers = (0..readers).map(|_| Ok(SummerFrontend::spawn_of_small(reader.try_clone()?)?));
        let summers: Vec<_> = summers.collect::<Result<_, Box<dyn Error>>>()?;
        drop(reader);
        let mut series = Series { name, rounds: Vec::new() };
        for _ in 0..rounds {
            let start = Instant::now();
            let sums: Vec<_> = summers.iter().map(|summer| summer.sum_small_async(count)).collect();
            for number in 0..count {
                writer.write(&[number; 8])?;
            }
            for sums in sums {
                assert_eq!(sums.wait()?.sum, count * (count - 1) / 2 * 8);
            }
            series.rounds.push(count as f64 / start.elapsed().as_secs_f64() / 1e6);
        }
        series.print("million/s");
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
                let Ok(rings) = bell.read() else { std::process::exit(1) };
                let age = now() - shared[0].load(Ordering::Acquire);
                // Several in one, where it was kept from running for so long.
                for _ in 0..rings {
                    shared[index].store(age, Ordering::Relaxed);
                    index = if index == most + 1 { 2 } else { index + 1 };
                    if index == 2 {
                        let _ = done.write(1);
                    }
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
    let mut series = ["an eventfd, bare", "a ring"].map(|name| Series { name, rounds: Vec::new() });
    let mut at_99 = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let ages = summer.ages_async(count);
        for _ in 0..count {
            // In turns, so that what else the machine does meets both.
            std::thread::sleep(PERIOD / 2);
            bare.ring()?;
            std::thread::sleep(PERIOD / 2);
            writer.write(&[7; 8])?;
        }
        for ((ages, series), at_99) in
            [bare.ages()?, ages.wait()?.ages].iter().zip(&mut series).zip(&mut at_99)
        {
            let at = |part: f64| ages[((ages.len() - 1) as f64 * part) as usize] as f64 / 1e3;
            series.rounds.push(at(0.5));
            at_99.push(at(0.99));
        }
    }
    println!("\nwake-up of a reader, {} frames, 60 a second, medians", count * rounds as u64);
    let [theirs, ours] = &series;
    theirs.print("us");
    ours.print_beside("us", theirs, Some(Goal::AtMost(1.5)));
    let [theirs_late, ours_late] = at_99.map(median);
    println!("  {:<52} {theirs_late:>8.1} and {ours_late:.1} us", "of a hundred, the one before the latest");
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
        wake_up(&bare, if quick { 1 } else { 5 })?;
    }
    Ok(())
}
