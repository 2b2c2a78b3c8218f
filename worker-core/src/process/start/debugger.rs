//! A backend that waits for a debugger before it runs any code of the user.
//! Not here: debugging everything in one process (`StartMethod::Thread`).
//! Layer 5: over `sys`.

use std::io::{self, ErrorKind};

use nix::sys::signal::{Signal, raise};

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

/// Stops this process until a debugger lets it go on, or SIGCONT does.
///
/// # Source
///
/// `ptrace(2)`: a debugger may attach to a stopped process. Nothing polls meanwhile.
pub(super) fn wait(name: &str) {
    let pid = std::process::id();
    eprintln!(
        "worker-core: backend `{name}` (pid {pid}) waits for a debugger: `gdb -p {pid}` or `lldb -p {pid}`, \
         then `continue`; `kill -CONT {pid}` lets it run without one"
    );
    let _ = raise(Signal::SIGSTOP);
}
