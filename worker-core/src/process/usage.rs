//! What a backend uses of the machine.
//! Not here: limits on it.
//! Layer 5: over `sys::proc_files`.

use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::sys::proc_files::{field, kibibytes_field};

/// Memory, processor time and descriptors of one process, as the kernel counts them.
///
/// # Source
///
/// `/proc/PID/smaps_rollup`, `/proc/PID/stat`, `/proc/PID/status` and `/proc/PID/fd` in `proc(5)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes of memory in use, shared ones counted in full (`Rss`).
    pub resident: u64,
    /// Bytes of memory in use, shared ones divided by the number of those who share (`Pss`).
    pub proportional: u64,
    /// Bytes of memory that nobody else uses: what would be free if the process ended.
    pub unique: u64,
    /// Bytes in swap.
    pub swap: u64,
    /// Processor time used so far, in user and kernel mode.
    pub cpu: Duration,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub open_files: u64,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Self {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let memory = read("smaps_rollup");
        let bytes = |name: &str| kibibytes_field(&memory, name).unwrap_or(0);
        let open_files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64);
        Self {
            resident: bytes("Rss"),
            proportional: bytes("Pss"),
            unique: bytes("Private_Clean") + bytes("Private_Dirty"),
            swap: bytes("Swap"),
            cpu: processor_time(&read("stat")).unwrap_or_default(),
            threads: field(&read("status"), "Threads").and_then(|text| text.parse().ok()).unwrap_or(0),
            open_files,
        }
    }
}

/// Fields 14 and 15 of `stat`, in ticks. The name in field 2 may hold spaces and brackets.
fn processor_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK).ok()??.unsigned_abs();
    Some(Duration::from_millis(ticks * 1000 / ticks_per_second.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_an_odd_name() {
        let stat = "7 (a) b c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(processor_time(stat), Some(Duration::from_secs(3)));
    }

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of(std::process::id());
        assert!(usage.resident >= usage.proportional && usage.proportional >= usage.unique);
        assert!(usage.unique > 0 && usage.threads > 0 && usage.open_files > 2);
    }
}
