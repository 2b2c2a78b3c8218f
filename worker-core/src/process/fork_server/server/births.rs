//! What a fork server does to make a process, on both sides of the fork.
//! Not here: what the new process does once it has left the server (`start::begin`).
//! Layer 5: over `sys`.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::unistd::{ForkResult, Pid, getpid, getppid, setpgid};

use super::super::last_words::{LastWords, Redirection};
use super::super::{MARKER, copy};
use super::charge::Backend;
use super::{ROOM_FOR_ORDER, Server, WORDS};
use crate::process::builder::Output;
use crate::process::protocol::{self, Notice, Order, Refusal, Task};
use crate::process::start::begin::{self, Sockets};
use crate::sys::pidfd::PidFd;
use crate::sys::{child, descriptors, exec, limits, signals, socket};

impl Server {
    /// Makes the process that an order is for, or says why not.
    pub(super) fn spawn(
        &mut self,
        order: Order,
        descriptors: Vec<OwnedFd>,
        supervision: OwnedFd,
    ) -> Result<(), (OwnedFd, Refusal)> {
        if let Err(refusal) = check(&order, &self.strange_threads) {
            return Err((supervision, refusal));
        }
        // The next order must find room, or its sender would not even be told (F6).
        if !self.has_room_for(0) && !limits::raise_open_files() {
            return Err((
                supervision,
                Refusal::system("the fork server has too many backends", Errno::EMFILE),
            ));
        }
        let (failure, failure_end) = match order.can_fail().then(socket::message_pair).transpose() {
            Ok(pair) => pair.unzip(),
            Err(error) => return Err((supervision, Refusal::Other(error.to_string()))),
        };
        let stderr = match redirection(order.stderr) {
            Ok(stderr) => stderr,
            Err(refusal) => return Err((supervision, refusal)),
        };
        let server = getpid();
        match child::fork_single_threaded() {
            Err(errno) => Err((supervision, Refusal::system("a process could not be forked", errno))),
            Ok(ForkResult::Child) => {
                if let Some(stderr) = stderr {
                    stderr.apply();
                }
                let sockets = Sockets { beside: supervision, failure: failure_end };
                let kept: Vec<RawFd> =
                    descriptors.iter().chain(sockets.all()).map(AsRawFd::as_raw_fd).collect();
                drop(failure);
                self.leave(server, &kept);
                if order.fresh_image {
                    execute(&order, descriptors, sockets)
                }
                begin::obey(order, descriptors, sockets)
            }
            Ok(ForkResult::Parent { child }) => {
                // Both sides do this, because either may be the first to need it.
                let _ = setpgid(child, child);
                let last_words = stderr.and_then(Redirection::into_last_words);
                self.adopt(child, supervision, failure, order.stop_timeout, last_words);
                Ok(())
            }
        }
    }

    /// Whether so many descriptors leave room for those of the next order (F6). What is in stock gives way.
    pub(super) fn has_room_for(&mut self, count: usize) -> bool {
        let soft = limits::open_files_soft();
        let in_use = self.own_open_files + self.backends.len() + self.pipes + ROOM_FOR_ORDER + count;
        if (in_use + self.stock.open_files()) as u64 > soft {
            self.stock.clear();
        }
        in_use as u64 <= soft
    }

    /// Takes a new child in charge, and tells of its birth.
    pub(super) fn adopt(
        &mut self,
        pid: Pid,
        supervision: OwnedFd,
        failure: Option<OwnedFd>,
        stop_timeout: Duration,
        last_words: Option<LastWords>,
    ) {
        let notice = match PidFd::open(pid) {
            Ok(pidfd) => (Notice::Born { pid: pid.as_raw().unsigned_abs() }, Some(pidfd)),
            Err(errno) => {
                child::kill_group(pid);
                (Notice::Refused(Refusal::system("a process could not be opened", errno)), None)
            }
        };
        self.take_charge(pid, supervision, failure, stop_timeout, last_words, vec![notice]);
    }

