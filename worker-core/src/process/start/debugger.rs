//! A backend that waits for a debugger before it runs any code of the user.
//! Not here: debugging everything in one process (`StartMethod::Thread`).
//! Layer 5: over `sys`.

use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::sys::{proc_files, signals};

/// Says which backend waits: `wait:NAME`.
const VARIABLE: &str = "WORKER_DEBUG";

/// Whether the environment of the program asks for it.
pub(super) fn is_wanted_for(name: &str) -> io::Result<bool> {
    let Some(value) = std::env::var_os(VARIABLE) else { return Ok(false) };
    match value.to_str().and_then(|value| value.strip_prefix("wait:")) {
        Some(wanted) => Ok(wanted == name),
        None => Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{VARIABLE} is {value:?}, but it takes `wait:` and the name of a backend, such as \
                 `wait:{name}`; unset it"
            ),
        )),
    }
}

/// How often it looks whether a debugger has come.
const PACE: Duration = Duration::from_millis(50);

/// Holds this process until a debugger has attached and let it go on, or until SIGCONT comes.
///
/// It does not stop itself by SIGSTOP: gdb would meet that signal at its first `continue`, pass it on at the
/// next, and so never get past it. One that waits goes on as soon as its debugger lets it.
pub(super) fn wait(name: &str) {
    let pid = std::process::id();
    eprintln!(
        "worker-core: backend `{name}` (pid {pid}) waits for a debugger: `gdb -p {pid}` or `lldb -p {pid}`, \
         then `continue`; `kill -CONT {pid}` lets it run without one"
    );
    signals::wait_for_continue(PACE, proc_files::is_traced);
}
