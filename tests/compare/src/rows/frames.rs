//! A stream of large frames through a ring, through iceoryx2 publish-subscribe, within one thread, and between two bare
//! processes (`peers::frames`).
//! Not here: calls. iceoryx2 has no waiting in its publish-subscribe: its subscriber looks again and again, which is its
//! fastest way, and its publisher waits for room by the library's own strategy. Every frame has a number that no other has, every
//! word is summed, and every sum checked.
//! Layer: a figure.

use std::hint::black_box;
use std::time::{Duration, Instant};

use iceoryx2::prelude::*;
use worker_core::frames::{FrameReader, FrameWriter, Layout};
use worker_core::process_actor;

use crate::effort::Effort;
use crate::peers::frames::{BarePair, SLOTS, Source, WORDS, sum};
use crate::peers::{Outcome, Sort};
use crate::report::Series;
use crate::table::{Cell, Goal, Row, Unit};

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

fn alone(source: &mut Source, frames: u64) -> (Duration, u64) {
    let mut slots = vec![vec![1_u64; WORDS]; SLOTS];
    let start = Instant::now();
    let mut total = 0_u64;
    for number in 0..frames as usize {
        let slot = &mut slots[number % SLOTS];
        slot.copy_from_slice(source.next());
        total = total.wrapping_add(sum(black_box(slot)));
    }
    (start.elapsed(), total)
}

fn by_ring(
    source: &mut Source,
    writer: &mut FrameWriter<u64>,
    reader: &RingReaderFrontend,
    frames: u64,
) -> Outcome<(Duration, u64)> {
    let start = Instant::now();
    let total = reader.sum_async(frames);
    for _ in 0..frames {
        writer.write(source.next())?;
    }
    Ok(total.wait().map(|total| (start.elapsed(), total))?)
}

pub fn measure(pair: &mut BarePair, effort: &Effort, rows: &mut Vec<Row>) -> Outcome<()> {
    let frames = effort.frames;
    let mut source = Source::new();

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
        ("bare: one copies, one sums", Sort::Bare),
        ("bare: one thread copies, then sums", Sort::Bare),
        ("iceoryx2", Sort::Public),
    ];
    let cell = |(name, sort): (&str, Sort)| Cell { name: name.to_owned(), sort, series: Series::default() };
    let mut cells: Vec<Cell> = named.into_iter().map(cell).collect();
    let by_iceoryx2 = |source: &mut Source| -> Outcome<(Duration, u64)> {
        let start = Instant::now();
        let total = subscriber.sum_async(frames);
        for _ in 0..frames {
            publisher.loan_slice_uninit(WORDS)?.write_from_slice(source.next()).send()?;
        }
        Ok(total.wait().map(|total| (start.elapsed(), total))?)
    };
    for round in 0..effort.rounds {
        // Each round begins with another one.
        for turn in 0..cells.len() {
            let at = (turn + round) % cells.len();
            let expected = source.expected(frames);
            let (time, total) = match at {
                0 => by_ring(&mut source, &mut writer, &ring_reader, frames)?,
                1 => pair.run(&mut source, frames),
                2 => alone(&mut source, frames),
                _ => by_iceoryx2(&mut source)?,
            };
            let cell = &mut cells[at];
            if total != expected {
                return Err(format!("{}: a wrong sum", cell.name).into());
            }
            cell.series.0.push((frames * WORDS as u64 * 8) as f64 / time.as_secs_f64() / 1e9);
        }
    }
    let figure = format!("{frames} frames of 6.2 MB, every word summed by the reader");
    let row = Row { figure, unit: Unit::GigabytesPerSecond, cells, goal: Goal::PartOfBare(0.95) };
    println!("{row}");
    rows.push(row);
    Ok(())
}
