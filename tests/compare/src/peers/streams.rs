//! Byte streams of the kernel, by hand: pipes, a Unix socket, and a Unix socket under tokio with bincode.
//! Not here: libraries over them.
//! Layer: peers.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use nix::unistd::pipe;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Check, Contender, Outcome, Peer, Sort};
use crate::payload::digest;
use crate::system::Child;

const ASK: u64 = 0;
const ECHO: u64 = 1 << 56;
const THROW: u64 = 2 << 56;
const CAUGHT: u64 = 3 << 56;
const KINDS: u64 = 0xff << 56;

/// Two ends of a byte stream, and a message of 8 bytes of head and its payload.
struct Stream<R, W> {
    reader: R,
    writer: W,
    buffer: Vec<u8>,
    _child: Option<Child>,
}

impl<R: Read, W: Write> Stream<R, W> {
    fn send(&mut self, kind: u64, payload: &[u8]) -> io::Result<()> {
        let head = (payload.len() as u64 | kind).to_le_bytes();
        if payload.len() <= 4096 {
            // One system call for what is small.
            self.buffer.clear();
            self.buffer.extend_from_slice(&head);
            self.buffer.extend_from_slice(payload);
            return self.writer.write_all(&self.buffer);
        }
        self.writer.write_all(&head)?;
        self.writer.write_all(payload)
    }

    fn receive_word(&mut self) -> io::Result<u64> {
        let mut word = [0; 8];
        self.reader.read_exact(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn receive(&mut self) -> io::Result<u64> {
        let head = self.receive_word()?;
        self.buffer.resize((head & !KINDS) as usize, 0);
        self.reader.read_exact(&mut self.buffer)?;
        Ok(head & KINDS)
    }

    fn serve(mut self) -> io::Result<()> {
        let mut caught = 0;
        loop {
            match self.receive()? {
                ASK => {
                    let reply = digest(&self.buffer).to_le_bytes();
                    self.writer.write_all(&reply)?;
                }
                ECHO => {
                    let payload = std::mem::take(&mut self.buffer);
                    self.writer.write_all(&(payload.len() as u64).to_le_bytes())?;
                    self.writer.write_all(&payload)?;
                    self.buffer = payload;
                }
                THROW => caught += self.buffer.first_chunk().map_or(0, |first| u64::from_le_bytes(*first)),
                _ => self.writer.write_all(&u64::to_le_bytes(caught))?,
            }
        }
    }
}

impl<R: Read, W: Write> Peer for Stream<R, W> {
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        self.send(ASK, payload)?;
        Ok(self.receive_word()?)
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        self.send(ECHO, payload)?;
        self.receive()?;
        check(&self.buffer)
    }

    fn throw(&mut self, message: &[u8; 32]) -> Outcome<bool> {
        self.send(THROW, message)?;
        Ok(true)
    }

    fn caught(&mut self) -> Outcome<u64> {
        self.send(CAUGHT, &[])?;
        Ok(self.receive_word()?)
    }
}

fn contender(name: &'static str, sort: Sort, pid: i32, peer: impl Peer + 'static) -> Contender {
    Contender { name, sort, peer: Box::new(peer), pid: Some(pid), largest: usize::MAX, polls: false }
}

fn start_pipes() -> Outcome<(i32, Stream<File, File>)> {
    let ((their_reader, writer), (reader, their_writer)) = (pipe()?, pipe()?);
    let child = Child::fork(|| {
        let (reader, writer) = (File::from(their_reader), File::from(their_writer));
        let _ = Stream { reader, writer, buffer: Vec::new(), _child: None }.serve();
    })?;
    let pid = child.pid.as_raw();
    let pipes = Stream {
        reader: File::from(reader),
        writer: File::from(writer),
        buffer: Vec::new(),
        _child: Some(child),
    };
    Ok((pid, pipes))
}

/// Pipes for callers that take turns.
pub fn start_shared() -> Outcome<Box<dyn Peer + Send>> {
    Ok(Box::new(start_pipes()?.1))
}

/// A socket under tokio for callers that take turns.
pub fn start_shared_by_hand() -> Outcome<Box<dyn Peer + Send>> {
    Ok(Box::new(start_by_hand()?.1))
}

fn start_by_hand() -> Outcome<(i32, ByHand)> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Child::fork(|| {
        let _ = runtime().expect("a runtime").block_on(serve_by_hand(theirs));
    })?;
    Ok((child.pid.as_raw(), ByHand::new(ours, child)?))
}

