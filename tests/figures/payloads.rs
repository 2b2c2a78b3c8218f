//! Figures 6 and 7: long arguments, and long results, beside bare shared memory.
//! Not here: short calls (`calls`).
//! Layer: over `system` and `report`.

use std::error::Error;
use std::time::{Duration, Instant};

use worker_core::process_actor;

use crate::effort::Effort;
use crate::report::{Goal, Report, Row, Series, Unit};
use crate::system::{Child, SharedBuffer, futex_wait, futex_wake, shared_mailboxes};

/// Takes bytes, and gives them back.
pub struct Porter;

#[process_actor]
impl Porter {
    /// Has nothing yet.
    pub fn new() -> Self {
        Self
    }

    /// Gives the length, and the last byte: enough to see that they came.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, u8) {
        (bytes.len(), bytes.last().copied().unwrap_or(0))
    }

    /// Gives them back.
    pub fn echo(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }
}

/// With the goals of a call, and of an echo.
const LENGTHS: [(usize, &str, f64, Goal); 3] = [
    (64 << 10, "64 KiB", 2.0, Goal::Times(1.5)),
    (1 << 20, "1 MiB", 1.3, Goal::None),
    (16 << 20, "16 MiB", 1.2, Goal::None),
];
const LONGEST: usize = 16 << 20;
/// Looks before a side of the bare pair goes to sleep.
const SPIN_TURNS: u32 = 2000;

/// What the bare partner is asked for, above the length.
const ECHO: i64 = 1 << 40;

/// Two bare processes with a buffer each way. One copies in and tells the length; the other answers in
/// place, or copies over to its own buffer.
struct BarePair {
    there: SharedBuffer,
    back: SharedBuffer,
    seen: u32,
    mailboxes: &'static [crate::system::Mailbox; 2],
    _child: Child,
}

impl BarePair {
    fn start() -> std::io::Result<Self> {
        let (there, back) = (SharedBuffer::new(LONGEST)?, SharedBuffer::new(LONGEST)?);
        let mailboxes = shared_mailboxes()?;
        let child = Child::fork(|| {
            for seen in 0.. {
                let wanted = receive(&mailboxes[0], seen);
                let length = usize::try_from(wanted & (ECHO - 1)).unwrap_or(0);
                if wanted & ECHO != 0 {
                    // As the method of the actor does: a copy of its own, which then goes back.
                    back.write(&std::hint::black_box(there.to_vec(length)));
                }
                send(&mailboxes[1], i64::from(there.byte(length - 1)));
            }
        })?;
        Ok(Self { there, back, seen: 0, mailboxes, _child: child })
    }

    fn ask(&mut self, bytes: &[u8], what: i64) -> i64 {
        self.there.write(bytes);
        send(&self.mailboxes[0], i64::try_from(bytes.len()).unwrap_or(0) | what);
        let answer = receive(&self.mailboxes[1], self.seen);
        self.seen += 1;
        answer
    }

    fn take(&mut self, bytes: &[u8]) -> u8 {
        self.ask(bytes, 0).to_le_bytes()[0]
    }

    fn echo(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.ask(bytes, ECHO);
        self.back.to_vec(bytes.len())
    }
}

fn send(mailbox: &crate::system::Mailbox, value: i64) {
    mailbox.put(value);
    futex_wake(&mailbox.sequence);
}

fn receive(mailbox: &crate::system::Mailbox, seen: u32) -> i64 {
    for _ in 0..SPIN_TURNS {
        if mailbox.has_more_than(seen) {
            return mailbox.get();
        }
        std::hint::spin_loop();
    }
    while !mailbox.has_more_than(seen) {
        futex_wait(&mailbox.sequence, seen);
    }
    mailbox.get()
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut bare = BarePair::start()?;
    let porter = PorterFrontend::spawn()?;
    for (length, name, goal, echo_goal) in LENGTHS {
        let bytes: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0]).collect();
        let last = bytes[length - 1];
        let mut series: [Series; 4] = Default::default();
        for _ in 0..effort.rounds {
            let mut sample = |at: usize, call: &mut dyn FnMut() -> Result<bool, Box<dyn Error>>| {
                series[at].0.push(median_us(effort.slice / 2, call)?);
                Ok::<_, Box<dyn Error>>(())
            };
            sample(0, &mut || Ok(porter.take(&bytes)? == (length, last)))?;
            sample(1, &mut || Ok(bare.take(&bytes) == last))?;
            sample(2, &mut || Ok(porter.echo(&bytes)?.len() == length))?;
            sample(3, &mut || Ok(bare.echo(&bytes).len() == length))?;
        }
        if porter.echo(&bytes)? != bytes {
            return Err(format!("{name} came back changed").into());
        }
        let [take, bare_take, echo, bare_echo] = series;
        let mut row = |figure: String, ours, bare: Series, goal| {
            let bare = Some(("copy to shared memory, spin then futex".to_owned(), bare));
            report.rows.push(Row { figure, unit: Unit::Microseconds, ours, bare, goal });
        };
        row(format!("call with {name}"), take, bare_take, Goal::Times(goal));
        row(format!("echo of {name}"), echo, bare_echo, echo_goal);
    }
    porter.stop()?;
    Ok(())
}

/// Median time of a call, over as many as fit.
fn median_us(
    slice: Duration,
    call: &mut dyn FnMut() -> Result<bool, Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut times_us = Series::default();
    let end = Instant::now() + slice;
    while times_us.0.len() < 3 || Instant::now() < end {
        let start = Instant::now();
        if !call()? {
            return Err("a wrong answer".into());
        }
        times_us.0.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times_us.median())
}
