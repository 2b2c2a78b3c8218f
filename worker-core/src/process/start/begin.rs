//! The first things that a new process does, whatever made it, up to the code of the user.
//! Not here: what the parent has to do for it (`fork_server::server`), or the actor (`actor::backend`).
//! Layer 5: over `link` and `sys`.

use std::os::fd::{AsFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use nix::unistd::fchdir;

use super::{Run, debugger};
use crate::calls::{identity, waits};
use crate::link::beside::Beside;
use crate::link::{self, LinkEnd, LinkKind};
use crate::process::fork_server::server;
use crate::process::parting;
use crate::process::protocol::{self, Order, Refusal, Surroundings, Task};
use crate::sys::module::CodeAddress;
use crate::sys::{child, limits, socket, title};

/// What a new backend begins with.
#[derive(Debug)]
pub(crate) struct BackendStart {
    pub(crate) name: String,
    /// Who the actor is, in this life.
    pub(crate) id: u64,
    pub(crate) link: LinkEnd,
    /// Where others who are given the actor knock: the socket beside the link.
    pub(crate) door: Arc<Beside>,
}

/// The function that a backend runs; what it returns is its exit status.
pub(crate) type Entry = fn(BackendStart) -> i32;

/// Exit status of a process that could not begin.
const STATUS_NOT_STARTED: i32 = 70;

/// How much a backend uses of its stack before it runs code of the user, roughly.
const STACK_BYTES: usize = 6 * 1024;

/// Exit status of a backend whose runtime panicked: that of any Rust program.
const STATUS_PANICKED: i32 = 101;

/// Turns a process that was made for this order into what the order says.
pub(in crate::process) fn obey(order: Order, descriptors: Vec<OwnedFd>, sockets: Sockets) -> ! {
    let Order { task, surroundings, .. } = order;
    match task {
        Task::Backend { entry, link } => match resolve::<Entry>(&entry) {
            Ok(entry) => backend(surroundings, link, descriptors, sockets, Run::Function(entry)),
            Err(refusal) => sockets.fail(refusal),
        },
        Task::Server => match surroundings.preload.as_ref().map(resolve::<fn()>).transpose() {
            Ok(preload) => {
                let mut descriptors = surround(&surroundings, descriptors);
                // The program keeps the other end for as long as it wants us, and so it shows there.
                drop(sockets);
                match descriptors.pop() {
                    Some(control) => server::run_preloaded(control, preload),
                    None => child::exit_now(STATUS_NOT_STARTED),
                }
            }
            Err(refusal) => sockets.fail(refusal),
        },
    }
}

/// Turns this process into a backend.
pub(in crate::process) fn backend(
    surroundings: Surroundings,
    link: LinkKind,
    descriptors: Vec<OwnedFd>,
    sockets: Sockets,
    run: Run,
) -> ! {
    let parts = surround(&surroundings, descriptors);
    if let Err(refusal) = load_first(&surroundings).and_then(|()| surroundings.settings.place()) {
        sockets.fail(refusal);
    }
    let Sockets { beside, failure } = sockets;
    let door = Arc::new(Beside::from(beside));
    let link = link::open(link, parts, Arc::clone(&door)).map_err(|error| Refusal::Other(error.to_string()));
    match link.and_then(|link| surroundings.settings.limit().map(|()| link)) {
        Ok(link) => {
            drop(failure);
            live(surroundings, link, door, run)
        }
        Err(refusal) => fail(failure.as_ref(), refusal),
    }
}

/// Turns a process that was forked ahead, and has its link open, into the backend that the order is for.
pub(in crate::process) fn backend_in_spare(order: Order, descriptors: Vec<OwnedFd>, link: LinkEnd) -> ! {
    let Order { task: Task::Backend { entry, .. }, surroundings, .. } = order else {
        child::exit_now(STATUS_NOT_STARTED)
    };
    // K4 of `fork_server::spares`: the server has found the entry before.
    let Ok(entry) = resolve::<Entry>(&entry) else { child::exit_now(STATUS_NOT_STARTED) };
    surround(&surroundings, descriptors);
    // Only links in shared memory are made ahead.
    let Some(door) = link.beside() else { child::exit_now(STATUS_NOT_STARTED) };
    live(surroundings, link, door, Run::Function(entry))
}

/// The life of a backend that has everything.
fn live(surroundings: Surroundings, mut link: LinkEnd, door: Arc<Beside>, run: Run) -> ! {
    child::close_in_forks(&link.descriptors());
    child::close_in_forks(&[door.as_fd()]);
    parting::set_door(&door);
    identity::set_of_process(surroundings.id);
    link.peer = surroundings.spawner;
    if surroundings.waits_for_debugger {
        debugger::wait(&surroundings.name);
    }
    let Surroundings { name, id, .. } = surroundings;
    let start = BackendStart { name, id, link, door };
    // A panic of the runtime itself must not go on into frames whose descriptors are closed. The
    // hook has printed it.
    let status = panic::catch_unwind(AssertUnwindSafe(|| run.call(start))).unwrap_or(STATUS_PANICKED);
    // Not `_exit`: what the program has registered for its end, such as the writer of a
    // coverage profile, runs in a backend too.
    std::process::exit(status)
}

/// Touches what the beginning of a backend touches, while nobody waits for it.
///
/// Each page that a fork touches first is a fault, and some twenty of them are a tenth of a spawn.
pub(in crate::process) fn warm_up() {
    let stack = [0_u8; STACK_BYTES];
    std::hint::black_box(&stack);
    // The loader's list of modules, and what reads messages.
    let here = CodeAddress::of(warm_up as *const () as usize);
    let _ = here.map(|here| (here.resolve(), protocol::decode::<CodeAddress>(&protocol::encode(&here))));
}

/// What a new process can say something on.
#[derive(Debug)]
pub(in crate::process) struct Sockets {
    /// The far end of the socket beside the link, which becomes the backend's.
    pub(in crate::process) beside: OwnedFd,
    /// Where its parent looks for word of a failure.
    pub(in crate::process) failure: Option<OwnedFd>,
}

impl Sockets {
    /// Leaves word why this process is not what it was made for, and ends it.
    pub(in crate::process) fn fail(&self, refusal: Refusal) -> ! {
        fail(self.failure.as_ref(), refusal)
    }

    pub(in crate::process) fn all(&self) -> impl Iterator<Item = &OwnedFd> {
        [Some(&self.beside), self.failure.as_ref()].into_iter().flatten()
    }
}

fn fail(socket: Option<&OwnedFd>, refusal: Refusal) -> ! {
    if let Some(socket) = socket {
        let _ = socket::send(socket.as_fd(), &protocol::encode(&refusal), &[], false);
    }
    child::exit_now(STATUS_NOT_STARTED)
}

fn load_first(surroundings: &Surroundings) -> Result<(), Refusal> {
    surroundings.preload.as_ref().map_or(Ok(()), |preload| load(resolve::<fn()>(preload)?))
}

/// Gives this process its name, its directory and its descriptors; the rest of those comes back.
fn surround(surroundings: &Surroundings, descriptors: Vec<OwnedFd>) -> Vec<OwnedFd> {
    limits::set_open_files_soft(surroundings.open_files_soft);
    title::set(&surroundings.name);
    let mut descriptors = descriptors.into_iter();
    if surroundings.has_directory
        && let Some(directory) = descriptors.next()
    {
        let _ = fchdir(directory);
    }
    if surroundings.has_waits
        && let Some(table) = descriptors.next()
    {
        waits::inherit(table);
    }
    descriptors.collect()
}

/// Runs a function of the user that loads what backends share.
pub(in crate::process) fn load(preload: fn()) -> Result<(), Refusal> {
    panic::catch_unwind(AssertUnwindSafe(preload))
        // The panic hook has printed where and why.
        .map_err(|payload| {
            let message = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic whose payload is no text".to_owned());
            Refusal::Other(format!("the preload function panicked: {message}"))
        })
}

/// A function of the program, found in this copy of it.
fn resolve<F: Function>(address: &CodeAddress) -> Result<F, Refusal> {
    address.resolve().map(F::at).map_err(Refusal::Code)
}

/// A type of function that an order may name.
trait Function {
    fn at(address: usize) -> Self;
}

impl Function for Entry {
    #[allow(unsafe_code)]
    fn at(address: usize) -> Self {
        // SAFETY: A1 of `sys::module`: the address was that of an `Entry` in the program, and the same
        // module, checked by fingerprint, is loaded here.
        unsafe { std::mem::transmute::<usize, Self>(address) }
    }
}

impl Function for fn() {
    #[allow(unsafe_code)]
    fn at(address: usize) -> Self {
        // SAFETY: A1 of `sys::module`, as above: the program names nothing but a `fn()` as a preload.
        unsafe { std::mem::transmute::<usize, Self>(address) }
    }
}

impl Run {
    /// Runs it, to its end.
    pub(super) fn call(self, start: BackendStart) -> i32 {
        match self {
            Self::Function(entry) => entry(start),
            Self::Closure(closure) => closure(start),
        }
    }
}
