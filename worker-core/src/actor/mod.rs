//! The two halves of an actor: what `#[process_actor]` implements and what it wraps.
//! Not here: how bytes and processes work, which is everything below.
//! Layer 6: above `process` and `calls`.

mod access;
mod aliases;
mod birth;
mod calling;
mod context;
mod contract;
mod crossing;
mod generic;
mod handle;
mod outcome;
mod panics;
mod pending;
mod remote;
mod reply;
pub(crate) mod room;
mod serving;
mod streaming;

pub use access::{Access, AsyncActor, HasRuntime, Tasks, has_runtime};
pub use aliases::{PendingOf, ResultOf, SpawnErrorOf};
pub use birth::Birth;
pub use context::Context;
pub use contract::{Actor, Frontend};
pub use crossing::Crossing;
pub use generic::GenericRequest;
pub use handle::Handle;
pub use pending::Pending;
pub(crate) use pending::Whereabouts;
pub use remote::{Remote, stop_all};
pub use reply::Call;
pub use serving::{Backend, Registration};
pub use streaming::Stream;
