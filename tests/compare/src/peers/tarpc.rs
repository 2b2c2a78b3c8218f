//! tarpc over a Unix socket, with its bincode.
//! Not here: sockets by hand (`streams`).
//! Layer: a peer.

use std::os::unix::net::UnixStream;

use futures::StreamExt;
use serde_bytes::ByteBuf;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::LengthDelimitedCodec;
use tarpc::{context, serde_transport};

use super::streams::runtime;
use super::{Check, Contender, MIB, Outcome, Peer, Sort};
use crate::payload::digest;
use crate::system::Child;

#[tarpc::service]
trait Answers {
    async fn ask(payload: ByteBuf) -> u64;
    async fn echo(payload: ByteBuf) -> ByteBuf;
}

#[derive(Clone)]
struct Answerer;

impl Answers for Answerer {
    async fn ask(self, _: context::Context, payload: ByteBuf) -> u64 {
        digest(&payload)
    }
    async fn echo(self, _: context::Context, payload: ByteBuf) -> ByteBuf {
        payload
    }
}

/// A stream of frames of any length.
fn frames(
    stream: UnixStream,
) -> Outcome<tarpc::tokio_util::codec::Framed<tokio::net::UnixStream, LengthDelimitedCodec>> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::UnixStream::from_std(stream)?;
    Ok(LengthDelimitedCodec::builder().max_frame_length(usize::MAX).new_framed(stream))
}

async fn serve(stream: UnixStream) -> Outcome<()> {
    let transport = serde_transport::new(frames(stream)?, Bincode::default());
    let requests = BaseChannel::with_defaults(transport).execute(Answerer.serve());
    requests.for_each(|request| async { drop(tokio::spawn(request)) }).await;
    Ok(())
}

struct Client {
    runtime: tokio::runtime::Runtime,
    client: AnswersClient,
    _child: Child,
}

impl Peer for Client {
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        Ok(self.runtime.block_on(self.client.ask(context::current(), ByteBuf::from(payload)))?)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        check(&self.runtime.block_on(self.client.echo(context::current(), ByteBuf::from(payload)))?)
    }
}

/// A server for many threads, which is forked while this program has one, and nobody who calls it yet.
pub struct Unconnected {
    stream: UnixStream,
    child: Child,
}

/// A client that any thread may clone; one thread looks after its connection.
pub struct Shared {
    runtime: tokio::runtime::Handle,
    client: AnswersClient,
    // Dropped, it ends that thread.
    _until: tokio::sync::oneshot::Sender<()>,
    _child: Child,
}

/// What one thread calls it by.
pub struct Caller {
    runtime: tokio::runtime::Handle,
    client: AnswersClient,
}

impl Unconnected {
    /// While this program has one thread.
    pub fn start() -> Outcome<Self> {
        let (stream, theirs) = UnixStream::pair()?;
        let child = Child::fork(|| {
            let _ = runtime().expect("a runtime").block_on(serve(theirs));
        })?;
        Ok(Self { stream, child })
    }

    /// Starts its thread.
    pub fn connect(self) -> Outcome<Shared> {
        let runtime = runtime()?;
        let handle = runtime.handle().clone();
        let client = {
            let _inside = handle.enter();
            let transport = serde_transport::new(frames(self.stream)?, Bincode::default());
            AnswersClient::new(tarpc::client::Config::default(), transport).spawn()
        };
        let (until, end) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || runtime.block_on(end));
        Ok(Shared { runtime: handle, client, _until: until, _child: self.child })
    }
}

impl Shared {
    pub fn caller(&self) -> Caller {
        Caller { runtime: self.runtime.clone(), client: self.client.clone() }
    }
}

impl Peer for Caller {
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        Ok(self.runtime.block_on(self.client.ask(context::current(), ByteBuf::from(payload)))?)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        check(&self.runtime.block_on(self.client.echo(context::current(), ByteBuf::from(payload)))?)
    }
}

/// While this program has one thread.
pub fn start() -> Outcome<Contender> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Child::fork(|| {
        let _ = runtime().expect("a runtime").block_on(serve(theirs));
    })?;
    let pid = child.pid.as_raw();
    let runtime = runtime()?;
    let client = runtime.block_on(async {
        let transport = serde_transport::new(frames(ours)?, Bincode::default());
        Ok::<_, Box<dyn std::error::Error>>(
            AnswersClient::new(tarpc::client::Config::default(), transport).spawn(),
        )
    })?;
    let peer = Client { runtime, client, _child: child };
    Ok(Contender {
        name: "tarpc",
        sort: Sort::Public,
        peer: Box::new(peer),
        pid: Some(pid),
        largest: 16 * MIB,
        polls: false,
    })
}
