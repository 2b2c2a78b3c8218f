//! A source, workers and a collector, each in its own process, connected directly by channels.
//!
//! `cargo run --example pipeline`
//!
//! ```text
//!             +-> worker 0 -+
//!   source ---+-> worker 1 -+--> collector ---> this program hears of the progress
//!             +-> worker 2 -+
//! ```
//!
//! The program makes the channels and hands out their ends; no value passes through it. In the middle it kills a worker:
//! what the source had not sent yet goes to the others, what was in the dead worker's channel is missing, and the collector says
//! what that is. A second round does just that.

use std::collections::BTreeMap;
use std::error::Error;

use serde::{Deserialize, Serialize};
use worker_core::{Receiver, Sender, channel, process_actor, stop_all};

const JOBS: u64 = 10_000;
const WORKERS: usize = 3;

/// A number and how long it takes to come down to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Solved {
    number: u64,
    steps: u32,
    /// Process id of the worker.
    by: u32,
}

/// Deals numbers out to whoever takes them.
pub struct Source;

#[process_actor]
impl Source {
    /// Makes a source.
    pub fn new() -> Self {
        Self
    }

    /// Sends each job to one of the workers; gives how many had to go to another one than planned.
    pub fn deal(&self, jobs: Vec<u64>, mut workers: Vec<Sender<u64>>) -> Result<u64, String> {
        let mut rerouted = 0;
        for (turn, mut job) in jobs.into_iter().enumerate() {
            loop {
                let count = workers.len();
                let place = turn.checked_rem(count).ok_or("no worker is left")?;
                match workers[place].send(job) {
                    Ok(()) => break,
                    // The value comes back, and the worker does not.
                    Err(error) => {
                        job = error.into_inner();
                        workers.swap_remove(place);
                        rerouted += 1;
                    }
                }
            }
        }
        Ok(rerouted)
    }
}

/// Follows numbers down to 1: half of an even one, three times an odd one and one.
pub struct Worker;

#[process_actor]
impl Worker {
    /// Makes a worker.
    pub fn new() -> Self {
        Self
    }

    /// Solves what comes until there is no more, or nobody wants it.
    #[oneway]
    pub fn solve(&self, jobs: Receiver<u64>, results: Sender<Solved>) {
        for number in jobs {
            let solved = Solved { number, steps: steps_of(number), by: std::process::id() };
            if results.send(solved).is_err() {
                return;
            }
        }
    }
}

fn steps_of(number: u64) -> u32 {
    let next = |&number: &u64| {
        (number > 1).then(|| if number.is_multiple_of(2) { number / 2 } else { 3 * number + 1 })
    };
    let steps = std::iter::successors(Some(number), next).count() - 1;
    u32::try_from(steps).unwrap_or(u32::MAX)
}

/// Keeps what the workers found.
pub struct Collector {
    solved: BTreeMap<u64, Solved>,
}

/// What there is after a round.
#[derive(Debug, Serialize, Deserialize)]
pub struct Account {
    longest: Solved,
    by_worker: BTreeMap<u32, u64>,
    missing: Vec<u64>,
}

#[process_actor]
impl Collector {
    /// Makes a collector.
    pub fn new() -> Self {
        Self { solved: BTreeMap::new() }
    }

    /// Collects until every worker is done or dead.
    pub fn collect(&mut self, results: Receiver<Solved>, progress: Sender<usize>) -> Option<Account> {
        for solved in results {
            self.solved.insert(solved.number, solved);
            let _ = progress.send(self.solved.len());
        }
        let longest = *self.solved.values().max_by_key(|solved| (solved.steps, solved.number))?;
        let mut by_worker = BTreeMap::new();
        for solved in self.solved.values() {
            *by_worker.entry(solved.by).or_default() += 1;
        }
        let missing = (1..=JOBS).filter(|number| !self.solved.contains_key(number)).collect();
        Some(Account { longest, by_worker, missing })
    }
}

/// Connects everybody and runs the jobs; kills a worker when so many are done.
fn round(
    source: &SourceFrontend,
    workers: &[WorkerFrontend],
    collector: &CollectorFrontend,
    jobs: Vec<u64>,
    kill_at: Option<usize>,
) -> Result<Account, Box<dyn Error>> {
    let (results, collected) = channel()?;
    let mut to_workers = Vec::new();
    for worker in workers {
        let (sender, receiver) = channel()?;
        worker.solve(receiver, results.clone())?;
        to_workers.push(sender);
    }
    // The collection ends with the last sender, and ours counts.
    drop(results);
    let (progress, seen) = channel()?;
    let account = collector.collect_async(collected, progress);
    let dealt = source.deal_async(jobs, to_workers);
    for count in &seen {
        if Some(count) == kill_at {
            println!("{count} are solved; worker {} is killed", workers[1].process().pid());
            workers[1].process().kill()?;
        }
    }
    println!("the source sent {} to another worker than planned", dealt.wait()?);
    account.wait()?.ok_or_else(|| "nothing was solved".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let source = SourceFrontend::spawn()?;
    let collector = CollectorFrontend::spawn()?;
    let mut workers = (0..WORKERS).map(|_| WorkerFrontend::spawn()).collect::<Result<Vec<_>, _>>()?;

    let kill_at = usize::try_from(JOBS)? / 3;
    let account = round(&source, &workers, &collector, (1..=JOBS).collect(), Some(kill_at))?;
    println!("{} numbers went down with that worker, and are sent again", account.missing.len());
    assert!(!workers[1].process().is_alive() && account.by_worker.len() == WORKERS);

    workers.remove(1);
    let account = round(&source, &workers, &collector, account.missing, None)?;
    for (pid, count) in &account.by_worker {
        println!("worker {pid} solved {count:5}");
    }
    let Solved { number, steps, .. } = account.longest;
    println!("of the numbers up to {JOBS}, {number} takes longest to come down to 1: {steps} steps");
    assert!(account.missing.is_empty(), "nothing is missing");
    assert_eq!((number, steps), (6171, 261));
    assert_eq!(account.by_worker.values().sum::<u64>(), JOBS);

    let remotes = workers.iter().map(|worker| &**worker).chain([&*source, &*collector]);
    for exit in stop_all(remotes) {
        assert!(exit?.is_clean());
    }
    Ok(())
}
