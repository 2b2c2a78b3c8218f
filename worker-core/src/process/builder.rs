//! What a user may choose about a backend before it is spawned.
//! Not here: doing any of it.
//! Layer 5: plain data.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fork_server::ForkServer;
use super::life::Starting;
use super::limits::{Limits, Settings};
use super::restart::Restart;
use super::start::StartMethod;
use crate::errors::Exit;

/// Settings for the process of a backend; the same builder may spawn any number.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use worker_core::{Builder, process_actor};
///
/// pub struct Counter { total: i64 }
///
/// #[process_actor]
/// impl Counter {
///     pub fn new(start: i64) -> Self { Self { total: start } }
///     pub fn add(&mut self, n: i64) -> i64 { self.total += n; self.total }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = Builder::new().name("counter-1").stop_timeout(Duration::from_secs(1));
/// let counter = CounterFrontend::spawn_with(&builder, 40)?;
/// assert_eq!(counter.process().name(), "counter-1");
/// assert_eq!(counter.add(2)?, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) name: Option<String>,
    pub(crate) stop_timeout: Duration,
    pub(crate) call_timeout: Option<Duration>,
    pub(crate) on_timeout: OnTimeout,
    pub(crate) link: Option<Link>,
    pub(crate) start: Option<StartMethod>,
    pub(crate) fork_server: Option<ForkServer>,
    pub(crate) executable: Option<PathBuf>,
    pub(crate) settings: Settings,
    pub(crate) stderr: Output,
    pub(crate) restart: Restart,
    pub(crate) on_exit: Option<ExitListener>,
    /// A group restarts the actor, whatever `restart` says.
    pub(crate) in_group: bool,
    pub(crate) reply_max_bytes: Option<usize>,
    /// A pool appends this number to the name.
    pub(crate) number: Option<u64>,
    /// A pool waits for the constructor by itself, and finds here what to wait for.
    pub(crate) tray: Option<Tray>,
}

/// Where a spawn that does not wait for its constructor leaves what somebody else waits for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tray(Arc<Mutex<Option<Starting>>>);

impl Tray {
    pub(crate) fn put(&self, starting: Starting) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(starting);
    }

    pub(crate) fn take(&self) -> Option<Starting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whoever asked to be told of every end.
#[derive(Clone)]
pub(crate) struct ExitListener(Arc<dyn Fn(&Exit) + Send + Sync>);

impl ExitListener {
    pub(crate) fn tell(&self, exit: &Exit) {
        // It runs on whatever thread finds the end, some of which have more to do: for other calls, for the next life.
        // The panic hook has told of it.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(exit)));
    }
}

impl fmt::Debug for ExitListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ExitListener")
    }
}

/// What becomes of a backend when a call to it times out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnTimeout {
    /// The caller stops waiting; the backend works on, and its reply is thrown away.
    #[default]
    Abandon,
    /// The backend is killed, so that the work truly stops.
    Kill,
}

/// Where the standard error of a backend goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Output {
    /// To that of the program.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
    /// Nowhere, but the last lines, up to 8 KiB, travel with the [`Exit`]. They are read by
    /// the fork server, so the backend may write any amount.
    Tail,
}

/// How a frontend and its backend are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Link {
    /// Two rings in shared memory. The default wherever the system offers `memfd_create(2)`.
    SharedMemory,
    /// One stream socket. The default elsewhere; slower, and it works in every sandbox.
    Socket,
}

/// Time that a backend has to end in order before it is ended by force.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

impl Default for Builder {
    fn default() -> Self {
        Self {
            name: None,
            stop_timeout: STOP_TIMEOUT,
            call_timeout: None,
            on_timeout: OnTimeout::default(),
            link: None,
            start: None,
            fork_server: None,
            executable: None,
            settings: Settings::default(),
            stderr: Output::default(),
            restart: Restart::never(),
            on_exit: None,
            in_group: false,
            reply_max_bytes: None,
            number: None,
            tray: None,
        }
    }
}

impl Builder {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the process, in `ps`, `top`, logs and every [`Exit`](crate::Exit).
    ///
    /// The kernel shows 15 bytes in `/proc/PID/comm` and all of it in `/proc/PID/cmdline`, up to
    /// 250 bytes: put the telling part first. The default is the name of the actor's type.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how long a reply may be, in bytes. Longer ones are [`CallError::Decode`](crate::CallError::Decode),
    /// and the actor lives on. Half of the machine's memory by default.
    ///
    /// A backend that was taken over can send without end; this is what bounds the memory that its callers
    /// take for it.
    pub fn reply_max_bytes(mut self, bytes: usize) -> Self {
        self.reply_max_bytes = Some(bytes);
        self
    }

