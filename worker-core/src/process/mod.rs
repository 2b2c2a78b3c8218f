//! The life of a backend's process: how it comes to be, is watched, measured, and ended.
//! Not here: what it does while it lives (`actor`), and the calls to it (`calls`).
//! Layer 5: above `calls` and `link`.

mod body;
mod builder;
mod departures;
mod fork_server;
mod life;
mod limits;
mod lives;
pub(crate) mod parting;
mod protocol;
mod renewal;
mod restart;
mod start;
mod together;
pub(crate) mod travel;
mod usage;
mod view;

pub use builder::{Builder, Link, OnTimeout, Output};
pub use fork_server::ForkServer;
pub use limits::Limits;
pub use restart::{Backoff, Restart};
pub use start::StartMethod;
pub use usage::Usage;
pub use view::Process;

pub(crate) use builder::Tray;
pub(crate) use departures::{Depart, Departed, Departure};
pub(crate) use life::{Encoded, Life, Origin, Recipe, Started, Starting};
pub(crate) use lives::Lives;
pub(crate) use renewal::{Renewal, as_supervisor};
pub(crate) use restart::{Ledger, When};
pub(crate) use start::{BackendStart, Refused, Run};
pub(crate) use together::end_together;
