//! The attribute `#[process_actor]`, which turns an impl block into an actor with a process of its own.
//! This file is the entry only; `pipeline` has the order of the stages. Use it through `worker_core`.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod args;
mod check;
mod derive;
mod errors;
mod expand;
mod fallback;
mod model;
mod names;
mod parse;
mod pipeline;
mod shown;
mod words;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes an actor of an inherent impl block: an object that lives in a process of its own, and a frontend that calls it.
///
/// ```
/// use worker_core::process_actor;
///
/// pub struct Counter { total: i64 }
///
/// #[process_actor]
/// impl Counter {
///     pub fn new(start: i64) -> Self { Self { total: start } }
///     pub fn add(&mut self, n: i64) -> i64 { self.total += n; self.total }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let counter = CounterFrontend::spawn(40)?;
/// assert_eq!(counter.add(2)?, 42);
/// counter.stop()?;
/// assert_eq!(Counter::new(1).add(2), 3); // the block stays usable as it is
/// # Ok(())
/// # }
/// ```
///
/// # What becomes of each function
///
/// | written | on the frontend |
/// | --- | --- |
/// | `pub fn new(..) -> Self` or `-> Result<Self, E>` | `spawn(..)` and `spawn_with(&Builder, ..)`; for another `name`, `spawn_name` and `spawn_name_with` |
/// | `pub fn call(&self, ..) -> T` (or `&mut self`) | `call(..) -> Result<T, CallError>`, which waits, and `call_async(..) -> Pending<T>`, which does not |
/// | `pub fn call(&self, ..) -> Result<T, E>` | the same with `CallError<E>` and `Pending<T, E>`, also for aliases such as `io::Result<T>` |
/// | `#[fallible] pub fn call(&self, ..) -> Outcome` | the same for an alias whose name does not end in `Result`; on a constructor too: `-> Outcome<Self>` |
/// | `#[infallible] pub fn call(&self, ..) -> SearchResult<T>` | `call(..) -> Result<SearchResult<T>, CallError>`: a value like any other, whatever its name |
/// | `#[oneway] pub fn call(&self, ..)` | `call(..) -> Result<(), CallError>`, which returns once the call is queued |
/// | `pub async fn call(&self, ..) -> T` | the same; a task in the backend (feature `tokio`) |
/// | `pub fn call(&self, ..) -> impl Iterator<Item = T>` | `call(..) -> Result<Stream<T>, CallError>` |
/// | `pub fn call(&self, ..) -> impl Stream<Item = T>` | the same; polled by a task in the backend (feature `tokio`) |
/// | `#[started] fn`, `#[stopped] fn` | nothing: the backend calls it after the constructor, or before a clean exit |
/// | `#[activate] fn`, `#[deactivate] fn` | nothing: a pool has them called when a process is taken, or given back |
/// | a function without a visibility | nothing: it is for the backend alone |
/// | an exported function without `self` that makes no `Self` | nothing: it has no actor to be sent to |
///
/// A method keeps its visibility, its `#[cfg]`, `#[deprecated]`, `#[must_use]` and its documentation; other
/// attributes stay on the backend's method. The frontend is as visible as the most visible function it carries, the
/// message enums are public so that they can belong to a public actor.
///
/// # What arguments travel
///
/// | type | in the message | at the method |
/// | --- | --- | --- |
/// | `T: Serialize + DeserializeOwned` | as it is | as it is |
/// | `&str`, `&[u8]`, `&Path`, and `Option` of them | borrowed | borrowed from the message |
/// | `&T`, `&[T]`, and `Option<&T>` | borrowed | borrowed from a decoded value |
/// | `Vec<u8>`, `Box<[u8]>`, `&[u8]` | one block of bytes | as it is |
/// | `Cow<'_, str>`, `Vec<&str>` | borrowed | borrowed from the message |
/// | `OwnedFd`, `BorrowedFd<'_>`, `File`, sockets and pipes, and `Option` and `Vec` of them | the descriptor itself, beside the message | open in the backend |
/// | `&Context<Self>` | not sent | the backend's own |
///
/// A reply is an owned value, or lends one: `-> Option<&str>` gives an `Option<String>`.
///
/// What is taken for a `Result`, all that may be an argument or a reply, and what is refused with the way out, are in
/// `docs/macro.md` of the repository.
///
/// # Generics
///
/// The actor may have type and const parameters, with bounds and where clauses; all of them are `'static` on the
/// frontend. A method may have its own: their types are known at the call, so the frontend tells the backend which
/// instance to run, and both must come from the same module (program or shared library). The bounds must cover
/// what travels: an argument or reply of type `T` needs `T: Serialize + DeserializeOwned`. Constructors have no
/// parameters of their own, and an argument `impl Trait` has no name that a message could carry.
///
/// # Options
///
/// `#[process_actor(frontend = Name, request = Name, constructor = Name, crate = path)]`: the names of the frontend,
/// of the request enum and of the constructor enum, and the path of the runtime where it is not `::worker_core`.
///
/// # Errors
///
/// All mistakes of a block are reported at once. The block and a frontend with all readable signatures stay, so that
/// one mistake is one error.
#[proc_macro_attribute]
pub fn process_actor(args: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::run(args.into(), item.into()).into()
}

/// Makes a struct that wraps a `Handle` a frontend: what [`macro@process_actor`] writes beside the calls.
///
/// It implements `Frontend` and what that asks for (`Clone`, `Debug`, `Deref<Target = Remote>`), `From<Handle<Actor>>`,
/// and gives the struct its `with_timeout`. A program needs it for a frontend that it writes by hand.
///
/// # Examples
///
/// ```
/// use worker_core::{Builder, Frontend, Handle, SpawnError, process_actor};
///
/// pub struct Counter { total: i64 }
///
/// #[process_actor]
/// impl Counter {
///     pub fn new(start: i64) -> Self { Self { total: start } }
///     pub fn add(&mut self, n: i64) -> i64 { self.total += n; self.total }
/// }
///
/// /// A frontend that shows less.
/// #[derive(Frontend)]
/// pub struct Watched(Handle<Counter>);
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let new = CounterConstructor::New { start: 40 };
/// let handle: Result<_, SpawnError> = Handle::spawn(&Builder::new(), &new);
/// let handle = handle?;
/// let counter = CounterFrontend::from(handle.clone());
/// let watched = Watched::from(handle);
/// assert_eq!(counter.add(2)?, 42);
/// assert_eq!(watched.process().pid(), counter.process().pid());
/// watched.stop()?;
/// # Ok(())
/// # }
/// ```
#[proc_macro_derive(Frontend)]
pub fn derive_frontend(item: TokenStream) -> TokenStream {
    derive::frontend(item.into()).into()
}
