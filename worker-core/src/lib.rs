//! An ordinary `impl` block becomes an object that lives in its own process.
//! Not here: how; the guide, the guarantees and the protocol are in `docs` of the repository.
//! Layer 8: the public names.
//!
//! # Example
//!
//! ```
//! use worker_core::{CallError, process_actor};
//!
//! pub struct Divider { calls: u32 }
//!
//! #[process_actor]
//! impl Divider {
//!     pub fn new() -> Self { Self { calls: 0 } }
//!     pub fn divide(&mut self, a: i64, b: i64) -> Result<i64, String> {
//!         self.calls += 1;
//!         a.checked_div(b).ok_or_else(|| format!("{a} cannot be divided by {b}"))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let divider = DividerFrontend::spawn()?; // a new process; `Divider::new` runs over there
//! assert_eq!(divider.divide(84, 2)?, 42);
//! match divider.divide(1, 0) {
//!     Err(CallError::Actor(error)) => assert_eq!(error, "1 cannot be divided by 0"),
//!     other => panic!("{other:?}"),
//! }
//! assert!(divider.stop()?.is_clean()); // asked, waited for, reaped
//! # Ok(())
//! # }
//! ```
//!
//! [`process_actor`] says what an impl block may hold and what it becomes.
//!
//! # Guarantees
//!
//! A constructor, the methods, the hooks and `Drop` run in the backend's process. A method runs at most
//! once for a call. Requests begin in the order in which they were sent, and run one after the other, but for `async`
//! methods with `&self`, which run side by side. Every call is
//! answered, also when the backend dies: [`CallError::NotSent`] then means that the method has not run,
//! [`CallError::Exited`] that nobody knows. A panic comes to the caller, and the actor lives on. No
//! backend outlives the program. No file, zombie or descriptor stays. No thread is started in the program, with these exceptions:
//! for calls that are awaited outside of tokio or find no room, for a select that meets a death, for a pool with an
//! idle timeout, and for deadlines of a map that is awaited outside of tokio.
//!
//! # Not promised
//!
//! No call runs exactly once. A backend is no sandbox: it has the rights of the program. It is made from a
//! fresh copy of the program, with the environment and the standard streams of the first spawn. A
//! frontend must not be used in a fork of the program.
//!
//! # Platform
//!
//! Linux 5.3 or later, 64 bit, with `/proc`. The link needs `memfd_create(2)`, and takes a socket where
//! there is none.
#![deny(unsafe_code)]

mod actor;
mod calls;
pub mod channel;
#[cfg(doctest)]
mod documents;
mod errors;
pub mod frames;
mod group;
mod link;
mod pool;
mod process;
mod ring;
pub mod select;
mod sys;
mod wire;

pub use actor::{
    Actor, Birth, Call, Context, Crossing, Frontend, Handle, Pending, Registration, Remote, Stream, stop_all,
};
pub use channel::{Receiver, RecvError, SendError, Sender, channel, channel_with_capacity};
pub use errors::{
    CallError, DecodeError, Departure, DepartureReason, EncodeError, Exit, ExitReason, GivenUp, ItemError,
    PanicReport, PoolError, SpawnError, StopError, TakeError,
};
pub use group::{Group, GroupError, Strategy};
pub use pool::{Awaited, Lease, Map, Ordered, Pool, PoolBuilder, Progress, Share, Unordered};
pub use process::{
    Backoff, Builder, ForkServer, Limits, Link, OnTimeout, Output, Process, Restart, StartMethod, Usage,
};
pub use select::Select;
pub use wire::borrowed::Ref;
pub use wire::descriptor::{self, Descriptor};
pub use worker_macros::{Frontend, process_actor};

/// What generated code uses; nothing here is meant for anybody else, or stays as it is.
#[doc(hidden)]
pub mod __private {
    pub use crate::actor::{Access, AsyncActor, Backend, GenericRequest, HasRuntime, Tasks, has_runtime};
    pub use crate::actor::{PendingOf, ResultOf, SpawnErrorOf};
    pub use crate::wire::borrowed::Referent;
    pub use crate::wire::bytes;
    pub use crate::wire::field::{ByRef, ByValue};
    pub use crate::wire::path::Paths;
    pub use crate::wire::portable::{Fallible, Is, Portable};
    pub use serde::{self, Deserialize, Serialize};
}
