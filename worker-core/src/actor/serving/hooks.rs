//! The hooks of a pool, which come as requests: so each runs behind what was sent before it, and its panic is told.
//! Not here: hooks at the beginning and the end of a life (`turns`).
//! Layer 6: over `link`.

use crate::actor::context::Context;
use crate::actor::contract::Actor;
use crate::actor::reply::Replies;
use crate::wire::kind::Kind;

/// Whether a message asks for one.
pub(super) fn is_hook(kind: Kind) -> bool {
    matches!(kind, Kind::Activate | Kind::Deactivate)
}

/// Runs the one that a message asks for, and answers.
pub(super) fn run<A: Actor>(actor: &mut A, kind: Kind, context: &Context<A>, replies: &Replies<'_>) {
    match kind {
        Kind::Activate => actor.activate(context),
        _ => actor.deactivate(context),
    }
    replies.send::<()>(Kind::Returned, &|_| Ok(()));
}