    /// Sets how long the backend may take to end in order, before SIGTERM, and one second later
    /// SIGKILL, end it. Five seconds by default.
    ///
    /// It holds for `stop()` and for the drop of the last frontend alike.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Gives every blocking call this long, unless its frontend has another `with_timeout`. There is
    /// no limit by default.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = Some(timeout);
        self
    }

    /// Sets what becomes of the backend when a blocking call times out.
    pub fn on_timeout(mut self, what: OnTimeout) -> Self {
        self.on_timeout = what;
        self
    }

    /// Sets where the standard error of the backend goes: to that of the program by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use worker_core::{Builder, Output, process_actor};
    ///
    /// pub struct Complainer;
    ///
    /// #[process_actor]
    /// impl Complainer {
    ///     pub fn new() -> Self { Self }
    ///     pub fn give_up(&self) {
    ///         eprintln!("there is no more paper");
    ///         std::process::abort()
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let complainer = ComplainerFrontend::spawn_with(&Builder::new().stderr(Output::Tail))?;
    /// assert!(complainer.give_up().is_err());
    /// assert_eq!(complainer.process().wait().stderr_tail, "there is no more paper\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stderr(mut self, output: Output) -> Self {
        self.stderr = output;
        self
    }

    /// Sets whether, and how often, a backend that has ended is made anew: with the same constructor and
    /// the same arguments, under the same frontends. Never by default.
    pub fn restart(mut self, policy: Restart) -> Self {
        self.restart = policy;
        self
    }

    /// Has `listener` told of the end of every process that this builder makes, once for each.
    ///
    /// No thread waits for that: `listener` runs on the thread that finds out, by a call, by `stop`,
    /// or by asking [`Process`](crate::Process) or a [`Group`](crate::Group), and may itself make calls. An
    /// end that nobody finds out is told to nobody. A `listener` that panics is reported by the panic hook and ends
    /// nothing: neither the call that found the end, nor those that wait behind it.
    ///
    /// # Examples
    ///
    /// A receiver instead of a callback:
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use worker_core::{Builder, process_actor};
    ///
    /// pub struct Sleeper;
    ///
    /// #[process_actor]
    /// impl Sleeper {
    ///     pub fn new() -> Self { Self }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, exits) = mpsc::channel();
    /// let builder = Builder::new().on_exit(move |exit| { let _ = sender.send(exit.clone()); });
    /// let sleeper = SleeperFrontend::spawn_with(&builder)?;
    /// sleeper.process().kill()?;
    /// let exit = sleeper.process().wait();
    /// assert_eq!(exits.recv()?, exit);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_exit(mut self, listener: impl Fn(&Exit) + Send + Sync + 'static) -> Self {
        self.on_exit = Some(ExitListener(Arc::new(listener)));
        self
    }

    /// Chooses the link instead of taking the best that the system offers.
    ///
    /// Where no builder does, the environment variable `WORKER_LINK` may: `shared-memory` or `socket`.
    pub fn link(mut self, link: Link) -> Self {
        self.link = Some(link);
        self
    }

    /// Chooses how the process comes to be: see [`StartMethod`].
    ///
    /// The environment variable `WORKER_START` (`thread`, `exec` or `fork-server`) overrules every
    /// builder, so that a whole program can be run another way.
    pub fn start(mut self, method: StartMethod) -> Self {
        self.start = Some(method);
        self
    }

    /// Has the backend forked from a server of the program's own, with what that server has loaded.
    pub fn fork_server(mut self, server: &ForkServer) -> Self {
        self.fork_server = Some(server.clone());
        self
    }

    /// Starts backends from this executable instead of the one that is running.
    ///
    /// It is for code in a library that a foreign program loads: name an executable that is linked to
    /// the same library. What is started is never its `main`, but the code of this crate in it. The
    /// environment variable `WORKER_EXECUTABLE` does the same for every builder that names none. A
    /// [`ForkServer`] keeps the executable that it was made with.
    pub fn executable(mut self, path: impl Into<PathBuf>) -> Self {
        self.executable = Some(path.into());
        self
    }

    /// Limits what the backend may use. They are set before its constructor runs.
    ///
    /// # Examples
    ///
    /// See [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets the niceness of the backend: from -20, most willing to run, to 19. Below that of the program
    /// it takes a privilege, and the spawn fails without.
    pub fn nice(mut self, niceness: i32) -> Self {
        self.settings.niceness = Some(niceness);
        self
    }

    /// Has the backend run on these processors alone, numbered as in `/proc/cpuinfo`.
    pub fn cpus(mut self, cpus: &[usize]) -> Self {
        self.settings.cpus = Some(cpus.to_vec());
        self
    }
}
