//! The life of a backend's process: how it comes to be, is watched, measured, and ended.
//! Not here: what it does while it lives (`actor`), and the calls to it (`calls`).
//! Layer 5: above `calls` and `link`.

mod body;
mod builder;
mod fork_server;
mod life;
mod lives;
mod protocol;
mod renewal;
mod restart;
mod supervision;
mod usage;
mod view;

pub use builder::{Builder, Link, OnTimeout, Output};
pub use restart::{Backoff, Restart};
pub use usage::Usage;
pub use view::Process;

pub(crate) use fork_server::BackendStart;
pub(crate) use life::{Life, Origin, Recipe};
pub(crate) use lives::Lives;
pub(crate) use renewal::{Renewal, as_supervisor};
pub(crate) use restart::{Ledger, When};
pub(crate) use supervision::Refused;
