//! Calls a second of one actor, from one thread and from eight.
//! Not here: one caller (`calls`).
//! Layer: a figure.

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::effort::Effort;
use crate::payload::{check, digest, numbers, stamp};
use crate::peers::ours::AnswererFrontend;
use crate::peers::{Outcome, Peer, Sort, tarpc};
use crate::report::Series;
use crate::table::{Cell, Goal, Row, Unit};

/// Somebody whom many threads may ask.
pub struct Shareable {
    pub name: &'static str,
    pub sort: Sort,
    pub asked: Asked,
}

pub enum Asked {
    /// Each thread has a clone.
    Ours(AnswererFrontend),
    /// The same.
    Tarpc(tarpc::Shared),
    /// One at a time: what a peer that is not made for it costs its user.
    Locked(Mutex<Box<dyn Peer + Send>>),
}

pub fn measure(all: &[Shareable], effort: &Effort, rows: &mut Vec<Row>) -> Outcome<()> {
    for (threads, goal) in [(1, Goal::AtLeast(1e6)), (8, Goal::AtLeast(5e5))] {
        let cell =
            |one: &Shareable| Cell { name: one.name.to_owned(), sort: one.sort, series: Series::default() };
        let mut cells: Vec<Cell> = all.iter().map(cell).collect();
        for round in 0..effort.rounds {
            for turn in 0..all.len() {
                let at = (turn + round) % all.len();
                cells[at].series.0.push(rate(&all[at], threads, effort)?);
            }
        }
        let figure =
            format!("calls of 8 B by {threads} client thread{}", if threads == 1 { "" } else { "s" });
        let row = Row { figure, unit: Unit::PerSecond, cells, goal };
        println!("{row}");
        rows.push(row);
    }
    Ok(())
}

fn rate(shareable: &Shareable, threads: u64, effort: &Effort) -> Outcome<f64> {
    let start = Instant::now();
    let end = start + effort.slice;
    let work = || -> Result<u64, String> {
        let (mut calls, mut payload) = (0, [0; 8]);
        let numbers = numbers();
        let mut own: Option<Box<dyn Peer>> = match &shareable.asked {
            Asked::Ours(frontend) => Some(Box::new(frontend.clone())),
            Asked::Tarpc(shared) => Some(Box::new(shared.caller())),
            Asked::Locked(_) => None,
        };
        while Instant::now() < end {
            for _ in 0..16 {
                calls += 1;
                stamp(&mut payload, numbers + calls);
                let reply = match (&mut own, &shareable.asked) {
                    (Some(own), _) => own.ask(&payload),
                    (None, Asked::Locked(peer)) => {
                        peer.lock().map_err(|error| error.to_string())?.ask(&payload)
                    }
                    (None, _) => unreachable!("what is not locked is cloned"),
                };
                let reply = reply.and_then(|reply| check(shareable.name, reply, digest(&payload)));
                reply.map_err(|error| error.to_string())?;
            }
        }
        Ok(calls)
    };
    let calls: Result<u64, String> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| "a caller panicked".to_owned())?).sum()
    });
    Ok(calls? as f64 / start.elapsed().as_secs_f64())
}
