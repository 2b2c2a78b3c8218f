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

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{ForkResult, Pid, getpid, getppid, setpgid};

use super::last_words::{LastWords, Redirection};
use super::{MARKER, copy};
use crate::process::builder::Output;
use crate::process::protocol::{self, Greeting, Notice, Order, Refusal, Task};
use crate::process::start::begin::{self, Sockets};
use crate::sys::child::Reaped;
use crate::sys::pidfd::PidFd;
use crate::sys::socket::Message;
use crate::sys::{child, descriptors, exec, huge_pages, limits, proc_files, signals, socket, title};

/// Time between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(1);

/// Descriptors that an order may need for a moment: those that come with it, and a pidfd, and some.
const ROOM_FOR_ORDER: usize = 16;

const CONTROL: u64 = 0;
const PROGRAM: u64 = 1;
const CHILDREN: u64 = 2;
/// Tokens from here on are this plus the pid of a backend.
const FIRST_BACKEND: u64 = 16;
/// Set in the token of a backend's pipe, beside its pid.
const WORDS: u64 = 1 << 40;

struct Server {
    /// `None` once nobody can give an order any more; then the last backend's end is ours too.
    control: Option<OwnedFd>,
    /// Held open for the event of the program's end; `None` where a parent-death signal does the same.
    program: Option<PidFd>,
    events: SignalFd,
    epoll: Epoll,
    backends: HashMap<i32, Backend>,
    /// Descriptors besides those of the backends; it never opens one for longer.
    own_open_files: usize,
    /// Pipes of backends that have one.
    pipes: usize,
    /// Threads that some library started before `main` (F1). None can come later: nothing here
    /// runs code that starts any.
    strange_threads: Vec<String>,
    /// Whether nobody but us can have opened a descriptor here, so that a backend closes them all.
    is_bare: bool,
}

struct Backend {
    supervision: OwnedFd,
    /// Here it leaves word if it could not begin.
    failure: Option<OwnedFd>,
    stop_timeout: Duration,
    ending: Option<Ending>,
    /// What could not be told yet.
    untold: Vec<(Notice, Option<PidFd>)>,
    last_words: Option<LastWords>,
    waits_for_room: bool,
    is_reaped: bool,
}

/// A backend without frontends: what happens to it next, and when.
struct Ending {
    at: Instant,
    signal: Signal,
}

/// Serves until the program ends.
pub(super) fn run(control: OwnedFd, program: Pid) -> ! {
    greet(&control, &Greeting::Here);
    signals::reset();
    // The terminal's Ctrl-C is for the program, which then ends us.
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    let executable = std::env::current_exe().unwrap_or_default();
    let executable = executable.file_name().unwrap_or_default().to_string_lossy().into_owned();
    title::set(&format!("fork-server of {executable}"));
    let server = PidFd::open(program).and_then(|pidfd| {
        // Between the check in `before_main` and this line the program may have ended and its number
        // been given away; then we have another parent now.
        if getppid() != program {
            return Err(Errno::ESRCH);
        }
        Server::new(Some(control), Some(pidfd), true)
    });
    let status = match server {
        Ok(mut server) => {
            server.greet(&Greeting::Ready);
            server.serve()
        }
        Err(_) => 1,
    };
    child::exit_now(status)
}

/// Loads what its backends are to share, and serves until nobody wants it any more.
///
/// Its parent is a fork server, with which it ends; title and group are set already.
pub(in crate::process) fn run_preloaded(control: OwnedFd, preload: Option<fn()>) -> ! {
    greet(&control, &Greeting::Here);
    if let Err(refusal) = preload.map_or(Ok(()), begin::load) {
        greet(&control, &Greeting::Refused(refusal));
        child::exit_now(1);
    }
    huge_pages::collapse();
    // Whatever was loaded may have installed handlers.
    signals::reset();
    let status = match Server::new(Some(control), None, false) {
        Ok(mut server) if server.strange_threads.is_empty() => {
            server.greet(&Greeting::Ready);
            server.serve()
        }
        Ok(server) => {
            let threads = server.strange_threads.clone();
            server.greet(&Greeting::Refused(Refusal::ThreadsRunning(threads)));
            1
        }
        Err(_) => 1,
    };
    child::exit_now(status)
}

