//! Which start method a backend gets.
//! Not here: the methods themselves.
//! Layer 5: plain data.

use std::io::{self, ErrorKind};

use super::Run;
use crate::process::builder::Builder;

/// How the process of a backend comes to be.
///
/// | method | what the backend finds in its memory | needs |
/// | --- | --- | --- |
/// | `ForkServer` | the program as it was before `main`, and what was preloaded | nothing |
/// | `Fork` | everything that the program has at this moment, shared copy-on-write | a program of one thread |
/// | `Exec` | the program as it was before `main`, at addresses of its own | a few milliseconds |
/// | `Thread` | the program itself | no process at all |
///
/// # Examples
///
/// ```
/// use worker_core::{Builder, StartMethod, process_actor};
///
/// pub struct Greeter;
///
/// #[process_actor]
/// impl Greeter {
///     pub fn new() -> Self { Self }
///     pub fn pid(&self) -> u32 { std::process::id() }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if std::env::var_os("WORKER_START").is_some() { return Ok(()) }
/// let fresh = GreeterFrontend::spawn_with(&Builder::new().start(StartMethod::Exec))?;
/// assert_ne!(fresh.pid()?, std::process::id());
/// let near = GreeterFrontend::spawn_with(&Builder::new().start(StartMethod::Thread))?;
/// assert_eq!(near.pid()?, std::process::id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartMethod {
    /// A small single-threaded copy of the program forks it.
    #[default]
    ForkServer,
    /// The program forks itself.
    ///
    /// It is refused while other threads run, which may hold any lock at that moment. The backend
    /// shares the memory of the program as it is, copy-on-write, and its descriptors. Frontends that
    /// the program holds are the program's: in the backend they report that their actor is gone.
    Fork,
    /// The program is executed anew for it.
    Exec,
    /// It runs in a thread of this program, for debuggers, coverage and sanitizers.
    ///
    /// Nothing fences it then: it cannot be killed, [`Limits`](crate::Limits) are refused,
    /// [`Process::usage`](crate::Process::usage) measures the whole program, and what ends a process ends the program:
    /// `exit`, `abort`, a signal. A panic is told to the caller as from a process.
    Thread,
}

/// Overrules the start method of every builder.
const START_VARIABLE: &str = "WORKER_START";
/// The start method, and whether the environment chose it.
pub(super) fn method(builder: &Builder, run: &Run) -> io::Result<(StartMethod, bool)> {
    let chosen = match (run, builder.start) {
        (Run::Closure(_), _) => StartMethod::Fork,
        (_, None) => StartMethod::ForkServer,
        (_, Some(StartMethod::Fork)) if builder.fork_server.is_some() => {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "a backend can be forked from the program or from a fork server, not from both",
            ));
        }
        (_, Some(method)) => method,
    };
    let forced = match std::env::var_os(START_VARIABLE) {
        None => return Ok((chosen, false)),
        Some(value) if value == "thread" => StartMethod::Thread,
        Some(value) if value == "exec" => StartMethod::Exec,
        Some(value) if value == "fork-server" => StartMethod::ForkServer,
        Some(value) => {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "{START_VARIABLE} is {value:?}, but only `thread`, `exec` and `fork-server` can be \
                     forced on a whole program; unset it"
                ),
            ));
        }
    };
    match (run, forced) {
        // What a closure has captured exists in this process and its forks alone.
        (Run::Closure(_), StartMethod::Exec | StartMethod::ForkServer) => Ok((chosen, false)),
        _ => Ok((forced, true)),
    }
}
