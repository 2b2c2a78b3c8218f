//! What can go wrong, as the user sees it: one file per operation.
//! Not here: deciding which error a fault is; the rooms below the public surface do that.
//! Layer 0: depends on nothing else in this crate.

mod call;
mod codec;
mod exit;
mod panic;
mod pool;
mod spawn;
mod stop;

pub use call::CallError;
pub use codec::{DecodeError, EncodeError};
pub use exit::{Exit, ExitReason, GivenUp};
pub use panic::PanicReport;
pub use pool::{Departure, DepartureReason, ItemError, PoolError, TakeError};
pub use spawn::SpawnError;
pub use stop::StopError;
