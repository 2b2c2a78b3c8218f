//! Which processor runs this thread, and how many may.
//! Not here: what follows for spinning (`link::spin`).
//! Layer 1: system calls.
#![allow(unsafe_code)]

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Number of the processor that runs the calling thread; it may be another one at once.
///
/// # Source
///
/// `sched_getcpu(3)`: a look at a word that the system keeps for each thread.
#[inline]
pub(crate) fn current() -> u16 {
    // SAFETY: it takes nothing, and has no conditions.
    u16::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// How many processors the calling thread may run on.
///
/// # Source
///
/// `sched_getaffinity(2)`.
pub(crate) fn allowed_count() -> usize {
    // Refused only where there are more processors than a `CpuSet` has room for.
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else { return CpuSet::count() };
    (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false)).count()
}

/// Has the calling thread run on these processors alone.
///
/// # Source
///
/// `sched_setaffinity(2)`.
pub(crate) fn pin(cpus: &[usize]) -> nix::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().try_for_each(|&cpu| set.set(cpu))?;
    sched_setaffinity(Pid::from_raw(0), &set)
}
