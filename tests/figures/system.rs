//! What the bare primitives need of the system: forked children, shared words, futexes, pinning.
//! Not here: measuring anything.
//! Layer: bottom; the only `unsafe` of the benchmark.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

/// A forked child of this program; dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Child {
    pub pid: Pid,
}

impl Child {
    /// Runs `work` in a fork of this process, which must have one thread.
    pub fn fork(work: impl FnOnce()) -> io::Result<Self> {
        // SAFETY: the benchmark starts no thread, so the child is a whole process.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self { pid: child }),
            ForkResult::Child => {
                let _ = prctl::set_pdeathsig(Some(Signal::SIGKILL));
                let result = catch_unwind(AssertUnwindSafe(work));
                exit_now(i32::from(result.is_err()))
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

/// Forks a child that ends at once, and waits for it: the least that any new process costs.
pub fn fork_and_wait() -> io::Result<()> {
    // SAFETY: one thread, as for `Child::fork`; the child only ends.
    match unsafe { fork() }? {
        ForkResult::Child => exit_now(0),
        ForkResult::Parent { child } => waitpid(child, None).map(drop).map_err(Into::into),
    }
}

fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` only ends the process.
    unsafe { libc::_exit(status) }
}

/// A word with a value, in memory that a process shares with its forks.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Mailbox {
    /// How many values have been put here.
    pub sequence: AtomicU32,
    /// Whether the reader sleeps.
    pub sleeping: AtomicU32,
    pub value: AtomicI64,
}

/// Two mailboxes that every later fork of this process shares. They stay mapped until its end.
pub fn shared_mailboxes() -> io::Result<&'static [Mailbox; 2]> {
    let length = size_of::<[Mailbox; 2]>();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is page-aligned, long enough, zeroed, never unmapped, and all atomics.
    Ok(unsafe { &*start.cast() })
}

/// Bytes that a process shares with its forks. They stay mapped until its end.
#[derive(Clone, Copy, Debug)]
pub struct SharedBuffer {
    start: *mut u8,
    length: usize,
}

impl SharedBuffer {
    pub fn new(length: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), length })
    }

    pub fn write(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.length);
        // SAFETY: inside of the mapping, and private memory cannot overlap with it.
        unsafe { self.start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    pub fn to_vec(self, length: usize) -> Vec<u8> {
        assert!(length <= self.length);
        let mut bytes: Vec<u8> = Vec::with_capacity(length);
        // SAFETY: inside of the mapping; the new vector has the room.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(self.start, length) };
        // SAFETY: the line above has initialised them.
        unsafe { bytes.set_len(length) };
        bytes
    }

    pub fn byte(&self, at: usize) -> u8 {
        assert!(at < self.length);
        // SAFETY: inside of the mapping.
        let byte = unsafe { self.start.add(at) };
        // SAFETY: the two processes take turns.
        unsafe { byte.read_volatile() }
    }
}

/// Sleeps while `word` is `expected`.
pub fn futex_wait(word: &AtomicU32, expected: u32) {
    let no_timeout = std::ptr::null::<libc::timespec>();
    // SAFETY: the word outlives the call, and the kernel only reads it.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, no_timeout) };
}

/// Wakes who sleeps at `word`.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: the kernel takes the address as a name.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

/// The processors that this thread may use.
pub fn allowed_processors() -> Vec<usize> {
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else { return vec![0] };
    (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false)).collect()
}

/// Lets a process (0: this thread) run on these processors only.
pub fn run_on(pid: i32, processors: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in processors {
        set.set(cpu)?;
    }
    sched_setaffinity(Pid::from_raw(pid), &set).map_err(Into::into)
}

/// Processor time that a process has used, in nanoseconds (`/proc/PID/schedstat`).
pub fn processor_time_ns(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let first = text.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
    first.ok_or_else(|| io::Error::other("schedstat has no time in it"))
}

/// Unique and proportional memory of a process, in KiB (`/proc/PID/smaps_rollup`).
pub fn memory_kib(pid: u32) -> io::Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    Ok((field("Private_Clean") + field("Private_Dirty"), field("Pss")))
}

/// Open descriptors of this process.
pub fn open_descriptors() -> io::Result<usize> {
    // The listing itself holds one open.
    Ok(fs::read_dir("/proc/self/fd")?.count() - 1)
}

impl Mailbox {
    /// Puts a value, and tells nobody.
    pub fn put(&self, value: i64) {
        // Relaxed: published by the increment below.
        self.value.store(value, Ordering::Relaxed);
        self.sequence.fetch_add(1, Ordering::Release);
    }

    /// The value that was put last.
    pub fn get(&self) -> i64 {
        // Relaxed: `has_more_than` acquired it.
        self.value.load(Ordering::Relaxed)
    }

    /// Whether a value has come since `seen` were there.
    pub fn has_more_than(&self, seen: u32) -> bool {
        // Acquire: pairs with `put`.
        self.sequence.load(Ordering::Acquire) != seen
    }
}
