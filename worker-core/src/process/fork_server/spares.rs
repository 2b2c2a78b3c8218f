//! The program's side of spares: processes that a fork server has forked before anybody needs them.
//! Not here: what a spare does while it waits (`server::spare`).
//! Layer 5: over `sys`.
//!
//! A fork takes longer than everything else of a spawn. So a server whose program spawns one backend after
//! the other forks the next one while the last one begins, and sends it over; the program gives it
//! its order itself, without a word from the server.
//!
//! * K1: a spare gets one order at most, and none is lost. The order goes through a socket that only the two
//!   have. A spare whose time is over shuts that down, then looks once more: what was sent before
//!   is there and is obeyed; what comes later is refused to its sender, who asks the server.
//! * K2: a spare is in its server's charge from its fork on, like any backend, and ends with it.
//! * K3: each message that asks for a spare is answered by one message. So whoever was promised one may
//!   wait for it, and there is never more than one. Promised it is only once the message is on its way.
//! * K4: a spare is asked to run only what the server has found at its place before (A1 of `sys::module`).
//! * K5: that a spare was taken is told when its constructor has run: told before, the server would wake up between
//!   the order and the first reply, and where there is one processor for all, fork the next one in between too. Until
//!   then the server keeps it like one that waits: it ends with the program, and never for want of frontends. So it
//!   is told at the latest when the last frontend goes.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;

use super::client::{Server, Slot};
use crate::process::protocol::{self, Command, Greeting, Order};
use crate::process::start::Entry;
use crate::sys::doorbell::wait_for;
use crate::sys::socket;

/// How long a spare waits for its order, and how close two spawns are after which one is worth it.
///
/// A program that spawns one actor once in a while has no process that it did not ask for.
pub(super) const LIFE: Duration = Duration::from_millis(250);

/// What the program knows of the spares of one server.
#[derive(Debug, Default)]
pub(super) struct Spares(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    asked: Asked,
    last_spawn: Option<Instant>,
    /// What the server has found at its place (K4).
    accepted: Vec<Entry>,
}

/// What was said to the server of the next spare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    Nothing,
    /// Somebody is about to ask.
    Now,
    /// The question has left: a message about one is there, or will come (K3).
    Promised,
}

/// A process that waits for an order.
#[derive(Debug)]
pub(in crate::process) struct Spare {
    pub(in crate::process) pid: u32,
    pub(in crate::process) pidfd: OwnedFd,
    /// Our end of the socket beside its link.
    pub(in crate::process) beside: OwnedFd,
    /// Our parts of its link.
    pub(in crate::process) link: Vec<OwnedFd>,
    pub(in crate::process) orders: Orders,
}

/// The way to give a spare its order.
#[derive(Debug)]
pub(in crate::process) struct Orders {
    /// By which the server knows the spare (F7).
    token: u64,
    socket: OwnedFd,
    server: Arc<Server>,
}

impl Spares {
    /// Notes a spawn; says whether it follows another so closely that a spare is worth it.
    pub(super) fn note_spawn(&self) -> bool {
        let now = Instant::now();
        self.book().last_spawn.replace(now).is_some_and(|last| now - last < LIFE)
    }

    /// Sends a message to the server that asks for a spare too, if one is worth it and none is due: `send` is told.
    ///
    /// # Errors
    ///
    /// Those of `send`; then nothing was asked for (K3).
    pub(super) fn ask_with(
        &self,
        is_worth_it: bool,
        send: impl FnOnce(bool) -> nix::Result<()>,
    ) -> nix::Result<()> {
        let asks = {
            let mut book = self.book();
            let asks = is_worth_it && book.asked == Asked::Nothing;
            if asks {
                book.asked = Asked::Now;
            }
            asks
        };
        let sent = send(asks);
        if asks {
            self.book().asked = if sent.is_ok() { Asked::Promised } else { Asked::Nothing };
        }
        sent
    }

    pub(super) fn accepted(&self, entry: Entry) {
        let mut book = self.book();
        if !book.accepted.iter().any(|&other| std::ptr::fn_addr_eq(other, entry)) {
            book.accepted.push(entry);
        }
    }

    /// Whether there is one for this entry, which the caller must take then.
    fn take_promise(&self, entry: Entry) -> bool {
        let mut book = self.book();
        let is_known = book.accepted.iter().any(|&other| std::ptr::fn_addr_eq(other, entry));
        let takes = is_known && book.asked == Asked::Promised;
        if takes {
            book.asked = Asked::Nothing;
        }
        takes
    }