/// Forks one backend from a fork of the program, watches over it, and ends after it.
///
/// `in_child` never returns.
pub(in crate::process) fn watch_one(
    program: PidFd,
    title: &str,
    supervision: OwnedFd,
    stderr: Output,
    stop_timeout: Duration,
    in_child: impl FnOnce(Sockets),
) -> ! {
    signals::reset();
    child::watch_forks();
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    title::set(title);
    fn refuse(supervision: &OwnedFd, refusal: Refusal) -> ! {
        let _ = tell(supervision, &Notice::Refused(refusal), None);
        child::exit_now(1)
    }
    let (mut server, pair) = match (Server::new(None, Some(program), false), socket::message_pair()) {
        (Ok(server), Ok(pair)) => (server, pair),
        (Err(errno), _) => {
            refuse(&supervision, Refusal::system("the watcher of the backend could not begin", errno))
        }
        (_, Err(error)) => refuse(&supervision, Refusal::Other(error.to_string())),
    };
    let (failure, failure_end) = pair;
    let stderr = redirection(stderr).unwrap_or_else(|refusal| refuse(&supervision, refusal));
    let parent = getpid();
    match child::fork_single_threaded() {
        Err(errno) => refuse(&supervision, Refusal::system("a process could not be forked", errno)),
        Ok(ForkResult::Child) => {
            drop(failure);
            if let Some(stderr) = stderr {
                stderr.apply();
            }
            server.leave(parent, &[]);
            in_child(Sockets { beside: supervision, failure: Some(failure_end) });
            child::exit_now(1)
        }
        Ok(ForkResult::Parent { child }) => {
            let _ = setpgid(child, child);
            let last_words = stderr.and_then(Redirection::into_last_words);
            server.adopt(child, supervision, Some(failure), stop_timeout, last_words);
            // Everything else is the program's, and would be kept open here.
            close_all_but(server.descriptors());
            child::exit_now(server.serve())
        }
    }
}

