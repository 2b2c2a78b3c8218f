//! An actor with `async` methods: how its requests share it while they run.
//! Not here: who gives access, and in which order (`serving::tasks`).
//! Layer 6: declarations only.

use std::fmt;

use super::contract::Actor;
use super::reply::Call;

/// An actor with `async` methods: what `#[process_actor]` implements for one, beside [`Actor`].
pub trait AsyncActor: Actor {
    /// Whether a request is for a method that takes `&mut self`.
    fn is_exclusive(request: &Self::Request<'_>) -> bool;

    /// Runs a method, in the backend.
    fn run_async(
        access: Access<'_, Self>,
        request: Self::Request<'_>,
        call: &Call<'_, Self>,
    ) -> impl Future<Output = ()>;
}

/// What a request that runs holds of the actor: all of it, or a share.
pub struct Access<'actor, A>(Held<'actor, A>);

enum Held<'actor, A> {
    #[cfg(feature = "tokio")]
    Alone(tokio::sync::RwLockWriteGuard<'actor, A>),
    #[cfg(feature = "tokio")]
    Beside(tokio::sync::RwLockReadGuard<'actor, A>),
    /// Without the feature there is no runtime, and no request that runs.
    #[cfg(not(feature = "tokio"))]
    #[allow(dead_code, reason = "it cannot be made")]
    Nobody(std::convert::Infallible, std::marker::PhantomData<&'actor mut A>),
}

#[cfg(feature = "tokio")]
impl<'actor, A> Access<'actor, A> {
    pub(super) fn exclusive(guard: tokio::sync::RwLockWriteGuard<'actor, A>) -> Self {
        Self(Held::Alone(guard))
    }

    pub(super) fn shared(guard: tokio::sync::RwLockReadGuard<'actor, A>) -> Self {
        Self(Held::Beside(guard))
    }
}

impl<A> Access<'_, A> {
    /// The actor, for a method that takes `&mut self`.
    ///
    /// # Panics
    ///
    /// If this is a share of it: then [`AsyncActor::is_exclusive`] and [`AsyncActor::run_async`] disagree.
    pub fn alone(&mut self) -> &mut A {
        match &mut self.0 {
            #[cfg(feature = "tokio")]
            Held::Alone(guard) => guard,
            #[cfg(feature = "tokio")]
            Held::Beside(_) => unreachable!("a method that takes `&mut self` was begun beside others"),
            #[cfg(not(feature = "tokio"))]
            Held::Nobody(never, _) => match *never {},
        }
    }

    /// The actor, for a method that takes `&self`.
    pub fn beside(&self) -> &A {
        match &self.0 {
            #[cfg(feature = "tokio")]
            Held::Alone(guard) => guard,
            #[cfg(feature = "tokio")]
            Held::Beside(guard) => guard,
            #[cfg(not(feature = "tokio"))]
            Held::Nobody(never, _) => match *never {},
        }
    }
}

impl<A> fmt::Debug for Access<'_, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Access").finish_non_exhaustive()
    }
}

/// The tasks that `async` methods are.
#[derive(Debug)]
pub struct Tasks(());

/// What runs tasks: with the feature `tokio`, tokio.
#[diagnostic::on_unimplemented(
    message = "an `async fn` or an `impl Stream` of an actor runs on tokio, which this build is without",
    label = "enable the feature `tokio` of `worker-core`, or write `fn` and `impl Iterator`"
)]
pub trait HasRuntime {}

#[cfg(feature = "tokio")]
impl HasRuntime for Tasks {}

/// One error for all `async` methods of an actor that is built without a runtime.
pub fn has_runtime<T: HasRuntime>() {}