    /// Whoever took the promise could not wait for what was promised: the next one may.
    fn give_promise_back(&self) {
        self.book().asked = Asked::Promised;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// A spare of the server in this slot, if it has one that still waits.
    pub(in crate::process) fn take_spare(&self, entry: Entry) -> Option<Spare> {
        let server = self.running()?;
        if !server.spares.take_promise(entry) {
            return None;
        }
        let message = match socket::receive(server.control.as_fd(), false) {
            // K3: it comes, or the end of the server does.
            Err(Errno::EAGAIN) => server
                .command(&Command::Hurry, &[])
                .and_then(|()| socket::receive(server.control.as_fd(), true)),
            message => message,
        };
        let Ok(message) = message else {
            // The answer is still to be taken out, or whoever asks next would get this one for theirs.
            server.spares.give_promise_back();
            return None;
        };
        let message = message?;
        let Some(Greeting::Spare { pid, token }) = protocol::decode(&message.bytes) else { return None };
        // Fewer arrive where this program may open no more; the spare sees its socket closed, and ends.
        let parts = <[OwnedFd; 6]>::try_from(message.descriptors).ok()?;
        let [beside, socket, memory, bell, sleeper, pidfd] = parts;
        let orders = Orders { token, socket, server };
        let link = vec![memory, bell, sleeper];
        orders.are_awaited().then_some(Spare { pid, pidfd, beside, link, orders })
    }
}

impl Orders {
    /// Whether its time is not over, nor its server's.
    ///
    /// A server that was killed has left its word in the socket, and the spare may not have ended with it
    /// yet. Either may come at once; then the first saves preparing an order in vain, and the second is the
    /// end of a backend like any.
    fn are_awaited(&self) -> bool {
        let now = Some(Instant::now());
        let is_open = |socket: &OwnedFd| wait_for(socket.as_fd(), PollFlags::empty(), now);
        [&self.socket, &self.server.control]
            .into_iter()
            .all(|socket| is_open(socket).is_ok_and(|seen| seen.is_empty()))
    }

    pub(in crate::process) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Gives it its order; says whether it has it (K1), and then what the server is to be told.
    pub(in crate::process) fn send(self, order: &Order, descriptors: &[OwnedFd]) -> Option<Taken> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        socket::send(self.socket.as_fd(), &protocol::encode(order), &descriptors, true).ok()?;
        let Self { token, server, .. } = self;
        let next_is_worth_it = server.spares.note_spawn();
        let is_told = AtomicBool::new(false);
        Some(Taken { token, stop_timeout: order.stop_timeout, server, next_is_worth_it, is_told })
    }
}

/// That a spare was taken, which its server is told once the constructor has run, or nobody waits for that (K5).
#[derive(Debug)]
pub(in crate::process) struct Taken {
    token: u64,
    stop_timeout: Duration,
    server: Arc<Server>,
    next_is_worth_it: bool,
    is_told: AtomicBool,
}

impl Taken {
    /// Tells the server, the first time.
    pub(in crate::process) fn tell(&self) {
        // Relaxed: nothing but this flag depends on it. A fork of the program has a copy of it, and tells nothing.
        if self.is_told.swap(true, Ordering::Relaxed) || !self.server.is_of_this_process() {
            return;
        }
        // A server that is gone takes the backend with it, which is found as any end is.
        let _ = self.server.spares.ask_with(self.next_is_worth_it, |then_spare| {
            let Self { token, stop_timeout, .. } = *self;
            self.server.command(&Command::Taken { token, stop_timeout, then_spare }, &[])
        });
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn that_a_spare_was_taken_is_told_once_and_at_the_latest_when_nobody_holds_it() {
        let (ours, theirs) = socket::message_pair().unwrap();
        let server = Arc::new(Server::new(ours, Pid::this(), None));
        for tells in [0, 2] {
            let (server, is_told) = (Arc::clone(&server), AtomicBool::new(false));
            let taken = Taken { token: tells, stop_timeout: LIFE, server, next_is_worth_it: true, is_told };
            (0..tells).for_each(|_| taken.tell());
            drop(taken);
            let message = socket::receive(theirs.as_fd(), false).unwrap().unwrap();
            let Some(Command::Taken { token, stop_timeout, then_spare }) = protocol::decode(&message.bytes)
            else {
                panic!("something else was told")
            };
            // The first asks for a spare; nobody has taken that one when the second is told of (K3).
            assert_eq!((token, stop_timeout, then_spare), (tells, LIFE, tells == 0));
            assert_eq!(socket::receive(theirs.as_fd(), false).err(), Some(Errno::EAGAIN));
        }
    }

    /// Nobody runs it.
    const ENTRY: Entry = |_| 1;

    /// Asks until it asks for a spare: only close spawns do, and a busy machine may take its time.
    fn ask(spares: &Spares, sent: nix::Result<()>) {
        let mut has_asked = false;
        while !has_asked {
            let result = spares.ask_with(spares.note_spawn(), |asks| {
                has_asked = asks;
                assert!(!spares.take_promise(ENTRY), "nothing has left yet, so nobody may wait for it");
                if asks { sent } else { Ok(()) }
            });
            assert!(!has_asked || result == sent);
        }
    }

    #[test]
    fn a_question_that_did_not_leave_promises_nothing() {
        let spares = Spares::default();
        spares.accepted(ENTRY);
        for refused in [Errno::EMSGSIZE, Errno::ENOBUFS, Errno::ETOOMANYREFS, Errno::EPIPE] {
            ask(&spares, Err(refused));
            assert!(!spares.take_promise(ENTRY), "{refused}");
            ask(&spares, Ok(()));
            assert!(spares.take_promise(ENTRY));
        }
    }

    #[test]
    fn one_is_promised_at_a_time_and_a_promise_can_be_given_back() {
        let spares = Spares::default();
        spares.accepted(ENTRY);
        ask(&spares, Ok(()));
        let mut asks_again = true;
        let note = |asks| {
            asks_again = asks;
            Ok(())
        };
        spares.ask_with(true, note).unwrap();
        assert!(!asks_again);
        assert!(spares.take_promise(ENTRY) && !spares.take_promise(ENTRY));
        spares.give_promise_back();
        assert!(spares.take_promise(ENTRY));
    }
}