impl Server {
    fn new(control: Option<OwnedFd>, program: Option<PidFd>, is_bare: bool) -> nix::Result<Self> {
        bind_destructors();
        let events = signals::child_events()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        if let Some(control) = &control {
            epoll.add(control, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        }
        if let Some(program) = &program {
            epoll.add(program, EpollEvent::new(EpollFlags::EPOLLIN, PROGRAM))?;
        }
        epoll.add(&events, EpollEvent::new(EpollFlags::EPOLLIN, CHILDREN))?;
        let strange_threads = proc_files::other_thread_names().unwrap_or_default();
        let own_open_files = proc_files::open_files().unwrap_or(ROOM_FOR_ORDER);
        let backends = HashMap::new();
        Ok(Self {
            control,
            program,
            events,
            epoll,
            backends,
            own_open_files,
            pipes: 0,
            strange_threads,
            is_bare,
        })
    }

    fn greet(&self, greeting: &Greeting) {
        if let Some(control) = &self.control {
            greet(control, greeting);
        }
    }

    fn serve(&mut self) -> i32 {
        let mut ready = [EpollEvent::empty(); 64];
        while self.control.is_some() || !self.backends.is_empty() {
            let count = match self.epoll.wait(&mut ready, self.next_timeout()) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(_) => return self.end(),
            };
            for event in &ready[..count] {
                match event.data() {
                    CONTROL => self.receive(),
                    PROGRAM => return self.end(),
                    CHILDREN => self.reap(),
                    token if token & WORDS != 0 => self.listen((token & !WORDS) - FIRST_BACKEND),
                    token if event.events().contains(EpollFlags::EPOLLHUP) => {
                        self.frontends_gone(token - FIRST_BACKEND);
                    }
                    token => self.tell_untold(token - FIRST_BACKEND),
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
        for (&pid, _) in self.backends.iter().filter(|(_, backend)| !backend.is_reaped) {
            child::kill_group(Pid::from_raw(pid));
        }
        0
    }

    fn obey(&mut self, message: Message) {
        let mut descriptors = message.descriptors.into_iter();
        let Some(supervision) = descriptors.next() else { return };
        let refusal = match protocol::decode::<Order>(&message.bytes) {
            Some(order) => match self.spawn(order, descriptors.collect(), supervision) {
                Ok(()) => return,
                Err((supervision, refusal)) => (supervision, refusal),
            },
            None => (supervision, Refusal::Code("the fork server got an order it cannot read".to_owned())),
        };
        let (supervision, refusal) = refusal;
        // Nobody else has used this socket, so there is room.
        let _ = tell(&supervision, &Notice::Refused(refusal), None);
    }

    fn spawn(
        &mut self,
        order: Order,
        descriptors: Vec<OwnedFd>,
        supervision: OwnedFd,
    ) -> Result<(), (OwnedFd, Refusal)> {
        if let Err(refusal) = check(&order, &self.strange_threads) {
            return Err((supervision, refusal));
        }
        // The next order must find room, or its sender would not even be told (F6).
        if !self.has_room() && !limits::raise_open_files() {
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

    /// Whether one more backend leaves room for the descriptors of the next order (F6).
    fn has_room(&self) -> bool {
        let in_use = self.own_open_files + self.backends.len() + self.pipes + ROOM_FOR_ORDER;
        in_use as u64 <= limits::open_files_soft()
    }

    fn adopt(
        &mut self,
        pid: Pid,
        supervision: OwnedFd,
        failure: Option<OwnedFd>,
        stop_timeout: Duration,
        last_words: Option<LastWords>,
    ) {
        self.pipes += usize::from(failure.is_some());
        let notice = match PidFd::open(pid) {
            Ok(pidfd) => (Notice::Born { pid: pid.as_raw().unsigned_abs() }, Some(pidfd)),
            Err(errno) => {
                child::kill_group(pid);
                (Notice::Refused(Refusal::system("a process could not be opened", errno)), None)
            }
        };
        // No event but the hang-up, which always counts (F3).
        let _ = self.epoll.add(&supervision, EpollEvent::new(EpollFlags::empty(), token(pid)));
        if let Some(last_words) = &last_words {
            self.pipes += 1;
            let _ = self.epoll.add(last_words, EpollEvent::new(EpollFlags::EPOLLIN, token(pid) | WORDS));
        }
        let mut backend = Backend {
            supervision,
            failure,
            stop_timeout,
            ending: None,
            untold: vec![notice],
            last_words,
            waits_for_room: false,
            is_reaped: false,
        };
        backend.tell(&self.epoll, token(pid));
        self.backends.insert(pid.as_raw(), backend);
    }

    /// Makes the forked copy a process of its own, without anything of the server (`parent`).
    ///
    /// Where nobody else can have opened anything, only `kept` stays open.
    fn leave(&mut self, parent: Pid, kept: &[RawFd]) {
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
    fn descriptors(&self) -> Vec<RawFd> {
        let control = self.control.as_ref().map(AsRawFd::as_raw_fd);
        let program = self.program.as_ref().map(|program| program.as_fd().as_raw_fd());
        let own = [self.events.as_fd().as_raw_fd(), self.epoll.0.as_raw_fd()];
        let backends = self.backends.values().flat_map(|backend| {
            let words = backend.last_words.as_ref().map(|words| words.as_fd().as_raw_fd());
            let failure = backend.failure.as_ref().map(AsRawFd::as_raw_fd);
            [Some(backend.supervision.as_raw_fd()), failure, words].into_iter().flatten()
        });
        own.into_iter().chain(control).chain(program).chain(backends).collect()
    }

    fn reap(&mut self) {
        while let Ok(Some(_)) = self.events.read_signal() {}
        while let Some(Reaped { pid, reason, stack_overflow, gone_at }) = child::reap_one() {
            if let Some(mut backend) = self.backends.remove(&pid.as_raw()) {
                if backend.failure.is_some() {
                    self.pipes -= 1;
                }
                if let Some(refusal) = backend.take_failure() {
                    backend.untold.push((Notice::Failed(refusal), None));
                }
                let stderr_tail = backend.last_words.take().map_or_else(String::new, |last_words| {
                    self.pipes -= 1;
                    last_words.into_text()
                });
                let notice = Notice::Ended { reason, stack_overflow, stderr_tail, gone_at };
                backend.untold.push((notice, None));
                backend.is_reaped = true;
                backend.ending = None;
                backend.tell(&self.epoll, token(pid));
                if !backend.untold.is_empty() {
                    self.backends.insert(pid.as_raw(), backend);
                }
            }
        }
    }

    /// A backend has written to its standard error.
    fn listen(&mut self, pid: u64) {
        let Ok(pid) = i32::try_from(pid) else { return };
        if let Some(backend) = self.backends.get_mut(&pid)
            && let Some(last_words) = &mut backend.last_words
            && !last_words.take_in()
        {
            // Nobody can write any more, which would stay true.
            let _ = self.epoll.delete(&*last_words);
        }
    }

    /// There is room to tell again, once whoever is told has taken something off the socket.
    fn tell_untold(&mut self, pid: u64) {
        let Ok(pid) = i32::try_from(pid) else { return };
        if let Some(backend) = self.backends.get_mut(&pid) {
            backend.tell(&self.epoll, token(Pid::from_raw(pid)));
            if backend.is_reaped && backend.untold.is_empty() {
                self.backends.remove(&pid);
            }
        }
    }

    fn frontends_gone(&mut self, pid: u64) {
        let Ok(pid) = i32::try_from(pid) else { return };
        if self.backends.get(&pid).is_some_and(|backend| backend.is_reaped) {
            // Nobody is left to be told.
            self.backends.remove(&pid);
        } else if let Some(backend) = self.backends.get_mut(&pid) {
            // A hang-up stays true; it has been heard.
            let _ = self.epoll.delete(&backend.supervision);
            let at = Instant::now() + backend.stop_timeout;
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
        for (&pid, backend) in &mut self.backends {
            if let Some(ending) = &mut backend.ending
                && ending.at <= now
            {
                // Not reaped yet, so the number is still the backend's.
                let _ = kill(Pid::from_raw(pid), ending.signal);
                *ending = Ending { at: now + TERM_GRACE, signal: Signal::SIGKILL };
            }
        }
    }
}

/// Closes what belongs to the server, so that no backend holds an end of another's link open.
#[allow(unsafe_code)]
fn close_all_but(mut kept: Vec<RawFd>) {
    // SAFETY: the owners of all others are values of the server, or of the program that this watcher
    // was forked from; this process never comes back to them, and neither uses nor drops them.
    unsafe { descriptors::close_all_but(&mut kept) }
}

/// Has the C library bind what the first thread-local value with a destructor makes it look for.
///
/// It looks for `calloc` through every module then, and in a backend that is a dozen page faults.
fn bind_destructors() {
    thread_local! {
        static WITH_DESTRUCTOR: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    WITH_DESTRUCTOR.with(|_| {});
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

fn redirection(stderr: Output) -> Result<Option<Redirection>, Refusal> {
    Redirection::new(stderr).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
        Refusal::system("its standard error could not be redirected", errno)
    })
}

fn greet(control: &OwnedFd, greeting: &Greeting) {
    // A program that is gone does not want to know.
    let _ = socket::send(control.as_fd(), &protocol::encode(greeting), &[], false);
}

impl Backend {
    /// Why a backend that has ended never began, if it left word.
    fn take_failure(&mut self) -> Option<Refusal> {
        let failure = self.failure.take()?;
        let message = socket::receive(failure.as_fd(), false).ok().flatten()?;
        protocol::decode(&message.bytes)
    }

    /// Tells what there is to tell, as far as the socket has room (F3).
    fn tell(&mut self, epoll: &Epoll, token: u64) {
        while let Some((notice, pidfd)) = self.untold.first() {
            if tell(&self.supervision, notice, pidfd.as_ref()) == Err(Errno::EAGAIN) {
                break;
            }
            self.untold.remove(0);
        }
        let is_full = !self.untold.is_empty();
        if is_full != std::mem::replace(&mut self.waits_for_room, is_full) {
            let events = if is_full { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let _ = epoll.modify(&self.supervision, &mut EpollEvent::new(events, token));
        }
    }
}

fn token(pid: Pid) -> u64 {
    FIRST_BACKEND + u64::from(pid.as_raw().unsigned_abs())
}

/// Tells without waiting; a frontend that is gone does not want to know.
fn tell(supervision: &OwnedFd, notice: &Notice, pidfd: Option<&PidFd>) -> nix::Result<()> {
    let descriptors: Vec<_> = pidfd.iter().map(|pidfd| pidfd.as_fd()).collect();
    socket::send(supervision.as_fd(), &protocol::encode(notice), &descriptors, false)
}
