//! A stream of large frames through a ring, through iceoryx2 publish-subscribe, and within one thread.
//! Not here: calls. iceoryx2 has no waiting in its publish-subscribe: its subscriber looks again and again, which is its
//! fastest way, and its publisher waits for room by the library's own strategy. Every word is summed, and every sum checked.
//! Layer: a figure.

use std::hint::black_box;
use std::time::{Duration, Instant};

use iceoryx2::prelude::*;
use worker_core::frames::{FrameReader, FrameWriter, Layout};
use worker_core::process_actor;

use crate::effort::Effort;
use crate::peers::{Outcome, Sort};
use crate::report::Series;
use crate::table::{Cell, Goal, Row, Unit};

const WORDS: usize = 1920 * 1080 * 3 / 8;
const SLOTS: usize = 8;

/// Reads a ring.
pub struct RingReader {
    frames: FrameReader<u64>,
}

#[process_actor]
impl RingReader {
    pub fn new(frames: FrameReader<u64>) -> Self {
        Self { frames }
    }

    pub fn sum(&mut self, count: u64) -> u64 {
        self.frames.iter().take(count as usize).fold(0, |total, frame| total.wrapping_add(sum(&frame)))
    }
}

/// Reads by iceoryx2.
pub struct Subscriber {
    subscriber: iceoryx2::port::subscriber::Subscriber<ipc::Service, [u64], ()>,
    _node: Node<ipc::Service>,
}

#[process_actor]
impl Subscriber {
    pub fn new(name: String) -> Result<Self, String> {
        let (node, service) = service(&name).map_err(|error| error.to_string())?;
        let subscriber = service.subscriber_builder().create().map_err(|error| error.to_string())?;
        Ok(Self { subscriber, _node: node })
    }

    pub fn sum(&mut self, count: u64) -> Result<u64, String> {
        let (mut total, mut taken) = (0_u64, 0);
        while taken < count {
            match self.subscriber.receive().map_err(|error| error.to_string())? {
                Some(sample) => {
                    total = total.wrapping_add(sum(sample.payload()));
                    taken += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        Ok(total)
    }
}

type Service = iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, [u64], ()>;

fn service(name: &str) -> Outcome<(Node<ipc::Service>, Service)> {
    let node = NodeBuilder::new().create::<ipc::Service>()?;
    let service = node
        .service_builder(&name.try_into()?)
        .publish_subscribe::<[u64]>()
        .subscriber_max_buffer_size(SLOTS)
        .enable_safe_overflow(false)
        .open_or_create()?;
    Ok((node, service))
}

fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, &word| sum.wrapping_add(word))
}

fn alone(source: &[u64], frames: u64) -> (Duration, u64) {
    let mut slots = vec![vec![1_u64; WORDS]; SLOTS];
    let start = Instant::now();
    let mut total = 0_u64;
    for number in 0..frames as usize {
        let slot = &mut slots[number % SLOTS];
        slot.copy_from_slice(source);
        total = total.wrapping_add(sum(black_box(slot)));
    }
    (start.elapsed(), total)
}

fn by_ring(
    source: &[u64],
    writer: &mut FrameWriter<u64>,
    reader: &RingReaderFrontend,
    frames: u64,
) -> Outcome<(Duration, u64)> {
    let start = Instant::now();
    let total = reader.sum_async(frames);
    for _ in 0..frames {
        writer.write(source)?;
    }
    Ok(total.wait().map(|total| (start.elapsed(), total))?)
}

pub fn measure(effort: &Effort, rows: &mut Vec<Row>) -> Outcome<()> {
    let frames = effort.frames;
    let source: Vec<u64> = (0..WORDS as u64).map(|word| word.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    let expected = (0..frames).fold(0_u64, |total, _| total.wrapping_add(sum(&source)));

    let (mut writer, reader) = worker_core::frames::ring::<u64>(Layout::new([WORDS]).slots(SLOTS))?;
    let ring_reader = RingReaderFrontend::spawn(reader)?;

    let name = format!("worker-frames-{}", std::process::id());
    let (_node, service) = service(&name)?;
    let publisher = service
        .publisher_builder()
        .initial_max_slice_len(WORDS)
        .max_loaned_samples(1)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create()?;
    let subscriber = SubscriberFrontend::spawn(name)?;

    let named = [
        ("worker-core", Sort::Ours),
        ("bare: one thread copies, then sums", Sort::Bare),
        ("iceoryx2", Sort::Public),
    ];
    let cell = |(name, sort): (&str, Sort)| Cell { name: name.to_owned(), sort, series: Series::default() };
    let mut cells: Vec<Cell> = named.into_iter().map(cell).collect();
    for _ in 0..effort.rounds {
        let by_iceoryx2 = || -> Outcome<(Duration, u64)> {
            let start = Instant::now();
            let total = subscriber.sum_async(frames);
            for _ in 0..frames {
                publisher.loan_slice_uninit(WORDS)?.write_from_slice(&source).send()?;
            }
            Ok(total.wait().map(|total| (start.elapsed(), total))?)
        };
        let results =
            [by_ring(&source, &mut writer, &ring_reader, frames)?, alone(&source, frames), by_iceoryx2()?];
        for ((time, total), cell) in results.into_iter().zip(&mut cells) {
            if total != expected {
                return Err(format!("{}: a wrong sum", cell.name).into());
            }
            cell.series.0.push((frames * WORDS as u64 * 8) as f64 / time.as_secs_f64() / 1e9);
        }
    }
    let figure = format!("{frames} frames of 6.2 MB, every word summed by the reader");
    let row = Row { figure, unit: Unit::GigabytesPerSecond, cells, goal: Goal::TimesBare(1.0) };
    println!("{row}");
    rows.push(row);
    Ok(())
}
