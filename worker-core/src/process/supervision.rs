//! Has a backend's process made, and connects to it.
//! Not here: its life after that (`body`), the next one (`lives`), and forking (`fork_server`).
//! Layer 5: over `sys`.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::body::Body;
use super::builder::{Builder, Link};
use super::fork_server::{self, BackendStart, NotOrdered};
use super::protocol::{Order, Refusal};
use crate::calls::Client;
use crate::link::beside::Beside;
use crate::link::{self, LinkKind, NewLink};
use crate::sys::limits::{self, with_descriptors};
use crate::sys::module::CodeAddress;
use crate::sys::while_doing;

/// How much of a name the backend itself is told: more than any title shows.
const TITLE_MAX_BYTES: usize = 1024;
/// Chooses the link of every backend whose builder does not.
const LINK_VARIABLE: &str = "WORKER_LINK";

/// A backend that was never there.
#[derive(Debug)]
pub(crate) enum Refused {
    ThreadsRunning(Vec<String>),
    Executable(String),
    Io(io::Error),
}

/// Has the fork server make a backend that runs `entry`, and connects to it.
///
/// The backend waits for its first message then. [`Body::wait_born`] tells whether it came to be.
pub(crate) fn spawn(
    builder: &Builder,
    type_name: &str,
    entry: fn(BackendStart) -> i32,
) -> Result<(Client, Arc<Body>), Refused> {
    let entry = CodeAddress::of(entry as usize).ok_or_else(|| {
        Refused::Executable("the actor's code lies in no module that the loader knows".to_owned())
    })?;
    let open_files_soft = limits::open_files_soft_of_user();
    let (beside, servers_end) = with_descriptors(Beside::pair)?;
    let beside = Arc::new(beside);
    let NewLink { kind, ours, theirs } = new_link(builder.link, &beside)?;
    let name = builder.name.clone().unwrap_or_else(|| type_name.to_owned());
    let directory = with_descriptors(working_directory)?;
    let order = Order {
        entry,
        name: cut(&name, TITLE_MAX_BYTES).to_owned(),
        link: kind,
        has_directory: directory.is_some(),
        stderr: builder.stderr,
        stop_timeout: builder.stop_timeout,
        open_files_soft,
    };
    let mut descriptors = vec![servers_end.as_fd()];
    descriptors.extend(directory.iter().map(File::as_fd));
    descriptors.extend(theirs.iter().map(OwnedFd::as_fd));
    beside.believe(fork_server::order(&order, &descriptors)?);
    // Our copies of the other ends must go, or the end of the backend would never show on ours.
    drop((servers_end, theirs));
    let body = Arc::new(Body::new(name, builder, beside));
    let watched = Arc::clone(&body);
    let client = Client::new(ours, Box::new(move |ending| watched.find_death(ending)));
    Ok((client, body))
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

fn new_link(wanted: Option<Link>, beside: &Arc<Beside>) -> io::Result<NewLink> {
    let create = |kind| with_descriptors(|| link::create(kind, Arc::clone(beside)));
    match wanted.map_or_else(link_of_environment, |link| Ok(Some(link)))? {
        Some(Link::SharedMemory) => create(LinkKind::Shared),
        Some(Link::Socket) => create(LinkKind::Socket),
        None => match create(LinkKind::Shared) {
            // No such call, or a filter forbids it: the places that the socket link is for.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                create(LinkKind::Socket)
            }
            other => other,
        },
    }
}

/// The link that the environment asks for, so that a whole program can be run over another one.
fn link_of_environment() -> io::Result<Option<Link>> {
    match std::env::var_os(LINK_VARIABLE) {
        None => Ok(None),
        Some(value) if value == "shared-memory" => Ok(Some(Link::SharedMemory)),
        Some(value) if value == "socket" => Ok(Some(Link::Socket)),
        Some(value) => Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{LINK_VARIABLE} is {value:?}, but only `shared-memory` and `socket` are links; unset it"
            ),
        )),
    }
}

/// The beginning of a text, at most so many bytes, cut between characters.
fn cut(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThreadsRunning(threads) => {
                write!(formatter, "threads run in its fork server: {}", threads.join(", "))
            }
            Self::Executable(reason) => formatter.write_str(reason),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<NotOrdered> for Refused {
    fn from(error: NotOrdered) -> Self {
        match error {
            NotOrdered::Executable(reason) => Self::Executable(reason),
            NotOrdered::Io(error) => Self::Io(error),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ThreadsRunning(threads) => Self::ThreadsRunning(threads),
            Refusal::Code(reason) => Self::Executable(reason),
            Refusal::System { doing, errno } => Self::Io(while_doing(&doing, Errno::from_raw(errno))),
        }
    }
}
