//! Two bare processes that send one number to and fro, by each primitive that can wake a sleeper.
//! Not here: how long it takes (`calls`).
//! Layer: over `system`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::{pipe, read, write};

use crate::system::{Child, Mailbox, futex_wait, futex_wake, shared_mailboxes};

/// Looks before a spinner goes to sleep.
const SPIN_TURNS: u32 = 2000;

/// How the reader of a mailbox waits, and its writer wakes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    Futex,
    Pipe,
    EventfdPoll,
    /// The writer always makes the system call that wakes, as a plain futex does.
    SpinThenFutex,
    /// The writer makes it only if the reader has said that it sleeps: as good as bare spinning while
    /// both are awake.
    SpinThenAnnouncedFutex,
}

impl Primitive {
    pub const ALL: [Self; 5] =
        [Self::Futex, Self::Pipe, Self::EventfdPoll, Self::SpinThenFutex, Self::SpinThenAnnouncedFutex];

    pub fn name(self) -> &'static str {
        match self {
            Self::Futex => "futex",
            Self::Pipe => "pipe",
            Self::EventfdPoll => "eventfd + poll",
            Self::SpinThenFutex => "spin, then futex",
            Self::SpinThenAnnouncedFutex => "spin, then announced futex",
        }
    }

    pub fn only_sleeps(self) -> bool {
        !matches!(self, Self::SpinThenFutex | Self::SpinThenAnnouncedFutex)
    }
}

/// One way between the two.
struct Way {
    mailbox: &'static Mailbox,
    bell: Bell,
}

enum Bell {
    Futex,
    Pipe { reader: OwnedFd, writer: OwnedFd },
    Eventfd(EventFd),
    SpinThenFutex { announced: bool },
}

impl Way {
    fn new(mailbox: &'static Mailbox, primitive: Primitive) -> io::Result<Self> {
        let bell = match primitive {
            Primitive::Futex => Bell::Futex,
            Primitive::Pipe => {
                let (reader, writer) = pipe()?;
                Bell::Pipe { reader, writer }
            }
            Primitive::EventfdPoll => {
                Bell::Eventfd(EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK)?)
            }
            Primitive::SpinThenFutex => Bell::SpinThenFutex { announced: false },
            Primitive::SpinThenAnnouncedFutex => Bell::SpinThenFutex { announced: true },
        };
        Ok(Self { mailbox, bell })
    }

    #[inline]
    fn send(&self, value: i64) -> io::Result<()> {
        match &self.bell {
            Bell::Futex => {
                self.mailbox.put(value);
                futex_wake(&self.mailbox.sequence);
            }
            Bell::Pipe { writer, .. } => {
                write(writer, &value.to_ne_bytes())?;
            }
            Bell::Eventfd(event) => {
                self.mailbox.put(value);
                event.write(1)?;
            }
            Bell::SpinThenFutex { announced: false } => {
                self.mailbox.put(value);
                futex_wake(&self.mailbox.sequence);
            }
            Bell::SpinThenFutex { announced: true } => {
                self.mailbox.put(value);
                // Of two threads that each write, fence and read the other's word, one sees the other's.
                fence(Ordering::SeqCst);
                if self.mailbox.sleeping.load(Ordering::Relaxed) != 0 {
                    futex_wake(&self.mailbox.sequence);
                }
            }
        }
        Ok(())
    }

    /// Waits for the value after the `seen` first ones.
    #[inline]
    fn receive(&self, seen: u32) -> io::Result<i64> {
        let mailbox = self.mailbox;
        match &self.bell {
            Bell::Futex => {
                while !mailbox.has_more_than(seen) {
                    futex_wait(&mailbox.sequence, seen);
                }
            }
            Bell::Pipe { reader, .. } => {
                let mut bytes = [0; 8];
                if read(reader, &mut bytes)? != bytes.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                return Ok(i64::from_ne_bytes(bytes));
            }
            Bell::Eventfd(event) => {
                while !mailbox.has_more_than(seen) {
                    poll(&mut [PollFd::new(event.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
                    event.read()?;
                }
            }
            Bell::SpinThenFutex { .. } => self.spin_then_sleep(seen),
        }
        Ok(mailbox.value.load(Ordering::Relaxed))
    }

    #[inline]
    fn spin_then_sleep(&self, seen: u32) {
        let mailbox = self.mailbox;
        for _ in 0..SPIN_TURNS {
            if mailbox.has_more_than(seen) {
                return;
            }
            std::hint::spin_loop();
        }
        mailbox.sleeping.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while !mailbox.has_more_than(seen) {
            futex_wait(&mailbox.sequence, seen);
        }
        mailbox.sleeping.store(0, Ordering::Relaxed);
    }
}

/// A bare process that adds up what it is sent, and this program's connection to it.
pub struct Partner {
    pub child: Child,
    there: Way,
    back: Way,
    rounds: u32,
}

impl Partner {
    pub fn start(primitive: Primitive) -> io::Result<Self> {
        let [there, back] = shared_mailboxes()?;
        let (there, back) = (Way::new(there, primitive)?, Way::new(back, primitive)?);
        let child = Child::fork(|| {
            let (mut rounds, mut total) = (0_u32, 0);
            while let Ok(n) = there.receive(rounds) {
                rounds = rounds.wrapping_add(1);
                total += n;
                if back.send(total).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { child, there, back, rounds: 0 })
    }

    /// Sends a number, and waits for the sum.
    #[inline]
    pub fn add(&mut self, n: i64) -> io::Result<i64> {
        self.there.send(n)?;
        let total = self.back.receive(self.rounds)?;
        self.rounds = self.rounds.wrapping_add(1);
        Ok(total)
    }
}
