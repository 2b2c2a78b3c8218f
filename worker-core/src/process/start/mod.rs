//! How a backend comes to be: one file for each start method, all with the same signature.
//! Not here: what it does then (`actor`), and the fork server's own side (`fork_server`).
//! Layer 5: over `link` and `sys`.

pub(super) mod begin;
mod debugger;
mod exec;
mod fork;
mod method;
mod new_link;
mod refused;
mod server;
mod thread;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::body::Body;
use super::builder::Builder;
use super::fork_server::Server;
use super::protocol::{Order, Surroundings, Task};
use crate::calls::Client;
use crate::link::beside::Beside;
use crate::link::{LinkKind, NewLink};
use crate::sys::held::Held;
use crate::sys::limits::{self, with_descriptors};
use crate::sys::module::CodeAddress;

pub(crate) use begin::{BackendStart, Entry};
pub use method::StartMethod;
pub(crate) use refused::Refused;

/// How much of a name the backend itself is told: more than any title shows.
const TITLE_MAX_BYTES: usize = 1024;

/// What a backend runs.
pub(crate) enum Run {
    /// Code, and nothing else: it means the same in every copy of the program.
    Function(Entry),
    /// Code with some of the program's state: it means something in this process and its forks.
    Closure(Box<dyn FnOnce(BackendStart) -> i32 + Send>),
}

/// Everything of a backend that is about to be, on the way to the other side.
pub(super) struct NewBackend<'builder> {
    builder: &'builder Builder,
    /// Whether the environment chose the method, so that the builder's wishes may not fit it.
    forced: bool,
    run: Run,
    surroundings: Surroundings,
    link: LinkKind,
    /// Our end of the socket beside the link, on which birth and end are told.
    beside: Arc<Beside>,
    far_end: OwnedFd,
    /// The working directory if there is one, then the parts of the link.
    descriptors: Vec<OwnedFd>,
}

/// What must live as long as a backend may.
#[derive(Debug)]
pub(super) enum Keeper {
    Server {
        _server: Arc<Server>,
    },
    Watcher(fork::Watcher),
    /// Nobody tells of a thread: it leaves word here itself.
    Thread(thread::End),
}

impl Keeper {
    /// The thread that the backend is, if it is one.
    pub(super) fn thread(&self) -> Option<&thread::End> {
        if let Self::Thread(end) = self { Some(end) } else { None }
    }

    /// What is readable at the end of that thread.
    pub(super) fn take_thread(&mut self) -> Option<OwnedFd> {
        if let Self::Thread(end) = self { end.take_descriptor() } else { None }
    }

    /// The backend has ended; what was there for it alone need not stay.
    pub(super) fn backend_ended(&self) {
        if let Self::Watcher(watcher) = self {
            watcher.reap();
        }
    }
}

/// Makes a backend that does what `run` says, and connects to it.
///
/// The backend waits for its first message then. [`Body::wait_born`] tells whether it came to be.
pub(crate) fn spawn(builder: &Builder, type_name: &str, run: Run) -> Result<(Client, Arc<Body>), Refused> {
    fork::reap_left();
    let (method, forced) = method::method(builder, &run)?;
    let open_files_soft = limits::open_files_soft_of_user();
    let (beside, far_end) = with_descriptors(Beside::pair)?;
    let beside = Arc::new(beside);
    let NewLink { kind, mut ours, theirs } = new_link::make(builder.link, &beside)?;
    ours.incoming.limit(builder.reply_max_bytes.unwrap_or_else(limits::half_of_all_memory_bytes));
    let name = name_of(builder, type_name);
    let directory = with_descriptors(working_directory)?;
    let surroundings = Surroundings {
        name: cut(&name, TITLE_MAX_BYTES).to_owned(),
        has_directory: directory.is_some(),
        open_files_soft,
        preload: None,
        settings: builder.settings.clone(),
        waits_for_debugger: debugger::is_wanted_for(&name)?,
    };
    let descriptors = directory.map(OwnedFd::from).into_iter().chain(theirs).collect();
    let backend = NewBackend {
        builder,
        forced,
        run,
        surroundings,
        link: kind,
        beside: Arc::clone(&beside),
        far_end,
        descriptors,
    };
    // Before anything is forked: not even this backend may hold our own ends.
    let held = Held::new(ours.descriptors().into_iter().chain([beside.as_fd()]));
    let keeper = match method {
        StartMethod::ForkServer => server::start(backend),
        StartMethod::Fork => fork::start(backend),
        StartMethod::Exec => exec::start(backend),
        StartMethod::Thread => thread::start(backend),
    }?;
    let body = Arc::new(Body::new(name, builder, beside, keeper, held));
    let watched = Arc::clone(&body);
    let client = Client::new(ours, Box::new(move |ending| watched.find_death(ending)));
    Ok((client, body))
}

/// The name that was given, or that of the type; numbered where there are several of a kind.
fn name_of(builder: &Builder, type_name: &str) -> String {
    let name = builder.name.as_deref().unwrap_or(type_name);
    builder.number.map_or_else(|| name.to_owned(), |number| format!("{name}-{number}"))
}

/// The working directory; one that cannot be opened leaves the backend in that of the fork server.
fn working_directory() -> io::Result<Option<File>> {
    let flags = (OFlag::O_PATH | OFlag::O_DIRECTORY).bits();
    match File::options().read(true).custom_flags(flags).open(".") {
        // No reason to run the backend somewhere else.
        Err(error) if error.raw_os_error() == Some(Errno::EMFILE as i32) => Err(error),
        other => Ok(other.ok()),
    }
}

/// The beginning of a text, at most so many bytes, cut between characters.
fn cut(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

impl NewBackend<'_> {
    /// The order for a fork server, and the descriptors that go with it.
    fn into_order(self, fresh_image: bool) -> Result<(Order, Vec<OwnedFd>), Refused> {
        let Run::Function(entry) = self.run else {
            unreachable!("`method` lets closures be started by fork and thread alone");
        };
        let entry = CodeAddress::of(entry as usize).ok_or_else(|| {
            Refused::Executable("the actor's code lies in no module that the loader knows".to_owned())
        })?;
        let order = Order {
            task: Task::Backend { entry, link: self.link },
            surroundings: self.surroundings,
            fresh_image,
            stderr: self.builder.stderr,
            stop_timeout: self.builder.stop_timeout,
        };
        let mut descriptors = vec![self.far_end];
        descriptors.extend(self.descriptors);
        Ok((order, descriptors))
    }
}
