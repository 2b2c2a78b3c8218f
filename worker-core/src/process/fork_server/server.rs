//! The fork server itself: forks on order, reaps, tells, and ends with the program.
//! Not here: how it is started (`copy`, `client`).
//! Layer 5: over `sys`.
//!
//! * F1: it has one thread, so a fork of it is a whole process.
//! * F2: backends are its children and carry a parent-death signal; it ends when the program does,
//!   which it sees by its pidfd even if a stray process holds the control socket open.
//! * F3: it keeps one descriptor a backend, the supervision socket, on which it tells the end; when
//!   that hangs up, every frontend is gone, and the backend's time to end begins to run.
//! * F4: a backend leads a process group of its own. It is killed as a group while the leader is
//!   still a zombie, so the number cannot belong to anybody else.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{ForkResult, Pid, getpid, getppid, setpgid};

use super::{MARKER, copy};
use crate::process::protocol::{self, Greeting, Notice, Order, Refusal, Task};
use crate::process::start::begin;
use crate::sys::pidfd::PidFd;
use crate::sys::socket::Message;
use crate::sys::{child, exec, huge_pages, limits, proc_files, signals, socket, title};

/// Time between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(1);

const CONTROL: u64 = 0;
const PROGRAM: u64 = 1;
const CHILDREN: u64 = 2;
/// Tokens from here on are this plus the pid of a backend.
const FIRST_BACKEND: u64 = 16;

struct Server {
    /// `None` once nobody can give an order any more; then the last backend's end is ours too.
    control: Option<OwnedFd>,
    /// `None` where our own parent-death signal does the same.
    program: Option<PidFd>,
    events: SignalFd,
    epoll: Epoll,
    backends: HashMap<i32, Backend>,
    /// Threads that some library started before `main` (F1). None can come later: nothing here
    /// runs code that starts any.
    strange_threads: Vec<String>,
}

