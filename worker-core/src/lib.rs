//! An annotated `impl` block becomes an object in its own process.
#![doc = ""]
#![deny(unsafe_code)]

mod actor;
mod calls;
mod errors;
mod link;
mod process;
mod ring;
mod sys;
mod wire;

pub use actor::{Actor, Context, Frontend, Handle, Pending};
pub use errors::{CallError, DecodeError, EncodeError, Exit, ExitReason, PanicReport, SpawnError, StopError};
pub use process::{Builder, ForkServer, Limits, Link, OnTimeout, Process, StartMethod, Usage};
pub use wire::borrowed::Ref;
pub use worker_macros::process_actor;

/// What generated code uses; nothing here is meant for anybody else, or stays as it is.
#[doc(hidden)]
pub mod __private {
    pub use crate::actor::{Call, Constructed, Construction, GenericRequest, Replied};
    pub use crate::wire::borrowed::Referent;
    pub use crate::wire::portable::{Fallible, Portable};
    pub use crate::wire::{bytes, path};
    pub use serde;
}
