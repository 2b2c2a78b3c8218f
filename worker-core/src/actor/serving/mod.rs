//! The life of a backend: makes the actor, serves until nobody wants it any more, and ends it.
//! Not here: the process around it (`process`), and which method a request is for (generated).
//! Layer 6: over `link`.
//!
//! What a backend listens to are its *sources*: links on which requests come, timers, and descriptors
//! that the actor watches. One thread serves them all, one thing at a time.

mod hooks;
mod links;
mod listeners;
mod requests;
#[cfg(feature = "tokio")]
mod tasks;
mod turns;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::access::AsyncActor;
use super::birth::{Birth, Stillborn};
use super::context::Context;
use super::contract::Actor;
use super::panics;
use super::reply::Replies;
use crate::calls::{identity, waits};
use crate::errors::DecodeError;
use crate::link::{Arrived, LinkEnd};
use crate::process::{BackendStart, parting};
use crate::wire::codec;
use crate::wire::descriptors::{Attached, with_arrived};
use crate::wire::kind::Kind;

use links::{Links, Next};
pub(super) use listeners::Listeners;
pub use listeners::Registration;

/// Exit status of a backend that panicked where no caller was: that of any Rust program.
const STATUS_PANICKED: i32 = 101;

/// Runs an actor of type `A` from its constructor to its drop; gives the exit status.
pub(super) fn serve<A: Actor>(start: BackendStart) -> i32 {
    serve_with::<A>(start, |bytes, attached| {
        let constructor = with_arrived(attached, || codec::decode::<A::Constructor<'_>>(bytes))?;
        let birth = Birth::new();
        A::make(constructor, &birth);
        Ok(birth.outcome())
    })
}

/// Runs the actor that `make` makes, as [`serve`] does; the first message says no more than when.
pub(super) fn serve_made<A: Actor>(start: BackendStart, make: impl FnOnce() -> A) -> i32 {
    serve_with(start, |_, _| Ok(Ok(make())))
}

fn serve_with<A: Actor>(start: BackendStart, construct: impl FnOnce(&[u8], Attached) -> Made<A>) -> i32 {
    A::live(Backend { start, construct: Box::new(construct) })
}

/// What a constructor came to; an outer error is that of its arguments.
type Made<A> = Result<Result<A, Stillborn>, DecodeError>;

/// Makes the actor from the first message.
type Construct<'make, A> = Box<dyn FnOnce(&[u8], Attached) -> Made<A> + 'make>;

/// A backend before its life.
pub struct Backend<'make, A> {
    start: BackendStart,
    construct: Construct<'make, A>,
}

impl<A: Actor> Backend<'_, A> {
    /// Lives, one request at a time; gives the exit status.
    pub fn live(self) -> i32 {
        panics::install_hook();
        let Self { start: BackendStart { name, id, link, door }, construct } = self;
        identity::set(id);
        let link = Rc::new(RefCell::new(link));
        let context = Context::new(name);
        match make(&link, &context, construct) {
            Some(mut actor) => {
                let mut links = Links::new(link, door, id);
                turns::run(&mut actor, &mut links, &context);
                links.send_kept();
                drop(links);
                end(actor, &context)
            }
            None => 0,
        }
    }

    /// Lives in a runtime of its own; gives the exit status.
    pub fn live_async(self) -> i32
    where
        A: AsyncActor,
    {
        #[cfg(feature = "tokio")]
        return tasks::live(self);
        #[cfg(not(feature = "tokio"))]
        unreachable!("without the feature `tokio` an actor with `async` methods does not compile");
    }
}

impl<A> fmt::Debug for Backend<'_, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Backend").field("name", &self.start.name).finish_non_exhaustive()
    }
}

/// Makes the actor as the first message says; `None` if that failed, which the frontend knows then.
fn make<A: Actor>(
    link: &Rc<RefCell<LinkEnd>>,
    context: &Context<A>,
    construct: impl FnOnce(&[u8], Attached) -> Made<A>,
) -> Option<A> {
    let mut arrived = Arrived::none();
    let Next::Message = links::next(link, &mut arrived) else { return None };
    if arrived.kind != Kind::Construct {
        // The spawn has come to nothing on the other side.
        link.borrow_mut().incoming.release(&mut arrived);
        return None;
    }
    let attached = arrived.attached.take();
    let replies = Replies::new(link, arrived.id, true);
    let bytes = requests::payload(link, &arrived);
    requests::tell_before_abort(link, arrived.id, true);
    // Decoding runs code of the user too: what panics there is told like any panic.
    let made = panics::catch(|| {
        Ok(construct(bytes?, attached)?.map(|mut actor| {
            actor.started(context);
            actor
        }))
    });
    link.borrow_mut().incoming.release(&mut arrived);
    match made {
        Ok(Ok(Ok(actor))) => {
            replies.send::<()>(Kind::Returned, &|_| Ok(()));
            return Some(actor);
        }
        Ok(Ok(Err(Stillborn::Error(bytes)))) => {
            replies.send::<()>(Kind::Failed, &|writer| {
                writer.extend(&bytes).map_err(|_| codec::WriteError::OutOfRoom)
            });
        }
        Ok(Ok(Err(Stillborn::NotEncoded(error)))) => replies.not_encoded(&error),
        Ok(Err(error)) => replies.not_decoded(&error),
        Err(report) => {
            parting::tell_of_this_thread(&report);
            replies.panicked(&report);
        }
    }
    None
}

/// Runs the last hook and drops the actor; a panic in either has no caller but the exit status.
fn end<A: Actor>(mut actor: A, context: &Context<A>) -> i32 {
    let hook_panicked = panics::catch_at_end(|| actor.stopped(context));
    let drop_panicked = panics::catch_at_end(|| drop(actor));
    waits::leave();
    if hook_panicked || drop_panicked { STATUS_PANICKED } else { 0 }
}

/// Tells what nobody waits to be told.
fn complain<A>(context: &Context<A>, what: &str) {
    eprintln!("worker-core: backend `{}` (pid {}): {what}", context.name(), std::process::id());
}
