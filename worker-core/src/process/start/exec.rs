//! Start method `Exec`: a fresh image of the program.
//! Not here: what the image does instead of `main` (`process::fork_server::copy`).
//! Layer 5: over `process::fork_server`.

use std::sync::Arc;

use super::{Keeper, NewBackend, Refused};
use crate::process::fork_server;

/// Has a fork server fork a process that executes the program anew.
///
/// The fork server, because it is a parent of one thread: the backend then dies with it, and it reaps.
pub(super) fn start(backend: NewBackend<'_>) -> Result<Keeper, Refused> {
    let slot = fork_server::slot_for(backend.builder);
    let beside = Arc::clone(&backend.beside);
    let (mut order, descriptors, entry) = backend.into_order(true)?;
    // A fresh image has nothing of what its server has loaded, and must load it itself.
    order.surroundings.preload = slot.preload_address()?;
    let server = slot.order(order, &descriptors)?;
    beside.believe(server.pid());
    Ok(Keeper::Server { server, entry, birth: None, taken: None })
}
