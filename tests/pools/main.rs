//! Pools: leases, hooks, growing and shrinking, spares, recycling, and what becomes of all that when processes end.
//! Not here: maps over inputs (`pool_maps`).
//! Layer: tests only, through the public surface.

#[path = "../support/mod.rs"]
mod support;

mod awaiting;
mod leases;
mod making;
mod replacing;
mod stopping;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use worker_core::{Builder, Context, Departure, Pool, PoolBuilder, process_actor};

/// Notes what is done to it.
pub struct Session {
    steps: Vec<String>,
    ballast: Vec<u8>,
    fragile: Option<String>,
}

#[process_actor]
impl Session {
    pub fn new() -> Self {
        Self { steps: Vec::new(), ballast: Vec::new(), fragile: None }
    }

    pub fn slow(time: Duration) -> Self {
        thread::sleep(time);
        Self::new()
    }

    pub fn failing(error: String) -> Result<Self, String> {
        Err(error)
    }

    #[activate]
    fn fresh(&mut self, context: &Context<Self>) {
        self.break_at("activate");
        self.steps.push(format!("activate {}", context.name()));
    }

    #[deactivate]
    fn idle(&mut self) {
        self.break_at("deactivate");
        self.steps.push("deactivate".to_owned());
    }

    fn break_at(&self, place: &str) {
        match self.fragile.as_deref().and_then(|fragile| fragile.strip_prefix(place)) {
            Some(" panic") => panic!("at {place}"),
            Some(" abort") => std::process::abort(),
            _ => {}
        }
    }

    pub fn fragile(&mut self, how: &str) {
        self.fragile = Some(how.to_owned());
    }

    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    pub fn steps(&self) -> Vec<String> {
        self.steps.clone()
    }

    pub fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }

    #[oneway]
    pub fn doze(&self, time: Duration) {
        thread::sleep(time);
    }

    pub fn grow(&mut self, bytes: usize) {
        self.ballast = vec![1; bytes];
    }

    pub fn abort(&self) {
        std::process::abort();
    }
}

/// Waits before it ends.
pub struct Lingerer(Duration);

#[process_actor]
impl Lingerer {
    pub fn new(time: Duration) -> Self {
        Self(time)
    }

    #[stopped]
    fn linger(&mut self) {
        thread::sleep(self.0);
    }

    pub fn hang(&self) {
        loop {
            thread::park();
        }
    }
}

type Departures = Arc<Mutex<Vec<Departure>>>;

fn builder() -> PoolBuilder<SessionFrontend> {
    Pool::builder().process(Builder::new().name("session"))
}

fn spawn(builder: PoolBuilder<SessionFrontend>) -> Pool<SessionFrontend> {
    builder.spawn(SessionFrontend::spawn_with).expect("a pool")
}

/// A pool that writes down who leaves it.
fn watched(builder: PoolBuilder<SessionFrontend>) -> (Pool<SessionFrontend>, Departures) {
    let departures = Departures::default();
    let noted = Arc::clone(&departures);
    let listener = move |departure: &Departure| noted.lock().unwrap().push(departure.clone());
    (spawn(builder.on_departure(listener)), departures)
}
