//! Clients that ask the server over real connections, check every answer, and keep the times.
//! Not here: the server.
//! Layer: an example.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::actors::DEADLY;

/// What came of the requests of one kind.
#[derive(Debug, Default)]
pub struct Tally {
    pub times: Vec<Duration>,
    /// A crash took the answer: of an input of this client, or of another's at the same moment.
    pub lost: u64,
    /// The request was never begun, and was sent again.
    pub again: u64,
}

impl Tally {
    /// Adds another client's.
    pub fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.lost += other.lost;
        self.again += other.again;
    }

    /// The time that so many of a hundred answers took at most.
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.times.sort_unstable();
        let place = self.times.len().saturating_sub(1) * percent / 100;
        self.times.get(place).copied().unwrap_or_default()
    }
}

/// The requests of one kind, or of all clients.
#[derive(Debug, Default)]
pub struct Tallies {
    pub words: Tally,
    pub deadly: Tally,
    pub quotes: Tally,
    /// Answers that come piece by piece.
    pub feeds: Tally,
}

/// One connection that is kept.
struct Client {
    sender: SendRequest<Full<Bytes>>,
}

type Failure = Box<dyn Error + Send + Sync>;

impl Client {
    async fn connect(server: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, String), Failure> {
        self.sender.ready().await?;
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let response = self.sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8(body.to_vec())?))
    }

    /// Asks until there is an answer; notes it, and how long it took.
    async fn ask_for(
        &mut self,
        tally: &mut Tally,
        request: (Method, &str, String),
        expected: Option<&str>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let (method, path, body) = request.clone();
            match self.ask(method, path, body).await? {
                (StatusCode::OK, answer) if Some(answer.as_str()) == expected => break,
                (StatusCode::BAD_GATEWAY, _) => {
                    tally.lost += 1;
                    if expected.is_none() {
                        break;
                    }
                }
                (StatusCode::SERVICE_UNAVAILABLE, _) => tally.again += 1,
                (status, answer) => return Err(format!("{status} {answer:?} instead of {expected:?}").into()),
            }
        }
        tally.times.push(start.elapsed());
        Ok(())
    }
}

/// Sends so many rounds of requests, each answered before the next; one round in 25 has a deadly one.
pub async fn client(server: SocketAddr, number: u32, rounds: u32) -> Result<Tallies, Failure> {
    let mut tallies = Tallies::default();
    let mut client = Client::connect(server).await?;
    for round in 0..rounds {
        let words = "word ".repeat(1 + (round % 50) as usize);
        let expected = (1 + round % 50).to_string();
        client.ask_for(&mut tallies.words, (Method::POST, "/words", words), Some(&expected)).await?;
        let quote = format!("/quotes/{round}");
        let expected = format!("quote {round}");
        client.ask_for(&mut tallies.quotes, (Method::GET, &quote, String::new()), Some(&expected)).await?;
        if round % 10 == 0 {
            let feed = format!("/feed/{round}/3");
            let expected: String = (round..round + 3).map(|number| format!("quote {number}\n")).collect();
            client.ask_for(&mut tallies.feeds, (Method::GET, &feed, String::new()), Some(&expected)).await?;
        }
        if (round + number) % 25 == 24 {
            let deadly = (Method::POST, "/words", DEADLY.to_owned());
            client.ask_for(&mut tallies.deadly, deadly, None).await?;
        }
    }
    Ok(tallies)
}
