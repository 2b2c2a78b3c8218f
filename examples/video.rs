//! Video through shared memory: a camera, a motion detector and a counter, each in its own process.
//!
//! `cargo run --release --example video -- [--seconds N] [--rate N] [--pictures FOLDER] [FILE.y4m | FILE WIDTHxHEIGHT]`
//!
//! Without a file a stand-in for a camera makes 1080p RGB frames; a Y4M file, or a file of raw RGB
//! frames, is played in its place. Frames go to all readers at once and are read where they lie; a
//! reader that is too slow loses the oldest, and the line that is printed each second counts them.
//! Control messages are ordinary calls and are answered between two frames. Every hundredth frame is
//! written as PNG, to the folder that is named, or else to a temporary one that is removed at the end.

#[path = "video/camera.rs"]
mod camera;
#[path = "video/detector.rs"]
mod detector;
#[path = "video/options.rs"]
mod options;
#[path = "video/pictures.rs"]
mod pictures;
#[path = "video/source.rs"]
mod source;

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use worker_core::frames::{self, Layout, Overflow};
use worker_core::{Builder, CallError};

use camera::CameraFrontend;
use detector::{CounterFrontend, DetectorFrontend};
use options::Options;
use pictures::Pictures;
use source::Source;

/// How often a picture is written.
const PICTURE_EVERY: u64 = 100;

/// What the threads that keep the backends busy tell the display.
#[derive(Default)]
struct Display {
    is_over: AtomicBool,
    looked_at: AtomicU64,
    moving_permille: AtomicU64,
    counted: AtomicU64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let source = Source::open(options.file.as_ref())?;
    let [height, width] = [source.height(), source.width()];
    println!("{width} x {height} RGB, {} frames a second, for {} s", options.rate, options.seconds);

    // The camera never waits for anybody: whoever is too slow loses the oldest frames.
    let layout = Layout::new([height, width, 3]).slots(8).overflow(Overflow::DropOldest);
    let (writer, reader) = frames::ring::<u8>(layout)?;
    let detector = DetectorFrontend::spawn_with(&Builder::new().name("detector"), reader.try_clone()?)?;
    let counter = CounterFrontend::spawn_with(&Builder::new().name("counter"), reader.try_clone()?)?;
    let camera = CameraFrontend::spawn_with(&Builder::new().name("camera"), writer, source)?;

    let display = Display::default();
    let mut pictures = Pictures::new(options.pictures.clone());
    thread::scope(|scope| {
        let looking = scope.spawn(|| keep_looking(&detector, &display));
        let counting = scope.spawn(|| keep_counting(&counter, &display));
        let result = film(&options, &camera, &detector, &reader, &display, &mut pictures);
        // Relaxed: the threads look at nothing else that depends on it.
        display.is_over.store(true, Ordering::Relaxed);
        let looked = looking.join().expect("the thread only calls");
        let counted = counting.join().expect("the thread only calls");
        result.and(looked.map_err(Into::into)).and(counted.map_err(Into::into))
    })?;

    println!("camera:   {}", camera.stop()?);
    println!("detector: {}", detector.stop()?);
    println!("counter:  {}", counter.stop()?);
    println!("pictures: {pictures}");
    Ok(())
}

/// Has the camera make frames at its rate, tries the controls, and shows what goes on.
fn film(
    options: &Options,
    camera: &CameraFrontend,
    detector: &DetectorFrontend,
    reader: &frames::FrameReader<u8>,
    display: &Display,
    pictures: &mut Pictures,
) -> Result<(), Box<dyn Error>> {
    let period = Duration::from_secs(1) / options.rate;
    let start = Instant::now();
    let mut due = start;
    let mut line_due = start + Duration::from_secs(1);
    let mut ages = Vec::new();
    let mut shown = 0;
    let mut controls = Controls::default();
    while start.elapsed() < Duration::from_secs(options.seconds) {
        // The pace of the film, as a camera's clock would give it.
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due += period;
        if !camera.shoot()? {
            break;
        }
        while let Some(frame) = reader.try_recv()? {
            ages.push(frame.age());
            shown += 1;
            if frame.sequence() % PICTURE_EVERY == 0 {
                println!("picture:  {}", pictures.write(&frame)?.display());
            }
        }
        if Instant::now() >= line_due {
            line_due += Duration::from_secs(1);
            controls.next(camera, detector)?;
            print_line(camera, display, reader.lost(), shown, &mut ages)?;
            (shown, ages) = (0, Vec::new());
        }
    }
    Ok(())
}

/// One control message each second, in turn, with the time that its answer took.
#[derive(Default)]
struct Controls(u32);

impl Controls {
    fn next(&mut self, camera: &CameraFrontend, detector: &DetectorFrontend) -> Result<(), CallError> {
        self.0 += 1;
        let start = Instant::now();
        let what = match self.0 % 4 {
            1 => detector.set_threshold(48).map(|()| "threshold 48")?,
            2 => camera.set_paused(true).map(|()| "pause")?,
            3 => camera.set_paused(false).map(|()| "go on")?,
            _ => detector.set_threshold(24).map(|()| "threshold 24")?,
        };
        println!("control:  {what}, answered after {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }
}

fn print_line(
    camera: &CameraFrontend,
    display: &Display,
    lost: u64,
    shown: u32,
    ages: &mut [Duration],
) -> Result<(), CallError> {
    let status = camera.status()?;
    ages.sort_unstable();
    let at = |part: usize| {
        let age = ages.get(ages.len().saturating_sub(1) * part / 100).copied().unwrap_or_default();
        age.as_secs_f64() * 1e3
    };
    // Relaxed, all: figures to look at.
    println!(
        "{shown:>3} frames here, lost {lost}; detector {} frames, lost {}, {:.1} % moving; counter {} frames, \
         lost {}; dropped {}; age {:.1} / {:.1} / {:.1} ms at 50 / 90 / 99 %",
        display.looked_at.load(Ordering::Relaxed),
        status.lost.first().copied().unwrap_or(0),
        display.moving_permille.load(Ordering::Relaxed) as f64 / 10.0,
        display.counted.load(Ordering::Relaxed),
        status.lost.get(1).copied().unwrap_or(0),
        status.dropped,
        at(50),
        at(90),
        at(99),
    );
    Ok(())
}

/// Keeps the detector at work; a control message comes in between two of these calls.
fn keep_looking(detector: &DetectorFrontend, display: &Display) -> Result<(), CallError> {
    while !display.is_over.load(Ordering::Relaxed) {
        if let Some(motion) = detector.look()? {
            display.looked_at.store(motion.frames, Ordering::Relaxed);
            display.moving_permille.store(motion.moving_permille, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn keep_counting(counter: &CounterFrontend, display: &Display) -> Result<(), CallError> {
    while !display.is_over.load(Ordering::Relaxed) {
        display.counted.store(counter.count()?, Ordering::Relaxed);
    }
    Ok(())
}
