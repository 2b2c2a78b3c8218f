//! What `/proc` tells of a process.
//! Not here: the public `Usage` made of it (`process::usage`).
//! Layer 1: system calls.

use std::{fs, io};

use nix::errno::Errno;
use nix::unistd::gettid;

/// Names of the threads of this process.
///
/// # Source
///
/// `/proc/self/task` in `proc(5)`.
pub(crate) fn thread_names() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        match fs::read_to_string(task?.path().join("comm")) {
            Ok(name) => names.push(name.trim_end().to_owned()),
            // A thread may end between the listing and the look at its name.
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(names)
}

/// Names of the threads of this process but the calling one.
pub(crate) fn other_thread_names() -> io::Result<Vec<String>> {
    let own = gettid().to_string();
    let mut names = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        if task.file_name().to_str() == Some(&own) {
            continue;
        }
        // As above.
        if let Ok(name) = fs::read_to_string(task.path().join("comm")) {
            names.push(name.trim_end().to_owned());
        }
    }
    Ok(names)
}

/// Whether a debugger is attached to this process.
pub(crate) fn is_traced() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    field(&status, "TracerPid").is_some_and(|tracer| tracer != "0")
}

/// How many descriptors this process has open.
pub(crate) fn open_files() -> io::Result<usize> {
    // Less the one that lists them.
    Ok(fs::read_dir("/proc/self/fd")?.count().saturating_sub(1))
}

/// Value in bytes of a `Name:   123 kB` line.
pub(crate) fn kibibytes_field(text: &str, name: &str) -> Option<u64> {
    Some(field(text, name)?.strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Text of a `Name:   text` line.
pub(crate) fn field<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}
