//! The fork server itself: forks on order, reaps, tells, and ends with the program.
//! Not here: how it is started (`copy`, `client`).
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
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::{ForkResult, Pid, fchdir, getpid, getppid, setpgid};

use super::last_words::{LastWords, Redirection};
use crate::link::{self, LinkEnd};
use crate::process::protocol::{self, Notice, Order, Refusal};
use crate::sys::child::Reaped;
use crate::sys::pidfd::PidFd;
use crate::sys::socket::Message;
use crate::sys::{child, descriptors, limits, proc_files, signals, socket, title};

/// What a new backend begins with.
#[derive(Debug)]
pub(crate) struct BackendStart {
    pub(crate) name: String,
    pub(crate) link: LinkEnd,
}

/// The function that a backend runs; what it returns is its exit status.
pub(crate) type Entry = fn(BackendStart) -> i32;

/// Time between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(1);
/// Exit status of a backend that could not begin.
const STATUS_NOT_STARTED: i32 = 70;
/// Exit status of a backend whose runtime panicked: that of any Rust program.
const STATUS_PANICKED: i32 = 101;

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
    control: OwnedFd,
    /// Held open for the event of the program's end.
    _program: PidFd,
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
}

struct Backend {
    supervision: OwnedFd,
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
    let status = match Server::new(control, program) {
        Ok(mut server) => server.serve(),
        Err(_) => 1,
    };
    child::exit_now(status)
}

impl Server {
    fn new(control: OwnedFd, program: Pid) -> nix::Result<Self> {
        signals::reset();
        child::watch_forks();
        bind_destructors();
        // The terminal's Ctrl-C is for the program, which then ends us.
        setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        let executable = std::env::current_exe().unwrap_or_default();
        let executable = executable.file_name().unwrap_or_default().to_string_lossy().into_owned();
        title::set(&format!("fork-server of {executable}"));
        let events = signals::child_events()?;
        let pidfd = PidFd::open(program)?;
        // Between the check in `before_main` and this line the program may have ended and its number
        // been given away; then we have another parent now.
        if getppid() != program {
            return Err(Errno::ESRCH);
        }
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&control, EpollEvent::new(EpollFlags::EPOLLIN, CONTROL))?;
        epoll.add(&pidfd, EpollEvent::new(EpollFlags::EPOLLIN, PROGRAM))?;
        epoll.add(&events, EpollEvent::new(EpollFlags::EPOLLIN, CHILDREN))?;
        let strange_threads = proc_files::thread_names().unwrap_or_default().into_iter().skip(1).collect();
        Ok(Self {
            control,
            _program: pidfd,
            events,
            epoll,
            backends: HashMap::new(),
            own_open_files: proc_files::open_files().unwrap_or(ROOM_FOR_ORDER),
            pipes: 0,
            strange_threads,
        })
    }

    fn serve(&mut self) -> i32 {
        let mut ready = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut ready, self.next_timeout()) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(_) => return self.end(),
            };
            for event in &ready[..count] {
                match event.data() {
                    CONTROL => match socket::receive(self.control.as_fd(), false) {
                        Ok(Some(message)) => self.obey(message),
                        Ok(None) => return self.end(),
                        Err(_) => {}
                    },
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
        let entry = match check(&order, &self.strange_threads) {
            Ok(entry) => entry,
            Err(refusal) => return Err((supervision, refusal)),
        };
        // The next order must find room, or its sender would not even be told (F6).
        if !self.has_room() && !limits::raise_open_files() {
            return Err((supervision, system("the fork server has too many backends", Errno::EMFILE)));
        }
        let stderr = match Redirection::new(order.stderr) {
            Ok(stderr) => stderr,
            Err(error) => {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                return Err((supervision, system("its standard error could not be redirected", errno)));
            }
        };
        let server = getpid();
        match child::fork_single_threaded() {
            Err(errno) => Err((supervision, system("a process could not be forked", errno))),
            Ok(ForkResult::Child) => {
                if let Some(stderr) = &stderr {
                    stderr.apply();
                }
                become_backend(server, order, descriptors, supervision, entry)
            }
            Ok(ForkResult::Parent { child }) => {
                // Both sides do this, because either may be the first to need it.
                let _ = setpgid(child, child);
                let last_words = stderr.and_then(Redirection::into_last_words);
                self.adopt(child, supervision, order.stop_timeout, last_words);
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
        stop_timeout: Duration,
        last_words: Option<LastWords>,
    ) {
        let notice = match PidFd::open(pid) {
            Ok(pidfd) => (Notice::Born { pid: pid.as_raw().unsigned_abs() }, Some(pidfd)),
            Err(errno) => {
                child::kill_group(pid);
                (Notice::Refused(system("a process could not be opened", errno)), None)
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

    fn reap(&mut self) {
        while let Ok(Some(_)) = self.events.read_signal() {}
        while let Some(Reaped { pid, reason, stack_overflow, gone_at }) = child::reap_one() {
            if let Some(mut backend) = self.backends.remove(&pid.as_raw()) {
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

/// Turns the forked copy into a backend. Nothing here may return into the server's loop.
fn become_backend(
    server: Pid,
    order: Order,
    descriptors: Vec<OwnedFd>,
    supervision: OwnedFd,
    entry: Entry,
) -> ! {
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    let _ = signals::die_with_parent();
    // The signal is sent for an end that comes after the line above; this is the end before it.
    if getppid() != server {
        child::exit_now(STATUS_NOT_STARTED);
    }
    close_all_but(descriptors.iter().chain([&supervision]));
    // The dispositions are the server's, which has reset them (F5).
    signals::unblock_all();
    limits::set_open_files_soft(order.open_files_soft);
    title::set(&order.name);
    let mut descriptors = descriptors.into_iter();
    if order.has_directory
        && let Some(directory) = descriptors.next()
    {
        let _ = fchdir(directory);
    }
    let status = match link::open(order.link, descriptors.collect(), supervision) {
        Ok(link) => {
            child::close_in_forks(&link.descriptors());
            // A panic of the runtime itself must not go on into the server's frames, whose descriptors are
            // closed. The hook has printed it.
            catch_unwind(AssertUnwindSafe(|| entry(BackendStart { name: order.name, link })))
                .unwrap_or(STATUS_PANICKED)
        }
        Err(_) => STATUS_NOT_STARTED,
    };
    std::process::exit(status)
}

/// Closes what belongs to the server, so that no backend holds an end of another's link open.
#[allow(unsafe_code)]
fn close_all_but<'kept>(kept: impl Iterator<Item = &'kept OwnedFd>) {
    let mut kept: Vec<RawFd> = kept.map(AsRawFd::as_raw_fd).collect();
    // SAFETY: the owners of all others are the server's values, and in a backend, which never comes
    // back to them, they are neither used nor dropped.
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

fn check(order: &Order, strange_threads: &[String]) -> Result<Entry, Refusal> {
    if !strange_threads.is_empty() {
        return Err(Refusal::ThreadsRunning(strange_threads.to_vec()));
    }
    let address = order.entry.resolve().map_err(Refusal::Code)?;
    Ok(to_entry(address))
}

#[allow(unsafe_code)]
fn to_entry(address: usize) -> Entry {
    // SAFETY: A1 of `sys::module`: the address was that of an `Entry` in the program, and the same
    // module, checked by fingerprint, is loaded here.
    unsafe { std::mem::transmute::<usize, Entry>(address) }
}

fn system(doing: &str, errno: Errno) -> Refusal {
    Refusal::System { doing: doing.to_owned(), errno: errno as i32 }
}

impl Backend {
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
