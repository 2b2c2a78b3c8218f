//! A descriptor registered with the tokio runtime of the calling task.
//! Not here: what is done when it is readable (`calls::watch`).
//! Layer 1: feature `tokio`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor for reading.
///
/// # Panics
///
/// If the runtime has no I/O driver, which tokio says.
#[track_caller]
pub(crate) fn register(descriptor: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    register_for(descriptor, Interest::READABLE)
}

/// Registers a descriptor for what is told.
///
/// # Panics
///
/// As [`register`].
#[track_caller]
pub(crate) fn register_for(
    descriptor: Arc<OwnedFd>,
    interest: Interest,
) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: an `OwnedFd` is open and the same for as long as it lives, and the `Arc` is given away to
    // the registration, so it lives as long as that does.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}
