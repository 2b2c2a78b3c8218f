//! The loop of a backend: takes requests in order, runs them, answers.
//! Not here: the process around it (`process`), and which method a request is for (generated).
//! Layer 6: over `link`.

use std::cell::RefCell;
use std::rc::Rc;

use super::context::Context;
use super::contract::Actor;
use super::generic;
use super::panics;
use super::reply::{Call, Construction, ConstructorFailure, Replies};
use crate::errors::DecodeError;
use crate::link::{Arrived, Interest, LinkEnd, Wake};
use crate::process::BackendStart;
use crate::wire::codec;
use crate::wire::descriptors::{Attached, with_arrived};
use crate::wire::kind::Kind;

/// Exit status of a backend that panicked where no caller was: that of any Rust program.
const STATUS_PANICKED: i32 = 101;

/// Runs an actor of type `A` from its constructor to its drop; gives the exit status.
pub(super) fn serve<A: Actor>(start: BackendStart) -> i32 {
    serve_with::<A>(start, |bytes, attached| {
        let constructor = with_arrived(attached, || codec::decode::<A::Constructor<'_>>(bytes))?;
        Ok(A::construct(constructor, &Construction::new()).0)
    })
}

/// Runs the actor that `make` makes, as [`serve`] does; the first message says no more than when.
pub(super) fn serve_made<A: Actor>(start: BackendStart, make: impl FnOnce() -> A) -> i32 {
    serve_with(start, |_, _| Ok(Ok(make())))
}

fn serve_with<A: Actor>(
    start: BackendStart,
    construct: impl FnOnce(&[u8], Attached) -> Result<Result<A, ConstructorFailure>, DecodeError>,
) -> i32 {
    panics::install_hook();
    let link = Rc::new(RefCell::new(start.link));
    let context = Context::new(start.name);
    match make(&link, &context, construct) {
        Some(mut actor) => {
            run(&mut actor, &link, &context);
            end(actor, &context)
        }
        None => 0,
    }
}

/// Makes the actor as the first message says; `None` if that failed, which the frontend knows then.
fn make<A: Actor>(
    link: &Rc<RefCell<LinkEnd>>,
    context: &Context<A>,
    construct: impl FnOnce(&[u8], Attached) -> Result<Result<A, ConstructorFailure>, DecodeError>,
) -> Option<A> {
    let mut arrived = next(link)?;
    if arrived.kind != Kind::Construct {
        // The spawn has come to nothing on the other side.
        link.borrow_mut().incoming.release(arrived);
        return None;
    }
    let attached = arrived.attached.take();
    let replies = Replies::new(link, arrived.id, true);
    let bytes = payload(link, &arrived);
    tell_before_abort(link, arrived.id, true);
    // Decoding runs code of the user too: what panics there is told like any panic.
    let made = panics::catch(|| {
        Ok(construct(bytes, attached)?.map(|mut actor| {
            actor.started(context);
            actor
        }))
    });
    link.borrow_mut().incoming.release(arrived);
    match made {
        Ok(Ok(Ok(actor))) => {
            replies.send::<()>(Kind::Returned, &|_| Ok(()));
            return Some(actor);
        }
        Ok(Ok(Err(ConstructorFailure::Error(bytes)))) => {
            replies.send::<()>(Kind::Failed, &|writer| {
                writer.extend(&bytes).map_err(|_| codec::WriteError::OutOfRoom)
            });
        }
        Ok(Ok(Err(ConstructorFailure::NotEncoded(error)))) => replies.not_encoded(&error),
        Ok(Err(error)) => replies.not_decoded(&error),
        Err(report) => replies.panicked(&report),
    }
    None
}

/// Serves until asked to stop, or until the last frontend is gone and its requests are done.
fn run<A: Actor>(actor: &mut A, link: &Rc<RefCell<LinkEnd>>, context: &Context<A>) {
    while let Some(mut arrived) = next(link) {
        let wanted = match arrived.kind {
            Kind::Request | Kind::GenericRequest | Kind::Activate | Kind::Deactivate => true,
            Kind::OneWay | Kind::GenericOneWay => false,
            Kind::Stop => return,
            // No frontend sends these; a message of a kind that makes no sense here is passed over.
            _ => {
                link.borrow_mut().incoming.release(arrived);
                continue;
            }
        };
        link.borrow().incoming.note_taken();
        let replies = Replies::new(link, arrived.id, wanted);
        let bytes = payload(link, &arrived);
        let attached = arrived.attached.take();
        tell_before_abort(link, arrived.id, wanted);
        let handled = panics::catch(|| {
            with_arrived(attached, || handle(actor, arrived.kind, bytes, &replies, context))
        });
        match handled {
            Ok(Ok(())) => {}
            Ok(Err(error)) if wanted => replies.not_decoded(&error),
            Ok(Err(error)) => complain(context, &format!("a one-way request was dropped: {error}")),
            Err(report) if replies.is_owed() => replies.panicked(&report),
            Err(report) => {
                complain(context, &format!("a method without a caller {report}\n{}", report.backtrace))
            }
        }
        link.borrow_mut().incoming.release(arrived);
        if context.is_stopping() {
            return;
        }
    }
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
        // Requests like any other, so a hook runs after what was sent before it, and its panic is told.
        Kind::Activate => {
            actor.activate(context);
            replies.send::<()>(Kind::Returned, &|_| Ok(()));
            Ok(())
        }
        Kind::Deactivate => {
            actor.deactivate(context);
            replies.send::<()>(Kind::Returned, &|_| Ok(()));
            Ok(())
        }
        _ => {
            let request = codec::decode::<A::Request<'_>>(bytes)?;
            actor.dispatch(request, &call);
            Ok(())
        }
    }
}

/// Sees to it that a panic which ends the process is told to the caller of a request before.
#[inline]
fn tell_before_abort(link: &Rc<RefCell<LinkEnd>>, id: u64, wanted: bool) {
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

/// Runs the last hook and drops the actor; a panic in either has no caller but the exit status.
fn end<A: Actor>(mut actor: A, context: &Context<A>) -> i32 {
    let hook_panicked = panics::catch_without_caller(|| actor.stopped(context));
    let drop_panicked = panics::catch_without_caller(|| drop(actor));
    if hook_panicked || drop_panicked { STATUS_PANICKED } else { 0 }
}

/// Waits for the next message; `None` once the last frontend is gone and everything is taken in.
#[inline]
fn next(link: &RefCell<LinkEnd>) -> Option<Arrived> {
    let mut link = link.borrow_mut();
    let mut gone = false;
    loop {
        match link.incoming.next() {
            Ok(Some(arrived)) => return Some(arrived),
            Ok(None) if gone => return None,
            Ok(None) => {}
            // A frontend is trusted; if its memory makes no sense all the same, there is nothing to serve.
            Err(_) => return None,
        }
        gone = !matches!(link.incoming.wait(Interest::MESSAGE, None), Ok(Wake::Rung));
    }
}

/// The payload of a message, in place until it is released.
#[inline]
#[allow(unsafe_code)]
fn payload<'any>(link: &RefCell<LinkEnd>, arrived: &Arrived) -> &'any [u8] {
    // SAFETY: a backend trusts its frontend (see `docs/safety.md`), and both callers use the slice
    // only until they release the message; in between nothing takes in another one.
    unsafe { link.borrow().incoming.trusted_payload(arrived) }
}

/// Tells what nobody waits to be told.
fn complain<A>(context: &Context<A>, what: &str) {
    eprintln!("worker-core: backend `{}` (pid {}): {what}", context.name(), std::process::id());
}
