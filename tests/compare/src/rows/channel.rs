//! Values of 32 bytes from another process to this one, through a channel that anybody can send on.
//! Not here: one-way calls (`one_way`), which need an actor.
//! Layer: a figure.

use std::os::fd::AsRawFd;
use std::time::Instant;

use ipc_channel::ipc::{self, IpcReceiver, IpcSender};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use worker_core::{Sender, channel, process_actor};

use crate::effort::Effort;
use crate::peers::{Outcome, Sort};
use crate::report::Series;
use crate::system::Child;
use crate::table::{Cell, Goal, Row, Unit};

type Value = [u64; 4];

/// Sends what it is asked to.
pub struct Source;

#[process_actor]
impl Source {
    pub fn new() -> Self {
        Self
    }
    pub fn send(&self, to: Sender<Value>, count: u64) -> Result<(), String> {
        (1..=count).try_for_each(|number| to.send([number; 4])).map_err(|error| error.to_string())
    }
}

/// Those who send: forked while this program has one thread.
pub struct Sources {
    orders: IpcSender<u64>,
    by_ipc_channel: IpcReceiver<Value>,
    bare: std::os::fd::OwnedFd,
    _children: [Child; 2],
}

impl Sources {
    pub fn start() -> Outcome<Self> {
        let (orders, their_orders) = ipc::channel::<u64>()?;
        let (to, by_ipc_channel) = ipc::channel::<Value>()?;
        let ipc_channel = Child::fork(|| {
            while let Ok(count) = their_orders.recv() {
                (1..=count).try_for_each(|number| to.send([number; 4])).unwrap_or_default();
            }
        })?;
        let (bare, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let sockets = Child::fork(|| {
            let mut order = [0; 8];
            while recv(theirs.as_raw_fd(), &mut order, MsgFlags::empty()).is_ok_and(|length| length == 8) {
                for number in 1..=u64::from_le_bytes(order) {
                    let _ = send(theirs.as_raw_fd(), &[number.to_le_bytes(); 4].concat(), MsgFlags::empty());
                }
            }
        })?;
        Ok(Self { orders, by_ipc_channel, bare, _children: [ipc_channel, sockets] })
    }

    pub fn measure(&mut self, effort: &Effort, rows: &mut Vec<Row>) -> Outcome<()> {
        let source = SourceFrontend::spawn()?;
        let named = [
            ("worker-core", Sort::Ours),
            ("bare message sockets", Sort::Bare),
            ("ipc-channel, typed", Sort::Public),
        ];
        let cell =
            |(name, sort): (&str, Sort)| Cell { name: name.to_owned(), sort, series: Series::default() };
        let mut cells: Vec<Cell> = named.into_iter().map(cell).collect();
        for round in 0..effort.rounds {
            // Each round begins with another one.
            for turn in 0..cells.len() {
                let at = (turn + round) % cells.len();
                let rate = match at {
                    0 => ours(&source, effort.values)?,
                    1 => self.bare(effort.values)?,
                    _ => self.ipc_channel(effort.values)?,
                };
                cells[at].series.0.push(rate);
            }
        }
        source.stop()?;
        let figure = "values of 32 B through a channel, one sender".to_owned();
        let row = Row { figure, unit: Unit::PerSecond, cells, goal: Goal::TimesBare(1.5) };
        println!("{row}");
        rows.push(row);
        Ok(())
    }

    fn bare(&mut self, count: u64) -> Outcome<f64> {
        rate("bare message sockets", count, || {
            send(self.bare.as_raw_fd(), &count.to_le_bytes(), MsgFlags::empty())?;
            let next = || -> Outcome<Value> {
                let mut message = [0; 32];
                let length = recv(self.bare.as_raw_fd(), &mut message, MsgFlags::empty())?;
                let (words, _) = message[..length].as_chunks::<8>();
                Ok(<[[u8; 8]; 4]>::try_from(words)?.map(u64::from_le_bytes))
            };
            (1..=count).map(|_| next()).collect()
        })
    }

    fn ipc_channel(&mut self, count: u64) -> Outcome<f64> {
        rate("ipc-channel", count, || {
            self.orders.send(count)?;
            let next = |_| self.by_ipc_channel.recv().map_err(|error| error.to_string().into());
            (1..=count).map(next).collect()
        })
    }
}

fn ours(source: &SourceFrontend, count: u64) -> Outcome<f64> {
    rate("worker-core", count, || {
        let (sender, receiver) = channel::<Value>()?;
        let sending = source.send_async(sender, count);
        let values = receiver.iter().collect();
        sending.wait()?;
        Ok(values)
    })
}

/// Values a second; each must be the next.
fn rate(name: &str, count: u64, receive: impl FnOnce() -> Outcome<Vec<Value>>) -> Outcome<f64> {
    let start = Instant::now();
    let values = receive()?;
    let time = start.elapsed();
    if !values.iter().copied().eq((1..=count).map(|number| [number; 4])) {
        return Err(format!("{name}: other values came than were sent").into());
    }
    Ok(count as f64 / time.as_secs_f64())
}
