//! Starting this very program a second time, from any thread.
//! Not here: what the copy does instead of `main` (`process::fork_server`).
//! Layer 1: system calls.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, execve};

use super::while_doing;

/// Room for process titles in the copy's first argument, in bytes.
const TITLE_ROOM_BYTES: usize = 255;

/// The file that is running, also when another one stands at its path by now.
const THIS_PROGRAM: &CStr = c"/proc/self/exe";

/// Starts the program again, or another `executable`, with one more variable in its environment and
/// one inherited descriptor.
///
/// `posix_spawn` shares the memory of the program until the copy runs, so it is safe with any number
/// of threads and as fast with gigabytes as without.
///
/// # Source
///
/// `posix_spawn(3)`; a `dup2` of a descriptor onto itself lets it be inherited (POSIX.1-2024).
pub(crate) fn start_copy(
    executable: Option<&Path>,
    variable: &str,
    value: &str,
    inherited: &OwnedFd,
) -> io::Result<Pid> {
    let shown = executable.map_or("the program".to_owned(), |path| format!("`{}`", path.display()));
    let refused = |errno| while_doing(&format!("{shown} could not be started as a fork server"), errno);
    let path = executable.map(|path| CString::new(path.as_os_str().as_bytes())).transpose()?;
    let mut actions = PosixSpawnFileActions::init().map_err(refused)?;
    actions.add_dup2(inherited.as_raw_fd(), inherited.as_raw_fd()).map_err(refused)?;
    for descriptor in inheritable()? {
        if descriptor != inherited.as_raw_fd() {
            actions.add_close(descriptor).map_err(refused)?;
        }
    }
    let mut attributes = PosixSpawnAttr::init().map_err(refused)?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK).map_err(refused)?;
    attributes.set_sigmask(&SigSet::empty()).map_err(refused)?;
    let arguments = [title_room()];
    let environment = environment_with(variable, value);
    let path = path.as_deref().unwrap_or(THIS_PROGRAM);
    posix_spawn(path, &actions, &attributes, &arguments, &environment).map_err(refused)
}

/// Replaces this process by a fresh image of its own program, which inherits one descriptor.
///
/// Only an error comes back from it.
///
/// # Source
///
/// `execve(2)`: the process keeps its number, its parent, its parent-death signal and its group.
pub(crate) fn become_copy(variable: &str, value: &str, inherited: &OwnedFd) -> Errno {
    if let Err(errno) = fcntl(inherited, FcntlArg::F_SETFD(FdFlag::empty())) {
        return errno;
    }
    match execve(THIS_PROGRAM, &[title_room()], &environment_with(variable, value)) {
        Ok(never) => match never {},
        Err(errno) => errno,
    }
}

/// Descriptors that an exec would hand on, standard streams apart.
///
/// Whatever opened them without close-on-exec did not mean them for a process of ours, which would
/// hold a pipe or a socket of the program open behind its back.
fn inheritable() -> io::Result<Vec<RawFd>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        if number > 2 && !is_close_on_exec(number) {
            found.push(number);
        }
    }
    Ok(found)
}

#[allow(unsafe_code)]
fn is_close_on_exec(number: RawFd) -> bool {
    // SAFETY: a look at a flag by number; the number may have been closed meanwhile, which is an error.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    flags < 0 || flags & libc::FD_CLOEXEC != 0
}

fn title_room() -> CString {
    let mut argument = b"worker-core fork server".to_vec();
    argument.resize(TITLE_ROOM_BYTES, b' ');
    CString::new(argument).unwrap_or_default()
}

fn environment_with(variable: &str, value: &str) -> Vec<CString> {
    let ours = (OsString::from(variable), OsString::from(value));
    // `vars_os` takes the lock that `set_var` takes, so no other thread can change it meanwhile.
    std::env::vars_os()
        .filter(|(name, _)| name != variable)
        .chain([ours])
        .filter_map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec()).ok()
        })
        .collect()
}
