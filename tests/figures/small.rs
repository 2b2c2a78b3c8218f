//! A small single-threaded process that forks on request: the bare counterpart of a spawn.
//! Not here: our own spawns (`spawn`, `many`).
//! Layer: over `system`.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use nix::unistd::{pipe, read, write};

use crate::report::Series;
use crate::system::{Child, fork_and_wait};

/// What the small process can be asked for, with a number of forks.
const FORK_AND_WAIT: u8 = 1;
const FORK_MANY: u8 = 2;

/// The small process, seen from outside. It ends with this value.
pub struct SmallProcess {
    requests: OwnedFd,
    replies: OwnedFd,
    _child: Child,
}

impl SmallProcess {
    pub fn start() -> io::Result<Self> {
        let (their_requests, requests) = pipe()?;
        let (replies, their_replies) = pipe()?;
        let child = Child::fork(|| {
            let mut request = [0; 5];
            while let Ok(5) = read(&their_requests, &mut request) {
                let count = u32::from_ne_bytes([request[1], request[2], request[3], request[4]]);
                let time_us = match request[0] {
                    FORK_AND_WAIT => time_fork_and_wait_us(count),
                    _ => time_fork_many_us(count),
                };
                // Not a number stands for a refusal of the system.
                let reply = time_us.unwrap_or(f64::NAN).to_ne_bytes();
                if write(&their_replies, &reply).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests, replies, _child: child })
    }

    /// Median of `count` times `fork` + `waitpid`, in microseconds.
    pub fn fork_and_wait_us(&mut self, count: u32) -> io::Result<f64> {
        self.ask(FORK_AND_WAIT, count)
    }

    /// Time of a `fork`, in microseconds, of `count` children that live at one time.
    pub fn fork_many_us(&mut self, count: u32) -> io::Result<f64> {
        self.ask(FORK_MANY, count)
    }

    fn ask(&mut self, what: u8, count: u32) -> io::Result<f64> {
        let [a, b, c, d] = count.to_ne_bytes();
        write(&self.requests, &[what, a, b, c, d])?;
        let mut reply = [0; 8];
        match read(&self.replies, &mut reply)? {
            8 => Ok(f64::from_ne_bytes(reply)),
            _ => Err(io::Error::other("the small process is gone")),
        }
    }
}

/// Median time of `fork` + `waitpid` of this very process.
pub fn time_fork_and_wait_us(count: u32) -> io::Result<f64> {
    let mut times_us = Series::default();
    for _ in 0..count {
        let start = Instant::now();
        fork_and_wait()?;
        times_us.0.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times_us.median())
}

/// The children say one byte each, and wait until the last of them is there.
fn time_fork_many_us(count: u32) -> io::Result<f64> {
    let (said, say) = pipe()?;
    let (end, hold) = pipe()?;
    let start = Instant::now();
    let mut children = Vec::new();
    for _ in 0..count {
        children.push(Child::fork(|| {
            let _ = write(&say, &[1]);
            let _ = read(&end, &mut [0]);
        })?);
        read(&said, &mut [0])?;
    }
    let time_us = start.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    drop(hold);
    Ok(time_us)
}
