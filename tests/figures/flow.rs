//! Figures of many calls under way: awaited calls, calls sent before the replies of others, one-way calls.
//! Not here: one call at a time (`calls`), and channels.
//! Layer: over `report`.

use std::collections::VecDeque;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use worker_core::{Pending, process_actor};

use crate::actor::CounterFrontend;
use crate::effort::Effort;
use crate::report::{Goal, Report, Row, Series, Unit};

/// Pause before each call from idle.
const PAUSE: Duration = Duration::from_millis(1);
/// Calls under way at one time, of one thread.
const WINDOW: usize = 512;
/// Calls of one round are so many times the values of a channel, which take longer.
const CALLS_PER_VALUE: u32 = 5;

/// Counts messages of 32 bytes.
pub struct Sink {
    count: u64,
}

#[process_actor]
impl Sink {
    /// One that has seen none.
    pub fn new() -> Self {
        Self { count: 0 }
    }

    /// Sees one.
    #[oneway]
    pub fn put(&mut self, message: [u64; 4]) {
        self.count += message[3];
    }

    /// Gives the number seen, and begins anew.
    pub fn take(&mut self) -> u64 {
        std::mem::take(&mut self.count)
    }
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let counter = CounterFrontend::spawn(0)?;
    let sink = SinkFrontend::spawn()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let calls = effort.values * CALLS_PER_VALUE;
    let [mut awaited, mut blocking, mut one, mut eight, mut one_way] = [const { Series(Vec::new()) }; 5];
    for _ in 0..effort.rounds {
        awaited.0.push(from_idle_us(effort.idle_calls, || runtime.block_on(counter.add_async(1)).is_ok()));
        blocking.0.push(from_idle_us(effort.idle_calls, || counter.add(1).is_ok()));
        one.0.push(pipelined_us(&counter, 1, calls));
        eight.0.push(pipelined_us(&counter, 8, calls));
        one_way.0.push(one_way_us(&sink, calls)?);
    }
    let tasks = awaited_together_us(&runtime, &counter, calls);
    let mut row = |figure: &str, ours, bare: Option<Series>, goal| {
        let bare = bare.map(|bare| ("blocking call".to_owned(), bare));
        report.rows.push(Row { figure: figure.to_owned(), unit: Unit::Microseconds, ours, bare, goal });
    };
    row("awaited call, after 1 ms idle", awaited, Some(blocking), Goal::Times(1.5));
    row("pipelined call, one thread", one.clone(), None, Goal::AtMost(1.0));
    row("pipelined call, eight threads", eight.clone(), None, Goal::AtMost(1.0));
    row("awaited call, many tasks", Series(vec![tasks]), None, Goal::None);
    row("one-way message of 32 bytes", one_way.clone(), None, Goal::AtMost(0.2));
    let million = |name: &str, series: &Series| (name.to_owned(), 1.0 / series.median());
    let numbers = vec![
        million("pipelined, one thread", &one),
        million("pipelined, eight", &eight),
        million("one-way, 32 bytes", &one_way),
    ];
    report.details.push(("millions a second".to_owned(), numbers));
    counter.stop()?;
    sink.stop()?;
    Ok(())
}

/// Median time of a call after a pause.
fn from_idle_us(calls: u32, mut call: impl FnMut() -> bool) -> f64 {
    let mut times_us = Series::default();
    for _ in 0..calls {
        thread::sleep(PAUSE);
        let start = Instant::now();
        assert!(call());
        times_us.0.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times_us.median()
}

fn per_call_us(start: Instant, calls: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

/// Time of a call, with many of each thread under way.
fn pipelined_us(counter: &CounterFrontend, threads: u32, calls: u32) -> f64 {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut under_way: VecDeque<Pending<i64>> = VecDeque::with_capacity(WINDOW);
                let mut last = i64::MIN;
                let mut check = |pending: Pending<i64>| {
                    let total = pending.wait().expect("the counter lives");
                    assert!(total > last, "{total} after {last}");
                    last = total;
                };
                for _ in 0..calls / threads {
                    if under_way.len() == WINDOW {
                        under_way.drain(..WINDOW / 2).for_each(&mut check);
                    }
                    under_way.push_back(counter.add_async(1));
                }
                under_way.into_iter().for_each(check);
            });
        }
    });
    per_call_us(start, calls)
}

/// Time of a call that is awaited, with as many tasks as a window has calls.
fn awaited_together_us(runtime: &Runtime, counter: &CounterFrontend, calls: u32) -> f64 {
    let start = Instant::now();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..WINDOW)
            .map(|_| {
                let counter = counter.clone();
                tokio::spawn(async move {
                    for _ in 0..calls as usize / WINDOW {
                        counter.add_async(1).await.expect("the counter lives");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no call fails");
        }
    });
    per_call_us(start, calls)
}

fn one_way_us(sink: &SinkFrontend, calls: u32) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    for number in 0..calls {
        sink.put([u64::from(number), 2, 3, 1])?;
    }
    assert_eq!(sink.take()?, u64::from(calls));
    Ok(per_call_us(start, calls))
}