struct Backend {
    supervision: OwnedFd,
    stop_timeout: Duration,
    ending: Option<Ending>,
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
        Server::new(Some(control), Some(pidfd))
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
/// Its parent is a fork server, with which it ends; title, group and signals are set already.
pub(in crate::process) fn run_preloaded(control: OwnedFd, preload: Option<fn()>) -> ! {
    greet(&control, &Greeting::Here);
    if let Err(refusal) = preload.map_or(Ok(()), begin::load) {
        greet(&control, &Greeting::Refused(refusal));
        child::exit_now(1);
    }
    huge_pages::collapse();
    let status = match Server::new(Some(control), None) {
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
    stop_timeout: Duration,
    in_child: impl FnOnce(OwnedFd),
) {
    signals::reset();
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    title::set(title);
    let mut server = match Server::new(None, Some(program)) {
        Ok(server) => server,
        Err(errno) => {
            let refusal = Refusal::system("the watcher of the backend could not begin", errno);
            return tell(&supervision, &Notice::Refused(refusal), None);
        }
    };
    let parent = getpid();
    match child::fork_single_threaded() {
        Err(errno) => {
            let refusal = Refusal::system("a process could not be forked", errno);
            tell(&supervision, &Notice::Refused(refusal), None);
        }
        Ok(ForkResult::Child) => {
            server.leave(parent);
            in_child(supervision);
        }
        Ok(ForkResult::Parent { child }) => {
            let _ = setpgid(child, child);
            server.adopt(child, supervision, stop_timeout);
            // Everything else is the program's, and would be kept open here.
            child::close_all_but(&server.descriptors());
            child::exit_now(server.serve())
        }
    }
}

impl Server {
    fn new(control: Option<OwnedFd>, program: Option<PidFd>) -> nix::Result<Self> {
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
        Ok(Self { control, program, events, epoll, backends: HashMap::new(), strange_threads })
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
                    token => self.frontends_gone(token - FIRST_BACKEND),
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
        for &pid in self.backends.keys() {
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
        tell(&supervision, &Notice::Refused(refusal), None);
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
        // Each backend costs one descriptor here; a limit that is near is raised before it is reached.
        if self.backends.len() as u64 * 2 > limits::open_files_soft() {
            limits::raise_open_files();
        }
        let server = getpid();
        match child::fork_single_threaded() {
            Err(errno) => Err((supervision, Refusal::system("a process could not be forked", errno))),
            Ok(ForkResult::Child) => {
                self.leave(server);
                if order.fresh_image {
                    execute(&order, &descriptors, supervision)
                }
                begin::obey(order, descriptors, supervision)
            }
            Ok(ForkResult::Parent { child }) => {
                // Both sides do this, because either may be the first to need it.
                let _ = setpgid(child, child);
                self.adopt(child, supervision, order.stop_timeout);
                Ok(())
            }
        }
    }

    fn adopt(&mut self, pid: Pid, supervision: OwnedFd, stop_timeout: Duration) {
        match PidFd::open(pid) {
            Ok(pidfd) => {
                let notice = Notice::Born { pid: pid.as_raw().unsigned_abs(), is_thread: false };
                tell(&supervision, &notice, Some(&pidfd));
            }
            Err(errno) => {
                let refusal = Refusal::system("a process could not be opened", errno);
                tell(&supervision, &Notice::Refused(refusal), None);
                child::kill_group(pid);
            }
        }
        let token = FIRST_BACKEND + u64::from(pid.as_raw().unsigned_abs());
        // No event but the hang-up, which always counts (F3).
        let _ = self.epoll.add(&supervision, EpollEvent::new(EpollFlags::empty(), token));
        self.backends.insert(pid.as_raw(), Backend { supervision, stop_timeout, ending: None });
    }

    /// Makes the forked copy a process of its own, without anything of the server (`parent`).
    fn leave(&mut self, parent: Pid) {
        let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
        let _ = signals::die_with_parent();
        // The signal is sent for an end that comes after the line above; this is the end before it.
        if getppid() != parent {
            child::exit_now(1);
        }
        self.close_everything();
        signals::reset();
    }

    /// Every descriptor of the server.
    fn descriptors(&self) -> Vec<RawFd> {
        let control = self.control.as_ref().map(AsRawFd::as_raw_fd);
        let program = self.program.as_ref().map(|program| program.as_fd().as_raw_fd());
        let own = [self.events.as_fd().as_raw_fd(), self.epoll.0.as_raw_fd()];
        let backends = self.backends.values().map(|backend| backend.supervision.as_raw_fd());
        own.into_iter().chain(control).chain(program).chain(backends).collect()
    }

    /// Closes what belongs to the server, so that no backend holds an end of another's link open.
    fn close_everything(&mut self) {
        self.backends.clear();
        self.control = None;
        self.program = None;
        // Owned by the server, which this process never drops.
        for descriptor in self.descriptors() {
            let _ = nix::unistd::close(descriptor);
        }
    }

    fn reap(&mut self) {
        while let Ok(Some(_)) = self.events.read_signal() {}
        while let Some((pid, reason, gone_at)) = child::reap_one() {
            if let Some(backend) = self.backends.remove(&pid.as_raw()) {
                tell(&backend.supervision, &Notice::Ended { reason, gone_at }, None);
            }
        }
    }

    fn frontends_gone(&mut self, pid: u64) {
        let Ok(pid) = i32::try_from(pid) else { return };
        if let Some(backend) = self.backends.get_mut(&pid) {
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
fn execute(order: &Order, descriptors: &[OwnedFd], supervision: OwnedFd) -> ! {
    let doing = "the program could not be executed anew";
    let (left, found) = match socket::message_pair() {
        Ok(pair) => pair,
        Err(error) => begin::fail(&supervision, Refusal::Other(format!("{doing}: {error}"))),
    };
    let mut all = vec![supervision.as_fd()];
    all.extend(descriptors.iter().map(OwnedFd::as_fd));
    let errno = match socket::send(left.as_fd(), &protocol::encode(order), &all, false) {
        Ok(()) => {
            let marker = format!("{}:{}:{}", copy::ROLE_ORDERED, found.as_raw_fd(), getppid());
            exec::become_copy(MARKER, &marker, &found)
        }
        Err(errno) => errno,
    };
    begin::fail(&supervision, Refusal::system(doing, errno))
}

fn greet(control: &OwnedFd, greeting: &Greeting) {
    // A program that is gone does not want to know.
    let _ = socket::send(control.as_fd(), &protocol::encode(greeting), &[], false);
}

fn tell(supervision: &OwnedFd, notice: &Notice, pidfd: Option<&PidFd>) {
    let descriptors: Vec<_> = pidfd.iter().map(|pidfd| pidfd.as_fd()).collect();
    // A frontend that is gone does not want to know.
    let _ = socket::send(supervision.as_fd(), &protocol::encode(notice), &descriptors, false);
}
