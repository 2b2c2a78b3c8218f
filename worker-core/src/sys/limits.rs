//! The limit of open descriptors.
//! Not here: limits that a user asks for on a backend.
//! Layer 1: system calls.

use std::io;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::errno_of;

/// The soft limit before this library raised it, and what it raised it to.
static RAISED: Mutex<Option<(u64, u64)>> = Mutex::new(None);

/// Soft limit of open descriptors.
pub(crate) fn open_files_soft() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft)
}

/// Soft limit of open descriptors as the user left it, without what [`raise_open_files`] did to it.
pub(crate) fn open_files_soft_of_user() -> u64 {
    let soft = open_files_soft();
    match *RAISED.lock().unwrap_or_else(PoisonError::into_inner) {
        Some((from, to)) if to == soft => from,
        _ => soft,
    }
}

/// Raises the soft limit of open descriptors to the hard one; says whether that was higher.
pub(crate) fn raise_open_files() -> bool {
    let mut raised = RAISED.lock().unwrap_or_else(PoisonError::into_inner);
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() => {
            *raised = Some((soft, hard));
            true
        }
        _ => false,
    }
}

/// Makes descriptors, and raises the soft limit of them when it is what stands in the way.
pub(crate) fn with_descriptors<T>(make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    make().or_else(|error| {
        let at_limit = errno_of(&error) == Some(Errno::EMFILE);
        if at_limit && raise_open_files() { make() } else { Err(error) }
    })
}

/// Sets the soft limit of open descriptors; it counts as chosen by the user from now on.
pub(crate) fn set_open_files_soft(soft: u64) {
    *RAISED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    if let Ok((now, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let soft = soft.min(hard);
        if soft != now {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
    }
}
