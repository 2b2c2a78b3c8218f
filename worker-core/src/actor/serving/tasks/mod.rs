//! The life of an actor with `async` methods: a runtime of its own, and requests as tasks of it.
//! Not here: one request (`request`), and sleeping for all sources at once (`sleep`).
//! Layer 6: feature `tokio`.
//!
//! * A1: requests begin one by one, in the order in which they came. The next one is taken in when the one
//!   before has begun, so what waits, waits on its link, which is bounded.
//! * A2: a method that takes `&mut self` begins when all that have begun are finished, and nothing begins
//!   before it is finished. Methods that take `&self` run side by side. Timers and watches of the actor
//!   count as methods that take `&mut self`.
//! * A3: a request holds its access until its reply is sent. So to have access alone is to know that all
//!   is finished: that is how a backend ends in order.
//! * A4: a reply that waits for room sleeps at the link, and so may take a ring that was for the loop. It
//!   says so, and the loop looks again.

mod request;
mod sleep;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use tokio::runtime::{self, Runtime};
use tokio::sync::{Notify, RwLock};
use tokio::task::LocalSet;

use super::links::{Links, Look};
use super::requests::Flow;
use super::{Backend, complain, end, make, turns};
use crate::actor::access::AsyncActor;
use crate::actor::context::Context;
use crate::actor::panics;
use crate::calls::identity;
use crate::process::BackendStart;

use sleep::Sleep;

/// Most requests that run side by side. The next waits on its link.
const BESIDE_MAX: u32 = 64 * 1024;
/// Messages between two turns of the tasks, if the links always bring more.
const MESSAGES_PER_TURN: u32 = 32;

/// What the loop and the requests share.
struct Shared<A> {
    actor: RwLock<A>,
    context: Context<A>,
    /// How many requests have begun and are not finished.
    running: Cell<usize>,
    /// The loop must look, whatever rings.
    look_again: Notify,
}

/// Runs the backend in a runtime of its own, from the constructor to the drop of the actor.
pub(super) fn live<A: AsyncActor>(backend: Backend<'_, A>) -> i32 {
    panics::install_hook();
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return without_runtime(backend, &error),
    };
    let status = live_in(&runtime, backend);
    // What the actor left running on the pool for blocking work may never end.
    runtime.shutdown_background();
    status
}

fn live_in<A: AsyncActor>(runtime: &Runtime, backend: Backend<'_, A>) -> i32 {
    let tasks = LocalSet::new();
    // The constructor, the hooks and the drop may use the runtime too.
    let _in_runtime = runtime.enter();
    let Backend { start: BackendStart { name, id, link, door, .. }, construct } = backend;
    identity::set(id);
    let link = Rc::new(RefCell::new(link));
    let context = Context::new(name);
    let made = {
        let _in_tasks = tasks.enter();
        make(&link, &context, construct)
    };
    let Some(actor) = made else { return 0 };
    let shared = Rc::new(Shared {
        actor: RwLock::with_max_readers(actor, BESIDE_MAX),
        context,
        running: Cell::new(0),
        look_again: Notify::new(),
    });
    runtime.block_on(tasks.run_until(async {
        let mut links = Links::new(link, door, id);
        // It polls in any case, so newcomers cost nothing.
        links.heed_door();
        serve(&mut links, &shared).await;
        // Everything that has begun is finished (A3).
        drop(shared.actor.write().await);
        links.send_kept();
    }));
    // Tasks of the user, which may hold anything.
    panics::catch_without_caller(|| drop(tasks));
    match Rc::into_inner(shared) {
        Some(Shared { actor, context, .. }) => end(actor.into_inner(), &context),
        None => unreachable!("all requests are finished"),
    }
}

/// Tells the frontend why there is no actor.
fn without_runtime<A: AsyncActor>(backend: Backend<'_, A>, error: &std::io::Error) -> i32 {
    let link = Rc::new(RefCell::new(backend.start.link));
    let context = Context::new(backend.start.name);
    let _ = make::<A>(&link, &context, |_, _| panic!("the runtime of the actor could not be made: {error}"));
    0
}

/// Serves until asked to stop, or until the last frontend is gone and its requests have begun.
async fn serve<A: AsyncActor>(links: &mut Links, shared: &Rc<Shared<A>>) {
    let context = &shared.context;
    let mut sleep = Sleep::default();
    let mut messages: u32 = 0;
    loop {
        let mut idle = true;
        for _ in 0..links.count() {
            if let Look::Message(link, arrived) = links.take_turn() {
                idle = false;
                messages += 1;
                if request::begin(shared, link, arrived).await == Flow::Ends {
                    return;
                }
            }
        }
        if links.are_over() || context.is_stopping() {
            return;
        }
        if context.listeners().are_some() {
            for timer in context.listeners().take_due(Instant::now()) {
                idle = false;
                if call(shared, timer, "a timer").await == Flow::Ends {
                    return;
                }
            }
        }
        if !idle && messages < MESSAGES_PER_TURN {
            continue;
        }
        messages = 0;
        let is_alone = shared.running.get() == 0;
        if idle && !(is_alone && links.spin()) && links.announce_sleep() {
            sleep.until_something(links, shared).await;
        } else {
            // What runs has its turn, and what the kernel holds is seen.
            tokio::task::yield_now().await;
        }
        for (watch, is_valid) in turns::look(links, context, Some(Instant::now())) {
            if !is_valid {
                complain(context, "a watched descriptor was closed under its watch, which is cancelled");
                context.listeners().cancel(watch);
            } else if call(shared, watch, "a watch").await == Flow::Ends {
                return;
            }
        }
        let cancelled = context.listeners().take_cancelled();
        if !cancelled.is_empty() {
            panics::catch_without_caller(|| drop(cancelled));
        }
    }
}

/// Runs a callback of the actor, alone (A2).
async fn call<A: AsyncActor>(shared: &Shared<A>, index: usize, what: &str) -> Flow {
    let mut actor = shared.actor.write().await;
    turns::call(&mut *actor, &shared.context, index, what)
}
