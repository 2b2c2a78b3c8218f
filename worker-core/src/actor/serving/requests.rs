//! One message: decoded, run, answered.
//! Not here: where it comes from, and what comes next (`turns`).
//! Layer 6: over `link`.

use std::cell::RefCell;
use std::rc::Rc;

use super::{complain, hooks};
use crate::actor::context::Context;
use crate::actor::contract::Actor;
use crate::actor::reply::{Call, Replies};
use crate::actor::{generic, panics};
use crate::errors::DecodeError;
use crate::link::{Arrived, LinkEnd};
use crate::wire::codec;
use crate::wire::descriptors::with_arrived;
use crate::wire::kind::Kind;

/// Whether the backend goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    GoesOn,
    Ends,
}

/// Does what a message asks for.
#[inline]
pub(super) fn serve<A: Actor>(
    actor: &mut A,
    link: &Rc<RefCell<LinkEnd>>,
    context: &Context<A>,
    arrived: &mut Arrived,
) -> Flow {
    let wanted = match arrived.kind {
        Kind::Request | Kind::GenericRequest | Kind::Activate | Kind::Deactivate => true,
        Kind::OneWay | Kind::GenericOneWay => false,
        Kind::Stop => return Flow::Ends,
        // No frontend sends these; a message of a kind that makes no sense here is passed over.
        _ => {
            link.borrow_mut().incoming.release(arrived);
            return Flow::GoesOn;
        }
    };
    link.borrow().incoming.note_taken();
    let replies = Replies::new(link, arrived.id, wanted);
    let bytes = payload(link, arrived);
    let attached = arrived.attached.take();
    tell_before_abort(link, arrived.id, wanted);
    let handled =
        panics::catch(|| with_arrived(attached, || handle(actor, arrived.kind, bytes?, &replies, context)));
    match handled {
        Ok(Ok(())) => {}
        Ok(Err(error)) if wanted => replies.not_decoded(&error),
        Ok(Err(error)) => complain(context, &format!("a one-way request was dropped: {error}")),
        Err(report) if replies.is_owed() => replies.panicked(&report),
        Err(report) => {
            complain(context, &format!("a method without a caller {report}\n{}", report.backtrace));
        }
    }
    link.borrow_mut().incoming.release(arrived);
    if context.is_stopping() { Flow::Ends } else { Flow::GoesOn }
}

#[inline]
fn handle<A: Actor>(
    actor: &mut A,
    kind: Kind,
    bytes: &[u8],
    replies: &Replies<'_>,
    context: &Context<A>,
) -> Result<(), DecodeError> {
    let call = Call::new(replies, context);
    match kind {
        Kind::GenericRequest | Kind::GenericOneWay => generic::invoke(bytes, actor, &call),
        kind if hooks::is_hook(kind) => {
            hooks::run(actor, kind, context, replies);
            Ok(())
        }
        _ => codec::decode_with::<A::Request<'_>, _>(bytes, |request| actor.run(request, &call)),
    }
}

/// Sees to it that a panic which ends the process is told to the caller of a request before.
#[inline]
pub(super) fn tell_before_abort(link: &Rc<RefCell<LinkEnd>>, id: u64, wanted: bool) {
    if panics::ABORTS {
        let link = Rc::clone(link);
        panics::before_abort(Box::new(move |report| {
            // In the middle of an answer, that answer cannot be taken back.
            let is_free = link.try_borrow_mut().is_ok();
            if wanted && is_free {
                Replies::new(&link, id, true).panicked(report);
            }
            wanted && is_free
        }));
    }
}

/// Says that what runs next has no caller, so that a panic which ends the process is printed.
pub(super) fn nobody_to_tell() {
    if panics::ABORTS {
        panics::before_abort(Box::new(|_| false));
    }
}

/// The payload of a message, in place until it is released.
#[inline]
#[allow(unsafe_code)]
pub(super) fn payload<'any>(link: &RefCell<LinkEnd>, arrived: &Arrived) -> Result<&'any [u8], DecodeError> {
    if let Some(lost) = arrived.lost {
        return Err(DecodeError::of_lost_message(lost));
    }
    // SAFETY: a backend trusts its frontends (see `docs/safety.md`), and every caller uses the slice
    // only until it releases the message; in between nothing takes in another one from this link.
    Ok(unsafe { link.borrow().incoming.trusted_payload(arrived) })
}