/// While this program has one thread.
pub fn start() -> Outcome<Vec<Contender>> {
    let (pid, pipes) = start_pipes()?;
    let pipes = contender("bare pipe", Sort::Bare, pid, pipes);

    let (ours, theirs) = UnixStream::pair()?;
    let child = Child::fork(|| {
        let reader = theirs.try_clone().expect("a descriptor");
        let _ = Stream { reader, writer: theirs, buffer: Vec::new(), _child: None }.serve();
    })?;
    let pid = child.pid.as_raw();
    let socket = Stream { reader: ours.try_clone()?, writer: ours, buffer: Vec::new(), _child: Some(child) };
    let socket = contender("bare Unix socket", Sort::Bare, pid, socket);

    let (pid, by_hand) = start_by_hand()?;
    let by_hand = contender("tokio + bincode by hand", Sort::Public, pid, by_hand);
    Ok(vec![pipes, socket, by_hand])
}

/// What is sent by hand under tokio.
#[derive(Serialize)]
enum Request<'a> {
    Ask(&'a Bytes),
    Echo(&'a Bytes),
    Throw([u64; 4]),
    Caught,
}

#[derive(Deserialize)]
enum Received {
    Ask(ByteBuf),
    Echo(ByteBuf),
    Throw([u64; 4]),
    Caught,
}

#[derive(Serialize, Deserialize)]
enum Reply {
    Number(u64),
    Payload(ByteBuf),
}

pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

struct ByHand {
    runtime: tokio::runtime::Runtime,
    stream: tokio::net::UnixStream,
    _child: Child,
}

async fn write_message<T: Serialize>(stream: &mut tokio::net::UnixStream, message: &T) -> Outcome<()> {
    let mut bytes = vec![0; 8];
    bincode::serde::encode_into_std_write(message, &mut bytes, bincode::config::standard())?;
    let length = bytes.len() as u64 - 8;
    bytes[..8].copy_from_slice(&length.to_le_bytes());
    Ok(stream.write_all(&bytes).await?)
}

async fn read_message<T: for<'de> Deserialize<'de>>(stream: &mut tokio::net::UnixStream) -> Outcome<T> {
    let length = stream.read_u64_le().await?;
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await?;
    Ok(bincode::serde::decode_from_slice(&bytes, bincode::config::standard())?.0)
}

async fn serve_by_hand(stream: UnixStream) -> Outcome<()> {
    stream.set_nonblocking(true)?;
    let mut stream = tokio::net::UnixStream::from_std(stream)?;
    let mut caught = 0;
    loop {
        let reply = match read_message(&mut stream).await? {
            Received::Ask(payload) => Reply::Number(digest(&payload)),
            Received::Echo(payload) => Reply::Payload(payload),
            Received::Throw(message) => {
                caught += message[0];
                continue;
            }
            Received::Caught => Reply::Number(caught),
        };
        write_message(&mut stream, &reply).await?;
    }
}

impl ByHand {
    fn new(stream: UnixStream, child: Child) -> Outcome<Self> {
        let runtime = runtime()?;
        stream.set_nonblocking(true)?;
        let stream = runtime.block_on(async { tokio::net::UnixStream::from_std(stream) })?;
        Ok(Self { runtime, stream, _child: child })
    }

    fn call(&mut self, request: &Request<'_>) -> Outcome<Reply> {
        let Self { runtime, stream, .. } = self;
        runtime.block_on(async {
            write_message(stream, request).await?;
            read_message(stream).await
        })
    }

    fn number(&mut self, request: &Request<'_>) -> Outcome<u64> {
        match self.call(request)? {
            Reply::Number(number) => Ok(number),
            Reply::Payload(_) => Err("a payload instead of a number".into()),
        }
    }
}

impl Peer for ByHand {
    fn ask(&mut self, payload: &[u8]) -> Outcome<u64> {
        self.number(&Request::Ask(Bytes::new(payload)))
    }

    fn echo(&mut self, payload: &[u8], check: Check<'_>) -> Outcome<()> {
        match self.call(&Request::Echo(Bytes::new(payload)))? {
            Reply::Payload(payload) => check(&payload),
            Reply::Number(_) => Err("a number instead of a payload".into()),
        }
    }

    fn throw(&mut self, message: &[u8; 32]) -> Outcome<bool> {
        let words = message.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect::<Vec<_>>();
        let Self { runtime, stream, .. } = self;
        let words = [words[0], words[1], words[2], words[3]];
        runtime.block_on(write_message(stream, &Request::Throw(words)))?;
        Ok(true)
    }

    fn caught(&mut self) -> Outcome<u64> {
        self.number(&Request::Caught)
    }
}
