//! Which processor runs this thread, and how many may.
//! Not here: what follows for spinning (`link::spin`).
//! Layer 1: system calls.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// Number of the processor that runs the calling thread; it may be another one at once.
#[inline]
pub(crate) fn current() -> u16 {
    sched_getcpu().ok().and_then(|cpu| u16::try_from(cpu).ok()).unwrap_or(0)
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
