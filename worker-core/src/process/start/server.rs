//! Start method `ForkServer`: a fork of a small single-threaded copy of the program.
//! Not here: that copy, and its spares (`process::fork_server`).
//! Layer 5: over `process::fork_server`.

use std::sync::Arc;

use super::{Body, Keeper, NewBackend, Prepared, Refused, Run, connect, new_link, order, prepare};
use crate::calls::Client;
use crate::link::beside::Beside;
use crate::link::{self, Herald, LinkKind};
use crate::process::body::Birth;
use crate::process::builder::{Builder, Output};
use crate::process::fork_server::{self, Spare};

/// Has a fork server fork the backend.
pub(super) fn start(backend: NewBackend<'_>) -> Result<Keeper, Refused> {
    let slot = fork_server::slot_for(backend.builder);
    let beside = Arc::clone(&backend.beside);
    let (order, descriptors, entry) = backend.into_order(false)?;
    let server = slot.order(order, &descriptors)?;
    beside.believe(server.pid());
    // Our copies of the other ends go here, or the end of the backend would never show on ours.
    Ok(Keeper::Server { server, entry, birth: None, taken: None })
}

/// Gives the order to a process that the fork server has forked ahead; `None` if there is none for it.
pub(super) fn start_in_spare(
    builder: &Builder,
    type_name: &str,
    run: &Run,
) -> Result<Option<(Client, Arc<Body>)>, Refused> {
    let Run::Function(entry) = *run else { return Ok(None) };
    // These are set in a process that has a way to say that they could not be, or before it is forked.
    let is_plain = builder.settings.is_empty() && builder.stderr == Output::Inherit;
    if !is_plain || !new_link::may_be_shared(builder.link)? {
        return Ok(None);
    }
    let Some(spare) = fork_server::slot_for(builder).take_spare(entry) else { return Ok(None) };
    let Spare { pid, pidfd, beside, link, orders } = spare;
    let server = Arc::clone(orders.server());
    let beside = Arc::new(Beside::from(beside));
    beside.believe(server.pid());
    let mut ours = link::open_ours(link, Arc::clone(&beside))?;
    let Prepared { name, id, held, surroundings, descriptors } =
        prepare(builder, type_name, &mut ours, &beside)?;
    let order = order(builder, entry, LinkKind::Shared, surroundings, false)?;
    // Without it, its time was over just now.
    let Some(taken) = orders.send(&order, &descriptors) else { return Ok(None) };
    let birth = Some(Birth { pid, pidfd: pidfd.into() });
    let keeper = Keeper::Server { server, entry, birth, taken: Some(taken) };
    let herald = Herald::of(&ours);
    Ok(Some(connect(Body::new(name, id, builder, beside, herald, keeper, held), ours)))
}
