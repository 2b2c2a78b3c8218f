//! Start method `ForkServer`: a fork of a small single-threaded copy of the program.
//! Not here: that copy (`process::fork_server`).
//! Layer 5: over `process::fork_server`.

use std::sync::Arc;

use super::{Keeper, NewBackend, Refused};
use crate::process::fork_server;

/// Has a fork server fork the backend.
pub(super) fn start(backend: NewBackend<'_>) -> Result<Keeper, Refused> {
    let slot = fork_server::slot_for(backend.builder);
    let beside = Arc::clone(&backend.beside);
    let (order, descriptors) = backend.into_order(false)?;
    let server = slot.order(&order, &descriptors)?;
    beside.believe(server.pid());
    // Our copies of the other ends go here, or the end of the backend would never show on ours.
    Ok(Keeper::Server { _server: server })
}