    /// Takes a new child in charge, under the token that comes back.
    pub(super) fn take_charge(
        &mut self,
        pid: Pid,
        supervision: OwnedFd,
        failure: Option<OwnedFd>,
        stop_timeout: Duration,
        last_words: Option<LastWords>,
        untold: Vec<(Notice, Option<PidFd>)>,
    ) -> u64 {
        self.pipes += usize::from(failure.is_some());
        let token = self.next_token;
        self.next_token += 1;
        // No event but the hang-up, which always counts (F3).
        let _ = self.epoll.add(&supervision, EpollEvent::new(EpollFlags::empty(), token));
        if let Some(last_words) = &last_words {
            self.pipes += 1;
            let _ = self.epoll.add(last_words, EpollEvent::new(EpollFlags::EPOLLIN, token | WORDS));
        }
        let mut backend = Backend {
            pid,
            supervision,
            failure,
            stop_timeout,
            ending: None,
            untold,
            last_words,
            waits_for_room: false,
            is_reaped: false,
            is_spare: false,
        };
        backend.tell(&self.epoll, token);
        self.backends.insert(token, backend);
        self.running.insert(pid, token);
        token
    }

    /// Makes the forked copy a process of its own, without anything of the server (`parent`).
    ///
    /// Where nobody else can have opened anything, only `kept` stays open.
    pub(super) fn leave(&mut self, parent: Pid, kept: &[RawFd]) {
        let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
        let _ = signals::die_with_parent();
        // The signal is sent for an end that comes after the line above; this is the end before it.
        if getppid() != parent {
            child::exit_now(1);
        }
        if self.is_bare {
            close_all_but(kept.to_vec());
        } else {
            // What else is open was opened to be shared.
            child::close_by_number(&self.descriptors());
        }
        // The dispositions are the server's, which has reset them (F5).
        signals::unblock_all();
    }

    /// Every descriptor of the server.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        let control = self.control.as_ref().map(AsRawFd::as_raw_fd);
        let program = self.program.as_ref().map(|program| program.as_fd().as_raw_fd());
        let own = [self.events.as_fd().as_raw_fd(), self.epoll.0.as_raw_fd(), self.clock.as_fd().as_raw_fd()];
        let backends = self.backends.values().flat_map(|backend| {
            let words = backend.last_words.as_ref().map(|words| words.as_fd().as_raw_fd());
            let failure = backend.failure.as_ref().map(AsRawFd::as_raw_fd);
            [Some(backend.supervision.as_raw_fd()), failure, words].into_iter().flatten()
        });
        let stock = self.stock.descriptors().map(|descriptor| descriptor.as_raw_fd());
        own.into_iter().chain(control).chain(program).chain(backends).chain(stock).collect()
    }
}

/// Closes what belongs to the server, so that no backend holds an end of another's link open.
#[allow(unsafe_code)]
pub(super) fn close_all_but(mut kept: Vec<RawFd>) {
    // SAFETY: the owners of all others are values of the server, or of the program that this watcher
    // was forked from; this process never comes back to them, and neither uses nor drops them.
    unsafe { descriptors::close_all_but(&mut kept) }
}

fn check(order: &Order, strange_threads: &[String]) -> Result<(), Refusal> {
    if !order.fresh_image && !strange_threads.is_empty() {
        return Err(Refusal::ThreadsRunning(strange_threads.to_vec()));
    }
    match &order.task {
        Task::Backend { entry, .. } => entry.resolve().map(drop).map_err(Refusal::Code),
        Task::Server => Ok(()),
    }
}

/// Replaces the forked copy by a fresh image of the program, which finds the order in its socket.
fn execute(order: &Order, descriptors: Vec<OwnedFd>, sockets: Sockets) -> ! {
    let doing = "the program could not be executed anew";
    let (left, found) = match socket::message_pair() {
        Ok(pair) => pair,
        Err(error) => sockets.fail(Refusal::Other(format!("{doing}: {error}"))),
    };
    let all: Vec<_> = sockets.all().chain(&descriptors).map(AsFd::as_fd).collect();
    let errno = match socket::send(left.as_fd(), &protocol::encode(order), &all, false) {
        Ok(()) => {
            let marker = format!("{}:{}:{}", copy::ROLE_ORDERED, found.as_raw_fd(), getppid());
            exec::become_copy(MARKER, &marker, &found)
        }
        Err(errno) => errno,
    };
    sockets.fail(Refusal::system(doing, errno))
}

/// Prepares what an order says of standard error.
pub(super) fn redirection(stderr: Output) -> Result<Option<Redirection>, Refusal> {
    Redirection::new(stderr).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        Refusal::system("its standard error could not be redirected", errno)
    })
}
