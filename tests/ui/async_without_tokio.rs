//! Built without the feature `tokio`: one error for all `async` methods.

use worker_core::process_actor;

pub struct Fetcher;

#[process_actor]
impl Fetcher {
    pub fn new() -> Self {
        Self
    }

    pub async fn fetch(&self, url: &str) -> Vec<u8> { //~ an `async fn` or an `impl Stream` of an actor runs on tokio, which this build is without
        url.as_bytes().to_vec()
    }

    pub async fn refresh(&mut self) {}
}

fn main() {
    let fetcher = FetcherFrontend::spawn().unwrap();
    fetcher.refresh().unwrap();
    drop(fetcher.fetch("here"));
}
