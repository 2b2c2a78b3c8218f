//! Built without the feature `tokio`: an `impl Stream` needs it as an `async fn` does, and that is one error.

use worker_core::process_actor;

/// As anybody's stream is written.
pub trait Stream {
    type Item;
}

impl Stream for () {
    type Item = u64;
}

pub struct Feed;

#[process_actor]
impl Feed {
    pub fn new() -> Self {
        Self
    }

    pub fn numbers(&self) -> impl Stream<Item = u64> + '_ {} //~ or an `impl Stream` of an actor runs on tokio, which this build is without

    pub fn letters(&self) -> impl Stream<Item = u64> {}
}

fn main() {
    let feed = FeedFrontend::spawn().unwrap();
    let sum: Result<u64, _> = feed.numbers().unwrap().sum();
    drop(sum);
}
