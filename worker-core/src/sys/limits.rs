//! The limits that this process runs under: open descriptors, sizes of files, memory.
//! Not here: which ones a user asks for on a backend (`process::limits`).
//! Layer 1: system calls.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};

use super::proc_files::kibibytes_field;

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

/// Soft limit of the size of a file, which counts for shared memory too; `None` if there is none.
pub(crate) fn file_size_soft() -> Option<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_FSIZE).ok()?;
    (soft != RLIM_INFINITY).then_some(soft)
}

/// Memory that this process may still get, as far as the system tells.
///
/// What is asked for beyond that is not refused: it ends processes. So it is asked before.
///
/// # Source
///
/// `MemAvailable` in `proc_meminfo(5)`, `memory.max` in the kernel's page on control groups.
pub(crate) fn available_memory_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok();
    let system = meminfo.and_then(|text| {
        let available = kibibytes_field(&text, "MemAvailable")?;
        Some(available + kibibytes_field(&text, "SwapFree").unwrap_or(0))
    });
    system.into_iter().chain(group_limits()).min()
}

/// Half of the memory that the machine has, whoever uses it.
pub(crate) fn half_of_all_memory_bytes() -> usize {
    let value = |name| sysconf(name).ok().flatten().and_then(|value| usize::try_from(value).ok());
    let all = value(SysconfVar::_PHYS_PAGES).zip(value(SysconfVar::PAGE_SIZE));
    all.map_or(usize::MAX, |(pages, page_bytes)| pages.saturating_mul(page_bytes) / 2)
}

/// Limits of the control groups that this process is in, from both generations of them.
fn group_limits() -> Vec<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        // Each group is bound by those above it. Inside of a container the path may lead nowhere.
        for group in Path::new(path).ancestors() {
            let group = Path::new(root).join(group.strip_prefix("/").unwrap_or(group));
            let limit = fs::read_to_string(group.join(file)).ok();
            limits.extend(limit.and_then(|text| text.trim().parse::<u64>().ok()));
        }
    }
    limits
}

/// Bytes of address space that this process has mapped.
///
/// # Source
///
/// The first field of `/proc/self/statm` in `proc(5)`, in pages.
pub(crate) fn address_space_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages = text.split_ascii_whitespace().next().and_then(|pages| pages.parse::<u64>().ok());
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, i64::unsigned_abs);
    let pages = pages.ok_or_else(|| io::Error::other("/proc/self/statm does not begin with a number"))?;
    Ok(pages * page_bytes)
}

/// Sets the niceness of this process, from -20 (most willing to run) to 19.
///
/// # Source
///
/// `setpriority(2)`.
#[allow(unsafe_code)]
pub(crate) fn set_niceness(niceness: i32) -> nix::Result<()> {
    // SAFETY: plain integers; 0 is the calling process.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) };
    Errno::result(result).map(drop)
}
