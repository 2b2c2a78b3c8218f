//! The three backends behind the server: one that crashes on some inputs, one that waits a lot, one that counts.
//! Not here: HTTP.
//! Layer: an example.

use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use worker_core::process_actor;

/// Counts words, and stands for a library that crashes on some inputs.
pub struct Words;

/// Ends the process that counts it.
pub const DEADLY: &str = "\u{0}";

#[process_actor]
impl Words {
    /// A counter of words.
    pub fn new() -> Self {
        Self
    }

    /// How many words a text has.
    pub fn count(&self, text: &str) -> usize {
        if text.contains(DEADLY) {
            // No panic, which would come back as an error: the end of a process, as by a wild pointer.
            std::process::abort();
        }
        text.split_whitespace().count()
    }
}

/// Fetches quotes from far away: many at a time, for each only waits.
pub struct Quotes;

#[process_actor]
impl Quotes {
    /// A fetcher of quotes.
    pub fn new() -> Self {
        Self
    }

    /// The quote of that number.
    pub async fn fetch(&self, number: u32) -> String {
        tokio::time::sleep(Duration::from_millis(2)).await;
        format!("quote {number}")
    }

    /// Quotes from that number on, one a line, each as soon as it is there.
    pub fn feed(&self, from: u32) -> impl Stream<Item = String> + '_ {
        stream::iter(from..).then(async |number| self.fetch(number).await + "\n")
    }
}

/// Keeps the books of all requests.
pub struct Visits {
    count: u64,
}

#[process_actor]
impl Visits {
    /// Books without an entry.
    pub fn new() -> Self {
        Self { count: 0 }
    }

    /// Enters a visit.
    #[oneway]
    pub fn enter(&mut self) {
        self.count += 1;
    }

    /// Visits so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}
