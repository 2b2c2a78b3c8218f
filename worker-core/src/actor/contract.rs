//! The traits that the attribute implements for the user's type and for its frontend.
//! Not here: who calls them (`serving`, `handle`).
//! Layer 6: declarations only.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::birth::Birth;
use super::context::Context;
use super::remote::Remote;
use super::reply::Call;
use super::serving::Backend;

/// A type that can live in a process of its own: what `#[process_actor]` implements.
///
/// Do not implement it by hand: the attribute keeps enums and arms in step with the methods.
pub trait Actor: Sized + 'static {
    /// How the actor is made: a variant for each constructor, with its arguments.
    type Constructor<'a>: Serialize + Deserialize<'a>;
    /// What the actor can be asked: a variant for each exported method, with its arguments.
    type Request<'a>: Serialize + Deserialize<'a>;
    /// Name of the type, and of the process unless another is given.
    const NAME: &'static str;

    /// Runs a constructor, in the backend.
    fn make(constructor: Self::Constructor<'_>, birth: &Birth<Self>);

    /// Runs a method, in the backend. One with `async` methods has `AsyncActor::run_async` instead.
    fn run(&mut self, request: Self::Request<'_>, call: &Call<'_, Self>) {
        let _ = (request, call);
        unreachable!("`{}` runs its methods as tasks", Self::NAME)
    }

    /// Spends the backend's life; gives the exit status.
    #[doc(hidden)]
    fn live(backend: Backend<'_, Self>) -> i32 {
        backend.live()
    }

    /// Runs the `#[started]` hook.
    fn started(&mut self, context: &Context<Self>) {
        let _ = context;
    }

    /// Runs the `#[stopped]` hook.
    fn stopped(&mut self, context: &Context<Self>) {
        let _ = context;
    }

    /// Runs the `#[activate]` hook.
    fn activate(&mut self, context: &Context<Self>) {
        let _ = context;
    }

    /// Runs the `#[deactivate]` hook.
    fn deactivate(&mut self, context: &Context<Self>) {
        let _ = context;
    }
}

/// A generated frontend, for code that works with any of them.
///
/// What any of them can do are the methods of [`Remote`]; the names of calls and of constructors are its own.
///
/// It names no actor: an associated type would make the actor as visible as its frontend, and the attribute cannot
/// see how visible the user's type is.
///
/// # Examples
///
/// ```
/// use worker_core::{Frontend, process_actor};
///
/// pub struct Sleeper;
///
/// #[process_actor]
/// impl Sleeper {
///     pub fn new() -> Self { Self }
/// }
///
/// fn memory_of(frontend: &impl Frontend) -> u64 {
///     frontend.process().usage().unique
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert!(memory_of(&SleeperFrontend::spawn()?) > 0);
/// # Ok(())
/// # }
/// ```
pub trait Frontend: Deref<Target = Remote> + Clone + Send + Sync + 'static {}
