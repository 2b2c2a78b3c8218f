//! The loop of a backend: links, timers and watched descriptors take turns.
//! Not here: what a turn does (`requests`), and the sources themselves (`links`, `listeners`).
//! Layer 6: over `link` and `sys::poll`.
//!
//! A backend with one link and nothing else, which is nearly every one, waits at that link: it spins
//! for a moment and sleeps at its doorbell. Any other goes around:
//!
//! ```text
//!   one message of each link -> timers that are due -> watched descriptors that are ready
//!            ^                                                        |
//!            +-- sleep at all of them, if this round brought nothing -+
//! ```
//!
//! So whatever is always ready costs the others one turn of it, and no more.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};

use super::complain;
use super::links::{self, Links, Look, Next};
use super::requests::{self, Flow};
use crate::actor::context::Context;
use crate::actor::contract::Actor;
use crate::actor::panics;
use crate::link::{Arrived, LinkEnd};
use crate::sys::poll::wait_any;

/// How long messages may keep the loop from a look at the descriptors, which is a system call: it
/// takes a fiftieth of that.
const LOOK_EVERY: Duration = Duration::from_micros(25);

/// Serves until asked to stop, or until nobody holds the actor any more and its requests are done.
pub(super) fn run<A: Actor>(actor: &mut A, links: &mut Links, context: &Context<A>) {
    let mut looked_at = Instant::now();
    while !links.are_over() {
        let flow = match links.only().map(Rc::clone) {
            Some(link) if !context.listeners().are_some() => match serve_alone(actor, &link, context) {
                Alone::No => Flow::GoesOn,
                Alone::Ends => Flow::Ends,
                Alone::Given => {
                    links.heed_door();
                    Flow::GoesOn
                }
                Alone::Gone => {
                    links.lose_only();
                    Flow::GoesOn
                }
            },
            _ => go_around(actor, links, context, &mut looked_at),
        };
        if flow == Flow::Ends {
            return;
        }
    }
}

/// Why the one link is served alone no longer.
enum Alone {
    /// The actor listens to more now.
    No,
    Ends,
    Given,
    Gone,
}

/// Serves one link, for as long as there is nothing else.
fn serve_alone<A: Actor>(actor: &mut A, link: &Rc<RefCell<LinkEnd>>, context: &Context<A>) -> Alone {
    let mut arrived = Arrived::none();
    loop {
        match links::next(link, &mut arrived) {
            Next::Message => {
                if requests::serve(actor, link, context, &mut arrived) == Flow::Ends {
                    return Alone::Ends;
                }
            }
            Next::Given => return Alone::Given,
            Next::Gone => return Alone::Gone,
        }
        if context.listeners().are_some() {
            return Alone::No;
        }
    }
}

/// One round over all sources, with a sleep at its end if nothing came.
fn go_around<A: Actor>(
    actor: &mut A,
    links: &mut Links,
    context: &Context<A>,
    looked_at: &mut Instant,
) -> Flow {
    let mut idle = true;
    for _ in 0..links.count() {
        if let Look::Message(link, mut arrived) = links.take_turn() {
            idle = false;
            if requests::serve(actor, &link, context, &mut arrived) == Flow::Ends {
                return Flow::Ends;
            }
        }
    }
    // With one link and nobody who listens, `links::next` sees that the actor was given away. And where no link is
    // left there is only the door to wait at.
    if links.count() == 0 || links.only().is_some_and(|link| link.borrow().incoming.was_given()) {
        links.heed_door();
    }
    if links.are_over() {
        // Nobody is left who could end a sleep.
        return Flow::GoesOn;
    }
    let now = Instant::now();
    for timer in context.listeners().take_due(now) {
        idle = false;
        if call(actor, context, timer, "a timer") == Flow::Ends {
            return Flow::Ends;
        }
    }
    let ready = if !idle {
        if now.saturating_duration_since(*looked_at) < LOOK_EVERY {
            return Flow::GoesOn;
        }
        look(links, context, Some(now))
    } else if links.spin() || !links.announce_sleep() {
        // What came is served in the next round.
        look(links, context, Some(now))
    } else {
        look(links, context, context.listeners().next_due())
    };
    *looked_at = Instant::now();
    for (watch, is_valid) in ready {
        if !is_valid {
            complain(context, "a watched descriptor was closed under its watch, which is cancelled");
            context.listeners().cancel(watch);
        } else if call(actor, context, watch, "a watch") == Flow::Ends {
            return Flow::Ends;
        }
    }
    let cancelled = context.listeners().take_cancelled();
    if !cancelled.is_empty() {
        panics::catch_without_caller(|| drop(cancelled));
    }
    Flow::GoesOn
}

/// Looks at everything that has a descriptor, until one is ready or the deadline has come; gives the
/// watches that are ready, and whether each still has its descriptor.
pub(super) fn look<A>(
    links: &mut Links,
    context: &Context<A>,
    deadline: Option<Instant>,
) -> Vec<(usize, bool)> {
    let (shown, ready) = links.with_polled(|sources| {
        context.listeners().with_watched(|watched| {
            let watched_sources = watched.iter().map(|&(_, source)| (source, PollFlags::POLLIN));
            let all = sources.iter().copied().chain(watched_sources);
            let mut polled: Vec<_> = all.map(|(at, events)| PollFd::new(at, events)).collect();
            // After an error no entry shows anything: then this was a look in vain.
            let _ = wait_any(&mut polled, deadline);
            let shown = polled.iter().map(|entry| entry.revents().unwrap_or(PollFlags::POLLERR));
            let mut shown: Vec<_> = shown.collect();
            let watches = shown.split_off(sources.len());
            let ready = watched.iter().zip(watches).filter(|(_, events)| !events.is_empty());
            let ready = ready.map(|(&(index, _), events)| (index, !events.contains(PollFlags::POLLNVAL)));
            (shown, ready.collect::<Vec<_>>())
        })
    });
    links.end_sleep(&shown);
    ready
}

/// Runs a callback of the actor. A panic in it has no caller, and the actor lives on, as after one in a
/// one-way method.
pub(super) fn call<A: Actor>(actor: &mut A, context: &Context<A>, index: usize, what: &str) -> Flow {
    if let Some(mut callback) = context.listeners().take(index) {
        requests::nobody_to_tell();
        if let Err(report) = panics::catch(|| callback(actor, context)) {
            complain(context, &format!("{what} {report}\n{}", report.backtrace));
        }
        context.listeners().put_back(index, callback);
    }
    if context.is_stopping() { Flow::Ends } else { Flow::GoesOn }
}
