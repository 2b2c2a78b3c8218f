//! An axum server whose handlers await calls of backends.
//! Not here: the backends (`actors`), and who asks (`load`).
//! Layer: an example.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures_util::stream::StreamExt;
use worker_core::{Builder, CallError, Restart, SpawnError};

use super::actors::{QuotesFrontend, VisitsFrontend, WordsFrontend};

/// The backends, as every handler has them. Clones share the processes.
#[derive(Clone, Debug)]
pub struct Backends {
    /// Is restarted when an input has crashed it.
    pub words: WordsFrontend,
    pub quotes: QuotesFrontend,
    pub visits: VisitsFrontend,
}

impl Backends {
    /// Starts the three processes.
    pub fn spawn() -> Result<Self, SpawnError> {
        let restart = Restart::on_crash().max(100_000).backoff(Duration::ZERO);
        let crashing = Builder::new().name("words").restart(restart);
        Ok(Self {
            words: WordsFrontend::spawn_with(&crashing)?,
            quotes: QuotesFrontend::spawn_with(&Builder::new().name("quotes"))?,
            visits: VisitsFrontend::spawn_with(&Builder::new().name("visits"))?,
        })
    }
}

/// The routes of the server.
pub fn routes(backends: Backends) -> Router {
    Router::new()
        .route("/words", post(words))
        .route("/quotes/{number}", get(quote))
        .route("/feed/{from}/{count}", get(feed))
        .route("/visits", get(visits))
        .with_state(backends)
}

type Answer = Result<String, (StatusCode, String)>;

async fn words(State(backends): State<Backends>, text: String) -> Answer {
    backends.visits.enter().map_err(refusal)?;
    let count = backends.words.count_async(&text).await.map_err(refusal)?;
    Ok(count.to_string())
}

async fn quote(State(backends): State<Backends>, Path(number): Path<u32>) -> Answer {
    backends.visits.enter().map_err(refusal)?;
    backends.quotes.fetch_async(number).await.map_err(refusal)
}

/// The stream of the backend is the body of the answer. A client that goes away ends it, over there too.
async fn feed(
    State(backends): State<Backends>,
    Path((from, count)): Path<(u32, usize)>,
) -> Result<Body, (StatusCode, String)> {
    backends.visits.enter().map_err(refusal)?;
    let feed = backends.quotes.feed(from).map_err(refusal)?;
    Ok(Body::from_stream(StreamExt::take(feed, count)))
}

async fn visits(State(backends): State<Backends>) -> Answer {
    let count = backends.visits.count_async().await.map_err(refusal)?;
    Ok(count.to_string())
}

/// What a client is told: whether to try again is up to it, where nobody knows what was done.
fn refusal(error: CallError) -> (StatusCode, String) {
    let status = if error.is_safe_to_retry() {
        StatusCode::SERVICE_UNAVAILABLE
    } else if matches!(error, CallError::Exited(_)) {
        StatusCode::BAD_GATEWAY
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    (status, error.to_string())
}
