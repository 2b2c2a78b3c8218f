//! An axum server whose handlers await calls of several backends, one of which crashes on some inputs and is
//! restarted. It asks itself over HTTP, from many connections, and tells what came of it.
//!
//! `cargo run --release --example async_web -- [--serve]`; with `--serve` it waits for your requests instead:
//! `curl localhost:PORT/quotes/1`, `curl -N localhost:PORT/feed/1/100`, `curl -d 'two words' localhost:PORT/words`.

#[path = "async_web/actors.rs"]
mod actors;
#[path = "async_web/load.rs"]
mod load;
#[path = "async_web/server.rs"]
mod server;

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::serve::ListenerExt as _;
use load::{Tallies, Tally};
use server::Backends;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Connections at one time, and rounds of requests on each.
const CLIENTS: u32 = 16;
const ROUNDS: u32 = 200;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let backends = Backends::spawn()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // Or the second piece of a feed waits for the client's word on the first.
    let listener = listener.tap_io(|connection| connection.set_nodelay(true).unwrap_or_default());
    let server = axum::serve(listener, server::routes(backends.clone()));
    println!("serving on http://{address}");
    match std::env::args().nth(1).as_deref() {
        Some("--serve") => return Ok(server.await?),
        Some(other) => return Err(format!("unknown option `{other}`: `--serve` is all there is").into()),
        None => {}
    }
    tokio::spawn(async move { server.await });
    let start = Instant::now();
    let tallies = load(address, CLIENTS, ROUNDS).await?;
    report(tallies, start.elapsed(), &backends);
    Ok(())
}

/// What all clients saw.
async fn load(
    server: SocketAddr,
    clients: u32,
    rounds: u32,
) -> Result<Tallies, Box<dyn Error + Send + Sync>> {
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        tasks.spawn(load::client(server, number, rounds));
    }
    let mut all = Tallies::default();
    while let Some(tallies) = tasks.join_next().await {
        let tallies = tallies??;
        all.words.add(tallies.words);
        all.deadly.add(tallies.deadly);
        all.quotes.add(tallies.quotes);
        all.feeds.add(tallies.feeds);
    }
    Ok(all)
}

fn report(tallies: Tallies, elapsed: Duration, backends: &Backends) {
    let Tallies { words, deadly, quotes, feeds } = tallies;
    let total = [&words, &deadly, &quotes, &feeds].iter().map(|tally| tally.times.len()).sum::<usize>();
    println!("{total} requests over {CLIENTS} connections in {elapsed:.2?}, words restarted {} times", {
        backends.words.process().restarts()
    });
    println!(
        "{:10} {:>8} {:>12} {:>12} {:>14} {:>12}",
        "", "answered", "median", "99 of 100", "lost in crash", "sent again"
    );
    for (name, mut tally) in [("words", words), ("deadly", deadly), ("quotes", quotes), ("feeds", feeds)] {
        let Tally { lost, again, .. } = tally;
        let (median, most) = (tally.percentile(50), tally.percentile(99));
        let answered = tally.times.len();
        println!("{name:10} {answered:>8} {median:>12.2?} {most:>12.2?} {lost:>14} {again:>12}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_request_is_answered_rightly_while_a_backend_crashes() {
        let backends = Backends::spawn().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, server::routes(backends)).await });
        let tallies = load(address, 8, 50).await.unwrap();
        assert_eq!((tallies.words.times.len(), tallies.quotes.times.len()), (400, 400));
        assert_eq!((tallies.deadly.times.len(), tallies.feeds.times.len()), (16, 40));
        assert!(tallies.deadly.lost >= 16 && tallies.quotes.lost == 0, "{tallies:?}");
        server.abort();
    }
}
