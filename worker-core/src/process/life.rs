//! One life of an actor: its process and the calls to it; and how another one is begun.
//! Not here: when that is done (`renewal`).
//! Layer 5: above `calls`.
//!
//! Each life has a link of its own, which ends with it. So a reply of an earlier life has no way by
//! which it could reach a call to a later one.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use super::body::Body;
use super::builder::Builder;
use super::start::{self, BackendStart, Refused, Run};
use crate::calls::{Client, Fault, Outcome, Ticket};
use crate::errors::{Exit, PanicReport};
use crate::link::Payload;
use crate::wire::codec::{self, WriteError};
use crate::wire::descriptors::{Attached, attach_again, attached_by};
use crate::wire::kind::Kind;
use crate::wire::writer::Writer;

/// One life of an actor.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) client: Arc<Client>,
    pub(crate) body: Arc<Body>,
}

/// A life whose constructor is not known to be done.
#[derive(Debug)]
pub(crate) struct Starting {
    pub(crate) life: Arc<Life>,
    constructing: Result<Ticket, Fault>,
    /// What a task has found, for [`Starting::finish`].
    found: Mutex<Option<Result<Outcome, Fault>>>,
}

/// What came of a start.
#[derive(Debug)]
pub(crate) enum Started {
    Alive,
    /// There is no actor; this is how its process ended, and why, in words.
    Failed(Exit, String),
    /// The deadline passed first.
    NotYet,
}

/// What a new life takes, other than the arguments.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) builder: Builder,
    pub(crate) type_name: &'static str,
    pub(crate) entry: fn(BackendStart) -> i32,
}

/// Everything that a new life takes.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) origin: Origin,
    /// The constructor and its arguments.
    pub(crate) constructor: Encoded,
}

/// A payload that may be sent more than once: what it holds of descriptors goes as duplicates.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) attached: Attached,
}

impl Origin {
    /// Has a process made, and sends it its constructor.
    pub(crate) fn begin(&self, constructor: Payload<'_>) -> Result<Starting, Refused> {
        Starting::begin(&self.builder, self.type_name, Run::Function(self.entry), constructor)
    }
}

impl Recipe {
    pub(crate) fn begin(&self) -> Result<Starting, Refused> {
        self.origin.begin(&|writer| self.constructor.write(writer))
    }
}

impl Encoded {
    /// Encodes a payload once, to be written to links later.
    pub(crate) fn new(payload: Payload<'_>) -> Result<Self, WriteError> {
        let mut bytes = Vec::new();
        let (written, attached) = attached_by(|| payload(&mut Writer::to_heap(&mut bytes)));
        written.map(|()| Self { bytes, attached })
    }

    /// Writes it, as often as one likes.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        attach_again(&self.attached).map_err(WriteError::Value)?;
        writer.extend(&self.bytes).map_err(|_| WriteError::OutOfRoom)
    }
}

impl Starting {
    /// Has a backend made that runs this, and sends it its constructor.
    pub(crate) fn begin(
        builder: &Builder,
        type_name: &str,
        run: Run,
        constructor: Payload<'_>,
    ) -> Result<Self, Refused> {
        let (client, body) = start::spawn(builder, type_name, run)?;
        let constructing = client.start(Kind::Construct, constructor, None);
        let life = Life { client: Arc::new(client), body };
        Ok(Self { life: Arc::new(life), constructing, found: Mutex::default() })
    }

    /// Waits for the constructor, whose first run this is: its result is for the caller to read.
    pub(crate) fn finish_first(self) -> Result<(Arc<Life>, Result<Outcome, Fault>), Refused> {
        let made = self.constructing.and_then(|ticket| self.life.client.wait(ticket, None));
        self.life.body.wait_born()?;
        Ok((self.life, made))
    }

    /// Whether the constructor is known to be done, or to have come to nothing.
    pub(crate) fn is_finished(&self) -> bool {
        let is_found = self.found().is_some();
        is_found || self.constructing.as_ref().map_or(true, |ticket| self.life.client.is_ready(*ticket))
    }

