//! Long work in several processes, shown as progress bars: each backend gets a `Sender` as an argument.
//!
//! `cargo run --example progress`
//!
//! Four actors count primes, each in its own range, and tell how far they are. One `Select` listens to all of them, to
//! their results, and to their deaths: one of them is killed at half its way, and another takes over its range.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use worker_core::select::Key;
use worker_core::{CallError, Pending, Receiver, Select, Sender, channel_with_capacity, process_actor};

/// Numbers up to which primes are counted.
const LIMIT: u64 = 2_000_000;
/// How many of them there are, as any table says.
const PRIMES: u64 = 148_933;
const COUNTERS: u64 = 4;
/// Numbers between two events.
const STEP: u64 = 4_000;
/// Room for events that nobody has read yet: fewer than a counter has to tell in the second half of its way. So none is
/// at its end before it is seen half way, however long nobody looks.
const EVENTS_BYTES: usize = 64 << 10;

/// What a counter tells while it works.
#[derive(Debug, Serialize, Deserialize)]
pub enum Event {
    /// So many numbers are done.
    Done(u64),
    /// A remark for people.
    Note(String),
}

/// Counts primes in its own process.
pub struct Counter;

#[process_actor]
impl Counter {
    /// Makes a counter.
    pub fn new() -> Self {
        Self
    }

    /// Counts the primes from `first` up to, but without, `end`.
    pub fn count(&self, first: u64, end: u64, events: Sender<Event>) -> u64 {
        let mut primes = 0;
        for start in (first..end).step_by(usize::try_from(STEP).unwrap_or(usize::MAX)) {
            let part: Vec<u64> = (start..end.min(start + STEP)).filter(|&number| is_prime(number)).collect();
            primes += part.len() as u64;
            // Whether anybody watches is not a counter's concern.
            let _ = events.send(Event::Done(end.min(start + STEP) - first));
            if let Some(largest) = part.last() {
                let _ = events.send(Event::Note(format!("{primes} primes, the last is {largest}")));
            }
        }
        primes
    }
}

fn is_prime(number: u64) -> bool {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= number);
    number >= 2 && !divisors.any(|divisor| number.is_multiple_of(divisor))
}

/// A range that somebody works on.
struct Task {
    counter: CounterFrontend,
    range: (u64, u64),
    events: Receiver<Event>,
    result: Option<Pending<u64>>,
    bar: ProgressBar,
    is_doomed: bool,
}

impl Task {
    fn begin(range: (u64, u64), bar: ProgressBar, is_doomed: bool) -> Result<Self, Box<dyn Error>> {
        let counter = CounterFrontend::spawn()?;
        let (sender, events) = channel_with_capacity(EVENTS_BYTES)?;
        let result = Some(counter.count_async(range.0, range.1, sender));
        bar.set_prefix(format!("pid {}", counter.process().pid()));
        Ok(Self { counter, range, events, result, bar, is_doomed })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let bars = MultiProgress::new();
    let style = ProgressStyle::with_template("{prefix:12} [{bar:40}] {pos:>7}/{len} {msg}")?;
    let share = LIMIT / COUNTERS;
    let mut tasks = Vec::new();
    for number in 0..COUNTERS {
        let bar = bars.add(ProgressBar::new(share).with_style(style.clone()));
        tasks.push(Task::begin((number * share, (number + 1) * share), bar, number == 2)?);
    }

    let mut select = Select::new();
    let (mut of_events, mut of_results) = (HashMap::new(), HashMap::new());
    for (index, task) in tasks.iter().enumerate() {
        enter(&mut select, &mut of_events, &mut of_results, index, task);
    }
    let patience = select.after(Duration::from_secs(600));
    let (mut total, mut event_count, mut takeovers) = (0, 0, 0);
    while !of_results.is_empty() {
        let key = select.wait()?;
        if let Some(&index) = of_events.get(&key) {
            let task = &mut tasks[index];
            match task.events.try_recv() {
                Ok(Some(Event::Done(numbers))) => {
                    event_count += 1;
                    task.bar.set_position(numbers);
                    if task.is_doomed && numbers * 2 >= share {
                        task.is_doomed = false;
                        task.counter.process().kill()?;
                    }
                }
                Ok(Some(Event::Note(text))) => task.bar.set_message(text),
                Ok(None) => {}
                // No sender is left: the counter is done, or dead.
                Err(_) => {
                    select.remove(key);
                }
            }
        } else if let Some(index) = of_results.remove(&key) {
            let task = &mut tasks[index];
            match task.result.take().map(Pending::wait) {
                Some(Ok(primes)) => {
                    total += primes;
                    task.bar.finish();
                }
                Some(Err(CallError::Exited(exit))) => {
                    takeovers += 1;
                    task.bar.set_message(format!("{exit}; another takes over"));
                    tasks[index] = Task::begin(task.range, task.bar.clone(), false)?;
                    enter(&mut select, &mut of_events, &mut of_results, index, &tasks[index]);
                }
                Some(Err(error)) => return Err(error.into()),
                None => {}
            }
        } else if key == patience {
            return Err("ten minutes are enough".into());
        }
    }
    println!("{total} primes below {LIMIT}, counted by {COUNTERS} processes and {takeovers} that took over");
    println!("{event_count} events on the way");
    assert_eq!((total, takeovers), (PRIMES, 1));
    Ok(())
}

/// Listens to a task.
fn enter(
    select: &mut Select<'_>,
    of_events: &mut HashMap<Key, usize>,
    of_results: &mut HashMap<Key, usize>,
    index: usize,
    task: &Task,
) {
    of_events.insert(select.add(&task.events), index);
    if let Some(result) = &task.result {
        of_results.insert(select.add(result), index);
    }
}
