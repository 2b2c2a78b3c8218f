//! Which link a new backend gets.
//! Not here: how links work (`link`).
//! Layer 5: over `link`.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::link::beside::Beside;
use crate::link::{self, LinkKind, NewLink};
use crate::process::builder::Link;
use crate::sys::limits::with_descriptors;

/// Chooses the link of every backend whose builder does not.
const LINK_VARIABLE: &str = "WORKER_LINK";

/// Makes the link that is wanted, or the best that the system offers.
pub(super) fn make(wanted: Option<Link>, beside: &Arc<Beside>) -> io::Result<NewLink> {
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

/// Whether a link in shared memory will do.
pub(super) fn may_be_shared(wanted: Option<Link>) -> io::Result<bool> {
    Ok(wanted.map_or_else(link_of_environment, |link| Ok(Some(link)))? != Some(Link::Socket))
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
