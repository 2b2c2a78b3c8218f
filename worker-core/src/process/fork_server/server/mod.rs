//! The fork server itself: forks on order, reaps, tells, and ends with the program.
//! Not here: how it is started (`copy`, `client`), and what a new process does first (`start::begin`).
//! Layer 5: over `sys`.
//!
//! * F1: it has one thread, so a fork of it is a whole process.
//! * F2: backends are its children and carry a parent-death signal; it ends when the program does,
//!   which it sees by its pidfd even if a stray process holds the control socket open.
//! * F3: it keeps one descriptor a backend, the socket beside its link, on which it tells birth and
//!   end; when that hangs up, every frontend is gone, and the backend's time to end begins to run. The
//!   backend may have filled it; then what there is to tell waits for room, and nothing else does.
//! * F4: a backend leads a process group of its own. It is killed as a group while the leader is
//!   still a zombie, so the number cannot belong to anybody else.
//! * F5: whatever can be done once for all backends is done here, before any is forked: signal
//!   dispositions, fork handlers, lazily bound symbols. Each page and each system call of a new backend counts.
//! * F6: it accepts a backend only while the descriptors of the next order fit too: what does not fit
//!   the kernel cuts off, and with it the socket on which to say so.
//! * F7: what it knows of a backend hangs on a token that no other ever gets, not on a process number, which
//!   the kernel gives away again; and no descriptor is closed here before the epoll has let go of it.

mod births;
mod charge;
mod roles;
mod spare;

pub(in crate::process) use roles::{run, run_preloaded, watch_one};

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
use nix::unistd::Pid;

use crate::process::protocol::{self, Command, Notice, Refusal};
use crate::sys::child::Reaped;
use crate::sys::held::Here;
use crate::sys::pidfd::PidFd;
use crate::sys::socket::Message;
use crate::sys::{child, proc_files, signals, socket};
use charge::{Backend, Ending, tell};
use spare::Stock;

/// Time between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(1);

/// What a stop timeout without end comes to.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Descriptors that an order may need for a moment: those that come with it, and a pidfd, and some.
const ROOM_FOR_ORDER: usize = 16;

const CONTROL: u64 = 0;
const PROGRAM: u64 = 1;
const CHILDREN: u64 = 2;
const CLOCK: u64 = 3;
/// Tokens from here on are those of backends, in the order of their births (F7).
const FIRST_BACKEND: u64 = 16;
/// Set in the token of a backend's pipe.
const WORDS: u64 = 1 << 63;

struct Server {
    /// `None` once nobody can give an order any more; then the last backend's end is ours too.
    control: Option<OwnedFd>,
    /// Held open for the event of the program's end; `None` where a parent-death signal does the same.
    program: Option<PidFd>,
    events: SignalFd,
    epoll: Epoll,
    /// Those that are not reaped, and those of which there is still something to tell; by token.
    backends: HashMap<u64, Backend>,
    /// Tokens of those that are not reaped, whose numbers therefore are theirs.
    running: HashMap<Pid, u64>,
    next_token: u64,
    /// Descriptors besides those of the backends; it never opens one for longer.
    own_open_files: usize,
    /// Pipes of backends that have one.
    pipes: usize,
    stock: Stock,
    /// Rings when a spare is to be made.
    clock: TimerFd,
    /// Threads that some library started before `main` (F1). None can come later: nothing here
    /// runs code that starts any.
    strange_threads: Vec<String>,
    /// Whether nobody but us can have opened a descriptor here, so that a backend closes them all.
    is_bare: bool,
}

