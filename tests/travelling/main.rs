//! Frontends as arguments and results: whoever gets one holds the actor, over a link of its own.
//! Not here: calls that wait on themselves (`deadlocks`), and order among many holders (`order`).
//! Layer: the public surface.

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod giving;
mod lives;

use std::time::Duration;
use std::{process, thread};

use serde::{Deserialize, Serialize};
use worker_core::{Builder, CallError, Context, ExitReason, Link, Remote, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

fn over(link: Link) -> Builder {
    Builder::new().link(link)
}

pub struct Counter {
    total: i64,
    ticks: u64,
}

#[process_actor]
impl Counter {
    pub fn new(start: i64) -> Self {
        Self { total: start, ticks: 0 }
    }

    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }

    #[oneway]
    pub fn add_later(&mut self, n: i64) {
        self.total += n;
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }

    pub fn tick(&self, context: &Context<Self>) {
        let _ = context.every(Duration::from_millis(1), |counter, _| counter.ticks += 1);
    }

    pub fn last(&self, context: &Context<Self>, count: usize) -> Vec<u8> {
        context.stop();
        vec![7; count]
    }

    pub fn bytes(&self, count: usize) -> Vec<u8> {
        vec![7; count]
    }

    pub fn add_all<T: Serialize + for<'a> Deserialize<'a> + Into<i64>>(&mut self, numbers: Vec<T>) -> i64 {
        numbers.into_iter().for_each(|number| self.total += number.into());
        self.total
    }

    pub fn abort(&self) {
        process::abort()
    }

    pub fn nap(&self, milliseconds: u64) {
        thread::sleep(Duration::from_millis(milliseconds));
    }
}

/// Frontends inside of a value of the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Team {
    name: String,
    members: Vec<CounterFrontend>,
    watched: Option<Remote>,
}

/// Holds actors that others have made.
#[derive(Default)]
pub struct Holder {
    held: Vec<CounterFrontend>,
    team: Option<Team>,
    pending: Vec<worker_core::Pending<Vec<u8>>>,
}

#[process_actor]
impl Holder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn holding(counter: CounterFrontend) -> Self {
        Self { held: vec![counter], ..Self::default() }
    }

    pub fn take(&mut self, counter: CounterFrontend) {
        self.held.push(counter);
    }

    pub fn take_team(&mut self, team: Team) -> usize {
        self.team.insert(team).members.len()
    }

    pub fn team(&self) -> Option<Team> {
        self.team.clone()
    }

    pub fn team_total(&self) -> Result<i64, String> {
        let team = self.team.as_ref().ok_or("no team")?;
        team.members.iter().map(|member| member.add(1).map_err(|error| error.to_string())).sum()
    }

    pub fn add(&self, n: i64) -> Result<i64, String> {
        let counter = self.held.last().ok_or("nothing is held")?;
        counter.add(n).map_err(|error| format!("{error:?}"))
    }

    pub fn add_many(&self, times: u32) -> Result<(), String> {
        (0..times).try_for_each(|_| self.add(1).map(drop))
    }

    pub fn add_generic(&self) -> Result<i64, String> {
        self.held[0].add_all(vec![1_i32, 2, 3]).map_err(|error| error.to_string())
    }

    pub fn give(&self) -> Option<CounterFrontend> {
        self.held.last().cloned()
    }

    pub fn pass_on(&self, to: HolderFrontend) -> Result<(), String> {
        to.take(self.held.last().ok_or("nothing is held")?.clone()).map_err(|error| error.to_string())
    }

    pub fn drop_all(&mut self) {
        self.held.clear();
        self.team = None;
        self.pending.clear();
    }

    pub fn view(&self) -> (u32, String, bool, u64) {
        let process = self.held.last().unwrap().process();
        (process.pid(), process.name().to_owned(), process.is_alive(), process.usage().resident)
    }

    pub fn kill(&self) -> ExitReason {
        let process = self.held.last().unwrap().process();
        process.kill().unwrap();
        process.wait().reason
    }

    pub fn wait(&self) -> ExitReason {
        self.held.last().unwrap().process().wait().reason
    }

    pub fn stop_it(&self) -> Result<ExitReason, String> {
        self.held.last().unwrap().stop().map(|exit| exit.reason).map_err(|error| error.to_string())
    }

    /// Makes calls whose replies do not fit anywhere, and takes none of them in.
    pub fn ask_too_much(&mut self, calls: usize, bytes: usize) {
        let counter = self.held.last().unwrap();
        self.pending.extend((0..calls).map(|_| counter.bytes_async(bytes)));
    }

    pub fn take_in(&mut self) -> usize {
        self.pending.drain(..).map(|pending| pending.wait().unwrap().len()).sum()
    }

    pub fn busy_add(&self) -> Result<String, String> {
        let counter = self.held.last().unwrap().with_timeout(Duration::from_millis(20));
        match counter.nap(60_000) {
            Err(CallError::TimedOut { killed }) => Ok(format!("killed: {killed}")),
            other => Err(format!("{other:?}")),
        }
    }

    pub fn nap(&self) -> Result<(), String> {
        self.held.last().unwrap().nap(2_000).map_err(|error| format!("{error:?}"))
    }

    pub fn abort(&self) {
        process::abort()
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }
}
