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

use super::body::{Birth, Body};
use super::builder::Builder;
use super::fork_server::{Server, Taken};
use super::protocol::{Order, Surroundings, Task};
use crate::calls::{Client, identity, waits};
use crate::link::beside::Beside;
use crate::link::{Herald, LinkEnd, LinkKind, NewLink};
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
    /// The working directory if there is one, the table of waits if there is one, then the parts of the link.
    descriptors: Vec<OwnedFd>,
}

/// What must live as long as a backend may.
#[derive(Debug)]
pub(super) enum Keeper {
    Server {
        server: Arc<Server>,
        entry: Entry,
        /// Of one that was forked ahead, the birth is known.
        birth: Option<Birth>,
        /// And the server may not know yet that it was taken.
        taken: Option<Taken>,
    },
    Watcher(fork::Watcher),
    /// Somebody else made it, and looks after it.
    Elsewhere {
        is_thread: bool,
    },
    /// Nobody tells of a thread: it leaves word here itself.
    Thread(thread::End),
}

impl Keeper {
    /// The thread that the backend is, if it is one.
    pub(super) fn thread(&self) -> Option<&thread::End> {
        if let Self::Thread(end) = self { Some(end) } else { None }
    }

    /// Whether nobody tells us of its end.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Elsewhere { .. })
    }

    /// Whether the backend is a thread, of this program or another.
    pub(super) fn is_thread(&self) -> bool {
        matches!(self, Self::Thread(_) | Self::Elsewhere { is_thread: true })
    }

    /// The birth, where nobody will tell of it.
    pub(super) fn take_birth(&mut self) -> Option<Birth> {
        match self {
            Self::Server { birth, .. } => birth.take(),
            Self::Watcher(_) | Self::Elsewhere { .. } => None,
            Self::Thread(end) => {
                Some(Birth { pid: std::process::id(), pidfd: end.take_descriptor()?.into() })
            }
        }
    }

    /// The constructor has run, or nobody waits for that.
    pub(super) fn begun(&self) {
        if let Self::Server { taken: Some(taken), .. } = self {
            taken.tell();
        }
    }

    /// There is a backend, so its entry was found at its place.
    pub(super) fn order_was_accepted(&self) {
        if let Self::Server { server, entry, .. } = self {
            server.accepted(*entry);
        }
    }

    /// The backend has ended; what was there for it alone need not stay.
    pub(super) fn backend_ended(&self) {
        if let Self::Watcher(watcher) = self {
            watcher.reap();
        }
    }
}

/// What there is to know of a backend that is about to be, whatever its process and its link.
struct Prepared {
    name: String,
    id: u64,
    held: Held,
    surroundings: Surroundings,
    /// The working directory, if there is one, and the table of waits.
    descriptors: Vec<OwnedFd>,
}

/// Makes a backend that does what `run` says, and connects to it.
///
/// The backend waits for its first message then. [`Body::wait_born`] tells whether it came to be.
pub(super) fn spawn(builder: &Builder, type_name: &str, run: Run) -> Result<(Client, Arc<Body>), Refused> {
    fork::reap_left();
    let (method, forced) = method::method(builder, &run)?;
    if method == StartMethod::ForkServer
        && let Some(made) = server::start_in_spare(builder, type_name, &run)?
    {
        return Ok(made);
    }
    let (beside, far_end) = with_descriptors(Beside::pair)?;
    let beside = Arc::new(beside);
    let NewLink { kind: link, mut ours, theirs } = new_link::make(builder.link, &beside)?;
    let Prepared { name, id, held, surroundings, mut descriptors } =
        prepare(builder, type_name, &mut ours, &beside)?;
    descriptors.extend(theirs);
    let shared = Arc::clone(&beside);
    let backend =
        NewBackend { builder, forced, run, surroundings, link, beside: shared, far_end, descriptors };
    let keeper = match method {
        StartMethod::ForkServer => server::start(backend),
        StartMethod::Fork => fork::start(backend),
        StartMethod::Exec => exec::start(backend),
        StartMethod::Thread => thread::start(backend),
    }?;
    let herald = Herald::of(&ours);
    Ok(connect(Body::new(name, id, builder, beside, herald, keeper, held), ours))
}

fn prepare(
    builder: &Builder,
    type_name: &str,
    ours: &mut LinkEnd,
    beside: &Beside,
) -> Result<Prepared, Refused> {
    let open_files_soft = limits::open_files_soft_of_user();
    ours.incoming.limit(builder.reply_max_bytes.unwrap_or_else(limits::half_of_all_memory_bytes));
    let name = name_of(builder, type_name);
    let directory = with_descriptors(working_directory)?;
    let id = identity::new();
    let table =
        waits::descriptor().map(|table| with_descriptors(|| table.try_clone_to_owned())).transpose()?;
    let surroundings = Surroundings {
        id,
        spawner: identity::holder(),
        has_waits: table.is_some(),
        name: cut(&name, TITLE_MAX_BYTES).to_owned(),
        has_directory: directory.is_some(),
        open_files_soft,
        preload: None,
        settings: builder.settings.clone(),
        waits_for_debugger: debugger::is_wanted_for(&name)?,
    };
    let descriptors = directory.map(OwnedFd::from).into_iter().chain(table).collect();
    // Before anything is forked: not even this backend may hold our own ends.
    let held = Held::new(ours.descriptors().into_iter().chain([beside.as_fd()]));
    Ok(Prepared { name, id, held, surroundings, descriptors })
}

fn connect(body: Body, ours: LinkEnd) -> (Client, Arc<Body>) {
    let body = Arc::new(body);
    let watched = Arc::clone(&body);
    (
        Client::new(
            ours,
            body.target(),
            Box::new(move |ending, deadline| watched.find_death(ending, deadline)),
        ),
        body,
    )
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

/// What a server is told of a backend.
fn order(
    builder: &Builder,
    entry: Entry,
    link: LinkKind,
    surroundings: Surroundings,
    fresh_image: bool,
) -> Result<Order, Refused> {
    let entry = CodeAddress::of(entry as usize).ok_or_else(|| {
        Refused::Executable("the actor's code lies in no module that the loader knows".to_owned())
    })?;
    let (stderr, stop_timeout) = (builder.stderr, builder.stop_timeout);
    Ok(Order { task: Task::Backend { entry, link }, surroundings, fresh_image, stderr, stop_timeout })
}

impl NewBackend<'_> {
    /// The order for a fork server, the descriptors that go with it, and the entry.
    fn into_order(self, fresh_image: bool) -> Result<(Order, Vec<OwnedFd>, Entry), Refused> {
        let Run::Function(entry) = self.run else {
            unreachable!("`method` lets closures be started by fork and thread alone");
        };
        let order = order(self.builder, entry, self.link, self.surroundings, fresh_image)?;
        let mut descriptors = vec![self.far_end];
        descriptors.extend(self.descriptors);
        Ok((order, descriptors, entry))
    }
}