impl Server {
    fn new(control: Option<OwnedFd>, program: Option<PidFd>, is_bare: bool) -> nix::Result<Self> {
        begin_for_all();
        let events = signals::child_events()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        if let Some(control) = &control {
            epoll.add(control, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        }
        if let Some(program) = &program {
            epoll.add(program, EpollEvent::new(EpollFlags::EPOLLIN, PROGRAM))?;
        }
        epoll.add(&events, EpollEvent::new(EpollFlags::EPOLLIN, CHILDREN))?;
        let clock =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        epoll.add(&clock, EpollEvent::new(EpollFlags::EPOLLIN, CLOCK))?;
        let strange_threads = proc_files::other_thread_names().unwrap_or_default();
        let own_open_files = proc_files::open_files().unwrap_or(ROOM_FOR_ORDER);
        let (backends, running) = (HashMap::new(), HashMap::new());
        Ok(Self {
            control,
            program,
            events,
            epoll,
            backends,
            running,
            next_token: FIRST_BACKEND,
            own_open_files,
            pipes: 0,
            stock: Stock::default(),
            clock,
            strange_threads,
            is_bare,
        })
    }

    fn serve(&mut self) -> i32 {
        let mut ready = [EpollEvent::empty(); 64];
        while self.control.is_some() || !self.backends.is_empty() {
            // What is made ahead is made when there is nothing else to do.
            let is_short = self.stock.is_short();
            let timeout = if is_short { EpollTimeout::ZERO } else { self.next_timeout() };
            let count = match self.epoll.wait(&mut ready, timeout) {
                Ok(0) if is_short => {
                    self.fill_stock();
                    0
                }
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(_) => return self.end(),
            };
            for event in &ready[..count] {
                match event.data() {
                    CONTROL => self.receive(),
                    PROGRAM => return self.end(),
                    CHILDREN => self.reap(),
                    CLOCK => self.make_planned_spares(false),
                    token if token & WORDS != 0 => self.listen(token & !WORDS),
                    token if event.events().contains(EpollFlags::EPOLLHUP) => self.frontends_gone(token),
                    token => self.tell_untold(token),
                }
            }
            self.end_overdue();
        }
        0
    }

    fn receive(&mut self) {
        let Some(control) = &self.control else { return };
        match socket::receive(control.as_fd(), false) {
            Ok(Some(message)) => self.obey(message),
            // The program has no more use for us, or is about to end, which is told apart (F2). Our
            // backends may have frontends still.
            Ok(None) => self.control = None,
            Err(_) => {}
        }
    }

    /// Ends with everything that came from here (F2).
    fn end(&self) -> i32 {
        for &pid in self.running.keys() {
            child::kill_group(pid);
        }
        0
    }

    fn obey(&mut self, message: Message) {
        let mut descriptors = message.descriptors.into_iter();
        let command = protocol::decode::<Command>(&message.bytes);
        if let Some(Command::Taken { token, stop_timeout, then_spare }) = command {
            self.spare_was_taken(token, stop_timeout);
            return if then_spare { self.plan_spare() } else { self.stock.suffices() };
        }
        if let Some(Command::Hurry) = command {
            return self.make_planned_spares(true);
        }
        let (order, then_spare) = match command {
            Some(Command::Make { order, then_spare }) => (Some(order), then_spare),
            _ => (None, false),
        };
        // Without its descriptors, for which there was no room here, nobody can be told but by the end of the socket.
        if let Some(supervision) = descriptors.next() {
            let made = match order {
                Some(order) => self.spawn(*order, descriptors.collect(), supervision),
                None => {
                    let reason = "the fork server got an order it cannot read".to_owned();
                    Err((supervision, Refusal::Code(reason)))
                }
            };
            if let Err((supervision, refusal)) = made {
                // Nobody else has used this socket, so there is room.
                let _ = tell(&supervision, &Notice::Refused(refusal), None);
            }
        }
        // K3: whatever became of the order.
        if then_spare {
            self.plan_spare();
        }
    }

    fn reap(&mut self) {
        while let Ok(Some(_)) = self.events.read_signal() {}
        while let Some(Reaped { pid, reason, stack_overflow, gone_at }) = child::reap_one() {
            if let Some(token) = self.running.remove(&pid)
                && let Some(backend) = self.backends.get_mut(&token)
            {
                if backend.failure.is_some() {
                    self.pipes -= 1;
                }
                if backend.is_spare {
                    // It waited in vain, and so would the next.
                    self.stock.clear();
                }
                if let Some(refusal) = backend.take_failure() {
                    backend.untold.push((Notice::Failed(refusal), None));
                }
                let stderr_tail = backend.last_words.take().map_or_else(String::new, |last_words| {
                    self.pipes -= 1;
                    let _ = self.epoll.delete(&last_words);
                    last_words.into_text()
                });
                let notice = Notice::Ended { reason, stack_overflow, stderr_tail, gone_at };
                backend.untold.push((notice, None));
                backend.is_reaped = true;
                backend.ending = None;
                backend.tell(&self.epoll, token);
                self.forget_if_done(token);
            }
        }
    }

    /// Lets go of a backend that is reaped once everything is told.
    fn forget_if_done(&mut self, token: u64) {
        if let Some(backend) = self.backends.get(&token)
            && backend.is_reaped
            && backend.untold.is_empty()
        {
            // F7: to close our descriptor of the socket is not enough while some other process has one.
            let _ = self.epoll.delete(&backend.supervision);
            self.backends.remove(&token);
        }
    }

    /// A backend has written to its standard error.
    fn listen(&mut self, token: u64) {
        if let Some(backend) = self.backends.get_mut(&token)
            && let Some(last_words) = &mut backend.last_words
            && !last_words.take_in()
        {
            // Nobody can write any more, which would stay true.
            let _ = self.epoll.delete(&*last_words);
        }
    }

    /// There is room to tell again, once whoever is told has taken something off the socket.
    fn tell_untold(&mut self, token: u64) {
        if let Some(backend) = self.backends.get_mut(&token) {
            backend.tell(&self.epoll, token);
            self.forget_if_done(token);
        }
    }

    fn frontends_gone(&mut self, token: u64) {
        let Some(backend) = self.backends.get_mut(&token) else { return };
        // A hang-up stays true; it has been heard.
        let _ = self.epoll.delete(&backend.supervision);
        if backend.is_reaped {
            // Nobody is left to be told.
            self.backends.remove(&token);
        } else {
            let now = Instant::now();
            let at = now.checked_add(backend.stop_timeout).unwrap_or(now + FOR_EVER);
            backend.ending = Some(Ending { at, signal: Signal::SIGTERM });
        }
    }

    fn next_timeout(&self) -> EpollTimeout {
        let next = self.backends.values().filter_map(|backend| Some(backend.ending.as_ref()?.at)).min();
        let Some(next) = next else { return EpollTimeout::NONE };
        let milliseconds = next.saturating_duration_since(Instant::now()).as_nanos().div_ceil(1_000_000);
        EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX)
    }

    fn end_overdue(&mut self) {
        let now = Instant::now();
        for backend in self.backends.values_mut() {
            if let Some(ending) = &mut backend.ending
                && ending.at <= now
            {
                // Not reaped yet, so the number is still the backend's.
                let _ = kill(backend.pid, ending.signal);
                *ending = Ending { at: now + TERM_GRACE, signal: Signal::SIGKILL };
            }
        }
    }
}

/// Does once, for all backends, what would be first done by each (F5).
///
/// Each page that a backend writes becomes its own, and costs it a fault; and the C library looks for `calloc` through
/// every module when the first thread-local value with a destructor is made, which is a dozen faults more.
fn begin_for_all() {
    thread_local! {
        static WITH_DESTRUCTOR: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    WITH_DESTRUCTOR.with(|_| {});
    // The list of what is done at a fork, and the number of this thread.
    let _ = Here::now();
    let _ = thread::current();
}