    /// Waits for the constructor, for a task: [`Starting::finish`] does not wait afterwards.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let Ok(ticket) = &self.constructing else { return Poll::Ready(()) };
        let mut found = self.found();
        if found.is_none() {
            let Poll::Ready(outcome) = self.life.client.poll(*ticket, context) else { return Poll::Pending };
            *found = Some(outcome);
        }
        Poll::Ready(())
    }

    fn found(&self) -> MutexGuard<'_, Option<Result<Outcome, Fault>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to wait for until then, if it is not known yet.
    pub(crate) fn waits_for(&self) -> Option<(&Arc<Life>, Ticket)> {
        self.constructing.as_ref().ok().map(|ticket| (&self.life, *ticket))
    }

    /// Whether the constructor was sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.constructing.is_ok()
    }

    /// Waits for the constructor where its result is not read. Only one thread at a time may do so.
    pub(crate) fn finish(&self, deadline: Option<Instant>) -> Started {
        let found = self.found().take();
        let outcome = found.unwrap_or_else(|| match &self.constructing {
            Ok(ticket) => self.life.client.wait(*ticket, deadline),
            Err(_) => Err(Fault::TimedOut),
        });
        self.life.body.begun();
        let is_circle = matches!(outcome, Err(Fault::Circle(_)));
        let why = match outcome {
            Ok(Outcome { kind: Kind::Returned, .. }) => return Started::Alive,
            Err(Fault::TimedOut) if self.constructing.is_ok() => return Started::NotYet,
            Ok(Outcome { kind: Kind::Panicked, payload, .. }) => {
                match codec::decode::<PanicReport>(payload.bytes()) {
                    Ok(report) => format!("its constructor {report}"),
                    Err(_) => "its constructor panicked".to_owned(),
                }
            }
            Ok(Outcome { kind: Kind::Failed, .. }) => "its constructor returned an error".to_owned(),
            Ok(_) => "its constructor could not read its arguments".to_owned(),
            Err(Fault::Circle(chain)) => {
                format!("its constructor waits for whoever restarts it: {}", chain.join(" -> "))
            }
            Err(_) => match self.life.body.wait_born() {
                Ok(()) => "it ended before its constructor was done".to_owned(),
                Err(refused) => refused.to_string(),
            },
        };
        Started::Failed(if is_circle { self.life.give_up() } else { self.life.end_now() }, why)
    }
}

impl Life {
    /// Kills the process and sees it gone.
    pub(crate) fn end_now(&self) -> Exit {
        if self.body.kill().is_err() {
            // A thread can only be asked.
            let _ = self.client.send_one_way(Kind::Stop, &|_| Ok(()), None);
        }
        self.body.wait()
    }

    /// Ends one whose constructor waits for whoever calls this.
    ///
    /// A thread cannot be killed, and to see it gone would be to wait for each other: it is asked, and ends by
    /// itself once its link has, which is when its last holder lets it go.
    pub(crate) fn give_up(&self) -> Exit {
        if self.body.kill().is_ok() {
            return self.body.wait();
        }
        let _ = self.client.send_one_way(Kind::Stop, &|_| Ok(()), Some(Instant::now()));
        self.body.unknown_exit()
    }

    /// Sees a process gone that ends by itself, and forces it if it does not.
    pub(crate) fn see_end(&self) -> io::Result<Exit> {
        self.body.see_end(|until| self.client.wait_death(Some(until)))
    }

    /// Asks the backend to end, if there is room to ask until then; says whether there is nothing more to ask.
    pub(super) fn ask_to_stop(&self, until: Instant) -> bool {
        let sent = self.client.send_one_way(Kind::Stop, &|_| Ok(()), Some(until));
        let is_asked = !matches!(sent, Err(Fault::NotSentInTime));
        if is_asked {
            self.body.ask();
        }
        is_asked
    }

    /// Asks the backend to end, then forces it.
    pub(super) fn stop(&self) -> io::Result<Exit> {
        let mut asked = false;
        self.body.see_end(|until| {
            if !asked {
                asked = true;
                self.ask_to_stop(until);
            }
            self.client.wait_death(Some(until))
        })
    }
}
