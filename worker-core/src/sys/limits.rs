//! The limit of open descriptors.
//! Not here: limits that a user asks for on a backend.
//! Layer 1: system calls.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Soft limit of open descriptors.
pub(crate) fn open_files_soft() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft)
}

/// Raises the soft limit of open descriptors to the hard one; says whether that was higher.
pub(crate) fn raise_open_files() -> bool {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard => setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok(),
        _ => false,
    }
}

/// Makes descriptors, and raises the soft limit of them when it is what stands in the way.
pub(crate) fn with_descriptors<T>(make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    make().or_else(|error| if raise_open_files() { make() } else { Err(error) })
}

/// Sets the soft limit of open descriptors.
pub(crate) fn set_open_files_soft(soft: u64) {
    if let Ok((now, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let soft = soft.min(hard);
        if soft != now {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
    }
}
