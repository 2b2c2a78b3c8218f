//! One request of an actor with `async` methods: begun by the loop, finished by itself.
//! Not here: which requests may run at one time (`super`, A1 to A3).
//! Layer 6: over `link` and tokio.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use super::Shared;
use crate::actor::access::{Access, AsyncActor};
use crate::actor::reply::{Call, Replies};
use crate::actor::serving::requests::{Flow, nobody_to_tell, tell_before_abort};
use crate::actor::serving::{complain, hooks};
use crate::actor::{generic, panics};
use crate::errors::{DecodeError, PanicReport};
use crate::link::{Arrived, LinkEnd, Lost};
use crate::wire::codec;
use crate::wire::descriptors::{Attached, with_arrived};
use crate::wire::kind::Kind;

/// A request that was taken out of its link.
struct Request {
    link: Rc<RefCell<LinkEnd>>,
    id: u64,
    kind: Kind,
    /// A copy: the link goes on while the request runs.
    payload: Result<Vec<u8>, Lost>,
    attached: Attached,
}

/// Takes a message out of its link and begins what it asks for; returns when that has begun (A1).
pub(super) async fn begin<A: AsyncActor>(
    shared: &Rc<Shared<A>>,
    link: Rc<RefCell<LinkEnd>>,
    mut arrived: Arrived,
) -> Flow {
    match arrived.kind {
        Kind::Request | Kind::GenericRequest | Kind::OneWay | Kind::GenericOneWay => {}
        kind if hooks::is_hook(kind) => {}
        Kind::Stop => return Flow::Ends,
        // As in a backend without tasks, what makes no sense is passed over.
        _ => {
            link.borrow_mut().incoming.release(&mut arrived);
            return Flow::GoesOn;
        }
    }
    let (id, kind, attached) = (arrived.id, arrived.kind, arrived.attached.take());
    let payload = {
        let incoming = &mut link.borrow_mut().incoming;
        incoming.note_taken();
        let mut payload = Vec::new();
        let copied = incoming.copy_payload(&arrived, &mut payload);
        let lost = arrived.lost.or(copied.err());
        incoming.release(&mut arrived);
        lost.map_or(Ok(payload), Err)
    };
    let request = Request { link, id, kind, payload, attached };
    let begun = Rc::new(Cell::new(false));
    let mut task = Box::pin(run(Rc::clone(shared), request, Rc::clone(&begun)));
    // Polled here until it has begun: most that wait for nothing are finished then, and are no task.
    let finished = poll_fn(|context| match task.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if begun.get() => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    });
    if !finished.await {
        tokio::task::spawn_local(task);
    }
    Flow::GoesOn
}

/// Runs a request to its end, and answers.
async fn run<A: AsyncActor>(shared: Rc<Shared<A>>, request: Request, begun: Rc<Cell<bool>>) {
    shared.running.set(shared.running.get() + 1);
    let Request { link, id, kind, payload, attached } = request;
    let wanted = !matches!(kind, Kind::OneWay | Kind::GenericOneWay);
    let replies = Replies::new(&link, id, wanted);
    let work = work(&shared, kind, payload.as_deref(), attached, &replies, &begun);
    let handled = caught(work, || tell_before_abort(&link, id, wanted)).await;
    match handled {
        Ok(Ok(())) => {}
        Ok(Err(error)) if wanted => replies.not_decoded(&error),
        Ok(Err(error)) => complain(&shared.context, &format!("a one-way request was dropped: {error}")),
        Err(report) if replies.is_owed() => replies.panicked(&report),
        Err(report) => {
            let what = format!("a method without a caller {report}\n{}", report.backtrace);
            complain(&shared.context, &what);
        }
    }
    shared.running.set(shared.running.get() - 1);
    if replies.has_waited() || shared.context.is_stopping() {
        // A4; and the loop may sleep for something that will never ring.
        shared.look_again.notify_one();
    }
}

/// Decodes, waits for access, and runs the method.
async fn work<A: AsyncActor>(
    shared: &Shared<A>,
    kind: Kind,
    payload: Result<&[u8], &Lost>,
    attached: Attached,
    replies: &Replies<'_>,
    begun: &Cell<bool>,
) -> Result<(), DecodeError> {
    let payload = payload.map_err(DecodeError::of_lost_message)?;
    let call = Call::new(replies, &shared.context);
    if matches!(kind, Kind::GenericRequest | Kind::GenericOneWay) {
        // What it takes is not known before it runs, so it runs alone.
        let mut actor = shared.actor.write().await;
        begun.set(true);
        return with_arrived(attached, || generic::invoke(payload, &mut *actor, &call));
    }
    if hooks::is_hook(kind) {
        let mut actor = shared.actor.write().await;
        begun.set(true);
        hooks::run(&mut *actor, kind, &shared.context, replies);
        return Ok(());
    }
    let request = with_arrived(attached, || codec::decode::<A::Request<'_>>(payload))?;
    let access = if A::is_exclusive(&request) {
        Access::exclusive(shared.actor.write().await)
    } else {
        Access::shared(shared.actor.read().await)
    };
    begun.set(true);
    A::run_async(access, request, &call).await;
    Ok(())
}

/// Catches what a future panics with, in whichever poll.
async fn caught<T>(future: impl Future<Output = T>, before_poll: impl Fn()) -> Result<T, PanicReport> {
    let mut future = pin!(future);
    poll_fn(|context| {
        before_poll();
        let polled = panics::catch(|| future.as_mut().poll(context));
        nobody_to_tell();
        match polled {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(report) => Poll::Ready(Err(report)),
        }
    })
    .await
}
