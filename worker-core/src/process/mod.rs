//! The life of a backend's process: how it comes to be, is watched, measured, and ended.
//! Not here: what it does while it lives (`actor`), and the calls to it (`calls`).
//! Layer 5: above `calls` and `link`.

mod builder;
mod fork_server;
mod protocol;
mod supervision;
mod usage;

pub use builder::{Builder, Link, OnTimeout};
pub use supervision::Process;
pub use usage::Usage;

pub(crate) use fork_server::BackendStart;
pub(crate) use supervision::{Refused, spawn};
