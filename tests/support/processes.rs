//! Processes, descriptors and mappings, as `/proc` shows them.
//! Not here: what the tests do with them.
//! Layer: tests only.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::eventually;

/// One line of the process table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    /// `R`, `S`, `Z` and so on, as in `proc(5)`.
    pub(crate) state: char,
    pub(crate) comm: String,
}

impl Entry {
    /// The entry of a process; `None` if there is none.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        let (start, fields) = stat.rsplit_once(')')?;
        let comm = start.split_once('(')?.1.to_owned();
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Self { pid, parent, group, state, comm })
    }
}

/// Whether a process is there and not only waits to be reaped.
pub(crate) fn runs(pid: u32) -> bool {
    Entry::of(pid).is_some_and(|entry| entry.state != 'Z' && entry.state != 'X')
}

/// Every process below one, zombies too.
pub(crate) fn descendants(of: u32) -> Vec<Entry> {
    let mut children: HashMap<u32, Vec<Entry>> = HashMap::new();
    for entry in all() {
        children.entry(entry.parent).or_default().push(entry);
    }
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        for entry in children.remove(&parent).unwrap_or_default() {
            open.push(entry.pid);
            found.push(entry);
        }
    }
    found
}

/// Every process below one that is somebody's backend, or was.
///
/// Not the fork servers, and not what they fork ahead and take back a moment later. Before it has its own
/// title such a fork has that of its server.
pub(crate) fn backends_below(program: u32) -> Vec<Entry> {
    let mut found = descendants(program);
    found.retain(|entry| !["fork-server", "spare-backend"].iter().any(|title| entry.comm.starts_with(title)));
    found
}

fn all() -> Vec<Entry> {
    let entries = fs::read_dir("/proc").expect("/proc is there");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(Entry::of).collect()
}

/// What descriptors of this process lead to, by number.
pub(crate) fn descriptors() -> Vec<(i32, String)> {
    descriptors_of(std::process::id())
}

/// What descriptors of a process lead to, by number; the one used for looking is not among them.
pub(crate) fn descriptors_of(pid: u32) -> Vec<(i32, String)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?.display().to_string()))
        })
        .filter(|(_, target)| !target.starts_with(&format!("/proc/{pid}/fd")))
        .collect();
    found.sort();
    found
}

/// Mappings of this process that are shared memory.
pub(crate) fn shared_mappings() -> usize {
    shared_mappings_of(std::process::id())
}

/// Mappings of a process that are shared memory.
pub(crate) fn shared_mappings_of(pid: u32) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines().filter(|line| line.contains("/memfd:")).count()
}

/// Processes that have a variable in the environment they were started with: a helper program that
/// was given it, and everything that came of that program, wherever it hangs in the tree by now.
pub(crate) fn with_variable(name: &str, value: &str) -> Vec<u32> {
    let wanted = format!("{name}={value}");
    let has_it = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    all().into_iter().map(|entry| entry.pid).filter(|&pid| has_it(pid)).collect()
}

/// Inodes of the memory of links that a process has mapped.
pub(crate) fn link_inodes_of(pid: u32) -> BTreeSet<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let links = maps.lines().filter(|line| line.contains("/memfd:worker-core link"));
    links.filter_map(|line| line.split_ascii_whitespace().nth(4)?.parse().ok()).collect()
}

/// Inodes of the memory of links that any process has mapped.
pub(crate) fn link_inodes() -> BTreeSet<u64> {
    all().into_iter().flat_map(|entry| link_inodes_of(entry.pid)).collect()
}

/// Threads of this process.
pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("/proc is there").count()
}

/// Does the same again and again, and sees that after the last time this process holds just what it held after the
/// first, its fork server beside it: no process, descriptor, mapping or thread more. For a process that does nothing else.
pub(crate) fn rounds_leave_nothing(rounds: usize, round: impl Fn()) {
    let backends = || descendants(std::process::id()).len() - 1;
    let held = || (backends(), descriptors().len(), shared_mappings(), threads());
    round();
    eventually("the backends of the first round are gone", || backends() == 0);
    let before = held();
    for _ in 0..rounds {
        round();
    }
    eventually("nothing more is held than after the first round", || held() == before);
}

/// The fork server of a process, if it has one.
pub(crate) fn fork_server_of(program: u32) -> Option<Entry> {
    all().into_iter().find(|entry| entry.parent == program && entry.comm.starts_with("fork-server"))
}

/// The backend below this process that has this name and waits for a debugger: it has blocked SIGCONT.
pub(crate) fn waiting_for_debugger(name: &str) -> Option<u32> {
    const SIGCONT_BIT: u64 = 1 << (libc::SIGCONT - 1);
    let waits = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        let blocked = blocked.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        blocked.is_some_and(|mask| mask & SIGCONT_BIT != 0)
    };
    let found = descendants(std::process::id());
    found.iter().find(|entry| entry.comm == name && waits(entry.pid)).map(|entry| entry.pid)
}

/// Sends a signal to a process that the test knows to be its own.
pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(to_pid(pid), signal).expect("the process is there to be signalled");
}

/// A number as the system calls want it.
pub(crate) fn to_pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("process ids are small"))
}
