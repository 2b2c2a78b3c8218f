//! Figure 7: values through a channel, and items of a stream, from other processes to this one.
//! Not here: waiting for many channels (`select`).
//! Layer: over `system` and `report`.

use std::error::Error;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use worker_core::{Sender, channel, process_actor};

use crate::effort::Effort;
use crate::report::{Goal, Report, Row, Series, Unit};
use crate::system::Child;

/// A value of 32 bytes.
type Short = [u64; 4];
/// Bytes of a long value.
const LONG_BYTES: usize = 1 << 20;
/// So many short values take the time of a long one, about.
const LONG_SHARE: u32 = 200;

/// Sends what it is asked to.
pub struct Source;

#[process_actor]
impl Source {
    pub fn new() -> Self {
        Self
    }

    pub fn short(&self, to: Sender<Short>, count: u32) {
        for number in 0..count {
            to.send([u64::from(number), 1, 2, u64::MAX]).expect("the receiver is there");
        }
    }

    pub fn items(&self, count: u32) -> impl Iterator<Item = Short> {
        (0..count).map(|number| [u64::from(number), 1, 2, u64::MAX])
    }

    pub fn long(&self, to: Sender<Vec<u8>>, count: u32) {
        for _ in 0..count {
            to.send(vec![7; LONG_BYTES]).expect("the receiver is there");
        }
    }
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let sources = [SourceFrontend::spawn()?, SourceFrontend::spawn()?];
    let [mut from_one, mut from_two, mut bare, mut long] = [const { Series(Vec::new()) }; 4];
    let [mut items, mut awaited] = [const { Series(Vec::new()) }; 2];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for _ in 0..effort.rounds {
        from_one.0.push(short_us(&sources[..1], effort.values)?);
        bare.0.push(bare_us(effort.values)?);
        items.0.push(items_us(&sources[0], effort.values)?);
        awaited.0.push(runtime.block_on(awaited_us(&sources[0], effort.values))?);
        from_two.0.push(short_us(&sources, effort.values)?);
        long.0.push(long_us(&sources[0], effort.values.div_ceil(LONG_SHARE))?);
    }
    let bare_name = || "message socket, no channel".to_owned();
    let mut row = |figure: &str, ours, bare: Option<Series>, goal| {
        let (figure, bare) = (figure.to_owned(), bare.map(|bare| (bare_name(), bare)));
        report.rows.push(Row { figure, unit: Unit::Microseconds, ours, bare, goal });
    };
    row("channel, a value of 32 bytes", from_one.clone(), Some(bare.clone()), Goal::Times(1.5));
    row("stream, an item of 32 bytes", items.clone(), Some(bare.clone()), Goal::Times(1.5));
    row("stream, the same awaited on tokio", awaited.clone(), Some(bare), Goal::None);
    row("channel, the same from two processes", from_two.clone(), None, Goal::None);
    row("channel, a value of 1 MiB", long, None, Goal::None);
    let million = |series: &Series| 1.0 / series.median();
    report.details.push((
        "million values of 32 bytes a second".to_owned(),
        vec![
            ("channel from one".to_owned(), million(&from_one)),
            ("channel from two".to_owned(), million(&from_two)),
            ("stream".to_owned(), million(&items)),
            ("stream, awaited".to_owned(), million(&awaited)),
        ],
    ));
    sources.iter().try_for_each(|source| source.stop().map(drop))?;
    Ok(())
}

fn per_value_us(start: Instant, count: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

fn short_us(sources: &[SourceFrontend], count: u32) -> Result<f64, Box<dyn Error>> {
    let (sender, receiver) = channel::<Short>()?;
    let share = count / u32::try_from(sources.len())?;
    let start = Instant::now();
    let sending: Vec<_> = sources.iter().map(|source| source.short_async(sender.clone(), share)).collect();
    drop(sender);
    let sum: u64 = receiver.iter().map(|value| value[0]).sum();
    let time = per_value_us(start, count);
    sending.into_iter().try_for_each(|sending| sending.wait())?;
    let share = u64::from(share);
    assert_eq!(sum, share * (share - 1) / 2 * sources.len() as u64);
    Ok(time)
}

fn items_us(source: &SourceFrontend, count: u32) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let mut sum = 0;
    for item in source.items(count)? {
        sum += item?[0];
    }
    let time = per_value_us(start, count);
    assert_eq!(sum, u64::from(count) * u64::from(count - 1) / 2);
    Ok(time)
}

async fn awaited_us(source: &SourceFrontend, count: u32) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let mut items = source.items(count)?;
    let mut sum = 0;
    while let Some(item) = items.next_async().await {
        sum += item?[0];
    }
    let time = per_value_us(start, count);
    assert_eq!(sum, u64::from(count) * u64::from(count - 1) / 2);
    Ok(time)
}

fn long_us(source: &SourceFrontend, count: u32) -> Result<f64, Box<dyn Error>> {
    let (sender, receiver) = channel::<Vec<u8>>()?;
    let start = Instant::now();
    let sending = source.long_async(sender, count);
    let bytes: usize = receiver.iter().map(|value| value.len()).sum();
    let time = per_value_us(start, count);
    sending.wait()?;
    assert_eq!(bytes, LONG_BYTES * count as usize);
    Ok(time)
}

/// The same through a pair of sockets, with nothing around them.
fn bare_us(count: u32) -> Result<f64, Box<dyn Error>> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    let start = Instant::now();
    let child = Child::fork(|| {
        for number in 0..count {
            let value: Short = [u64::from(number), 1, 2, u64::MAX];
            let bytes: Vec<u8> = value.iter().flat_map(|word| word.to_ne_bytes()).collect();
            if send(theirs.as_raw_fd(), &bytes, MsgFlags::empty()).is_err() {
                return;
            }
        }
    })?;
    let mut sum = 0;
    for _ in 0..count {
        sum += receive_word(&ours)?;
    }
    let time = per_value_us(start, count);
    drop(child);
    assert_eq!(sum, u64::from(count) * u64::from(count - 1) / 2);
    Ok(time)
}

fn receive_word(socket: &OwnedFd) -> io::Result<u64> {
    let mut bytes = [0; 64];
    let length = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty())?;
    let word = bytes[..length].first_chunk::<8>();
    word.map(|word| u64::from_ne_bytes(*word)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
