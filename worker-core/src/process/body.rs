//! The process of one life of a backend: born, alive, ended.
//! Not here: making it (`start`), the life after it (`lives`), and calls (`calls`).
//! Layer 5: over `sys`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::builder::{Builder, ExitListener};
use super::parting;
use super::protocol::{self, Notice, Refusal};
use super::start::{Keeper, Refused};
use super::usage::Usage;
use crate::calls::waits::Target;
use crate::calls::{Death, Ending};
use crate::errors::{Exit, ExitReason};
use crate::link::beside::Beside;
use crate::link::{Herald, LinkKind};
use crate::sys::clock::{self, Moment};
use crate::sys::held::{Held, Here};
use crate::sys::pidfd::PidFd;

/// Time that a backend which has closed its link gets at least to be gone, before it is killed.
const LINGER: Duration = Duration::from_secs(1);
/// Time that the fork server gets to say how a backend ended.
const REPORT: Duration = Duration::from_secs(10);
/// Time between SIGTERM and SIGKILL.
pub(super) const TERM_GRACE: Duration = Duration::from_secs(1);

/// The process of one life. Once it has ended it stays so, and no other is ever signalled in its place.
pub(crate) struct Body {
    name: String,
    /// Who the actor is, in this life.
    id: u64,
    /// As whoever waits for it knows it.
    target: Arc<Target>,
    stop_timeout: Duration,
    /// On it the fork server tells of birth and end; and it is the door for whoever is given the actor.
    beside: Arc<Beside>,
    /// Tells the backend that its actor was given away.
    herald: Herald,
    birth: OnceLock<Result<Birth, Refusal>>,
    /// Why the process could not begin.
    failure: OnceLock<Refusal>,
    /// When this program first saw that the process had ended.
    seen_ended: OnceLock<Moment>,
    /// When it was first asked to end in order, found without its link, and sent SIGTERM: its times to end
    /// run from these moments, however many threads wait for its end, and however often.
    asked: OnceLock<Instant>,
    link_lost: OnceLock<Instant>,
    terminated: OnceLock<Instant>,
    end: OnceLock<(Exit, Option<Moment>)>,
    on_exit: Option<ExitListener>,
    /// Whether the listener has been told of the end.
    told: AtomicBool,
    _held: Held,
    /// In a fork of this program the process is somebody else's: it is not asked, not waited for, not killed.
    here: Here,
    keeper: Keeper,
}

/// What it takes to hold an actor that somebody else has made.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) id: u64,
    pub(super) pid: u32,
    pub(super) pidfd: PidFd,
    pub(super) door: Arc<Beside>,
    pub(super) stop_timeout: Duration,
    pub(super) is_thread: bool,
}

/// That a process, or a thread that stands for one, came to be.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) pid: u32,
    /// Readable at the end, and of a process its pidfd.
    pub(super) pidfd: PidFd,
}

impl Body {
    pub(super) fn new(
        name: String,
        id: u64,
        builder: &Builder,
        beside: Arc<Beside>,
        herald: Herald,
        mut keeper: Keeper,
        held: Held,
    ) -> Self {
        let birth = keeper.take_birth().map_or_else(OnceLock::new, |birth| OnceLock::from(Ok(birth)));
        let target = Arc::new(Target::new(id, &name, 0));
        if let Some(Ok(Birth { pid, .. })) = birth.get() {
            target.set_pid(*pid);
        }
        Self {
            name,
            id,
            target,
            stop_timeout: builder.stop_timeout,
            beside,
            herald,
            birth,
            failure: OnceLock::new(),
            seen_ended: OnceLock::new(),
            asked: OnceLock::new(),
            link_lost: OnceLock::new(),
            terminated: OnceLock::new(),
            end: OnceLock::new(),
            on_exit: builder.on_exit.clone(),
            told: AtomicBool::new(false),
            _held: held,
            here: Here::now(),
            keeper,
        }
    }

    /// The process of an actor that somebody else has made, and that this process was given.
    pub(super) fn elsewhere(given: Given, link_number: u64, herald: Herald, held: Held) -> Self {
        let Given { name, id, pid, pidfd, door, stop_timeout, is_thread } = given;
        let birth = OnceLock::from(Ok(Birth { pid, pidfd }));
        let target = Arc::new(Target::new(id, &name, link_number));
        target.set_pid(pid);
        Self {
            name,
            id,
            target,
            stop_timeout,
            beside: door,
            herald,
            birth,
            failure: OnceLock::new(),
            seen_ended: OnceLock::new(),
            asked: OnceLock::new(),
            link_lost: OnceLock::new(),
            terminated: OnceLock::new(),
            end: OnceLock::new(),
            on_exit: None,
            told: AtomicBool::new(false),
            _held: held,
            here: Here::now(),
            keeper: Keeper::Elsewhere { is_thread },
        }
    }

    /// What somebody else needs to hold the actor too. The backend looks for newcomers from now on.
    pub(super) fn give(&self) -> io::Result<Given> {
        if !self.is_ours() {
            return Err(io::Error::other(
                "a frontend belongs to the process that got it, not to a fork of that",
            ));
        }
        let Some(birth) = self.born() else { return Err(io::Error::other("the actor was never made")) };
        // Before the door can be anywhere else (N1 of `link::newcomers`).
        self.herald.tell();
        Ok(Given {
            name: self.name.clone(),
            id: self.id,
            pid: birth.pid,
            pidfd: PidFd::from(birth.pidfd.as_fd().try_clone_to_owned()?),
            door: Arc::clone(&self.beside),
            stop_timeout: self.stop_timeout,
            is_thread: self.keeper.is_thread(),
        })
    }

    /// As whoever waits for it knows it.
    pub(super) fn target(&self) -> Arc<Target> {
        Arc::clone(&self.target)
    }

    /// What kind of link the backend listens on.
    pub(super) fn link_kind(&self) -> LinkKind {
        self.herald.kind()
    }

    /// Tells the listener of the end, if there is one and it is known: once, on this thread.
    ///
    /// Nothing may be locked, and this thread must not lead: the listener is free to make calls.
    pub(crate) fn announce(&self) {
        let (Some(listener), Some((exit, _))) = (&self.on_exit, self.end.get()) else { return };
        // Relaxed: only that one thread sees `false` counts; what it tells is in `end`.
        if !self.told.swap(true, Ordering::Relaxed) {
            listener.tell(exit);
        }
    }

    /// Whether this process made it, and is no fork of the one that did.
    pub(super) fn is_ours(&self) -> bool {
        self.here.is_it()
    }

    /// Grace before SIGTERM.
    pub(super) fn stop_timeout(&self) -> Duration {
        self.stop_timeout
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.born().map_or(0, |birth| birth.pid)
    }

    /// Name given by [`Builder::name`], or the name of the actor's type.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the process has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        self.end.get().is_none() && self.ended_by(Some(Instant::now())).is_ok_and(|ended| !ended)
    }

    /// Whether somebody has waited for the end, and seen it.
    #[inline]
    pub(crate) fn is_known_to_have_ended(&self) -> bool {
        self.end.get().is_some()
    }

    /// What the process uses at this moment; all zero once it has ended.
    pub(crate) fn usage(&self) -> Usage {
        let usage = Usage::of(self.pid());
        // The number may have been given to another process by now; then it was not ours we looked at.
        if self.is_alive() { usage } else { Usage::default() }
    }

    /// Whether it is a process: a thread cannot be ended by force.
    pub(crate) fn can_be_killed(&self) -> bool {
        self.keeper.thread().is_none()
    }

    /// Ends the process at once, by SIGKILL. That it has ended already is no error.
    pub(crate) fn kill(&self) -> io::Result<()> {
        self.signal(Signal::SIGKILL)
    }

    /// Waits until the process has ended, and says how. It does not ask it to end.
    pub(crate) fn wait(&self) -> Exit {
        self.wait_until(None).unwrap_or(None).unwrap_or_else(|| self.unknown_end()).0
    }

    /// Where the word of its end arrives, if that is a descriptor: for whoever must not wait for it.
    pub(crate) fn report(&self) -> Option<BorrowedFd<'_>> {
        // Its birth is told there first.
        let is_born = self.born().is_some();
        let is_told = is_born && self.is_ours() && !self.keeper.is_thread() && !self.keeper.is_elsewhere();
        is_told.then(|| self.beside.as_fd())
    }

    /// Until when a backend that has closed its link has time to be gone. The first to ask has seen it closed.
    pub(crate) fn gone_by(&self) -> Instant {
        clock::later(*self.link_lost.get_or_init(Instant::now), self.stop_timeout.max(LINGER))
    }

    /// Waits until the process has ended; `None` when the deadline passed.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> io::Result<Option<(Exit, Option<Moment>)>> {
        if let Some(end) = self.end.get() {
            return Ok(Some(end.clone()));
        }
        if !self.ended_by(deadline)? {
            return Ok(None);
        }
        Ok(Some(self.end.get_or_init(|| self.receive_end()).clone()))
    }

    /// Forces what was asked to end: SIGTERM at the end of the stop timeout, SIGKILL after one second more.
    ///
    /// `wait_briefly` waits for the end, as it likes, up to a moment.
    pub(crate) fn see_end(&self, mut wait_briefly: impl FnMut(Instant) -> Option<Exit>) -> io::Result<Exit> {
        if let Some(exit) = wait_briefly(self.ask()) {
            return Ok(exit);
        }
        let killed_at = self.terminate()?;
        if let Some(exit) = wait_briefly(killed_at) {
            return Ok(exit);
        }
        self.kill()?;
        Ok(self.wait())
    }

    /// Notes that it is asked to end; gives when its time for that is over.
    pub(super) fn ask(&self) -> Instant {
        clock::later(*self.asked.get_or_init(Instant::now), self.stop_timeout)
    }

    /// Waits until the fork server has said whether there is a process. Whoever waits for the constructor has done so.
    pub(crate) fn wait_born(&self) -> Result<(), Refused> {
        self.keeper.begun();
        match (self.birth(), self.failure.get()) {
            (Ok(_), None) => Ok(()),
            (Err(refusal), _) | (_, Some(refusal)) => Err(refusal.clone().into()),
        }
    }

    /// Notes that the constructor has run, or that nobody waits for it any longer.
    pub(crate) fn begun(&self) {
        self.keeper.begun();
    }

    fn birth(&self) -> &Result<Birth, Refusal> {
        self.birth.get_or_init(|| self.receive_birth())
    }

    fn born(&self) -> Option<&Birth> {
        self.birth().as_ref().ok()
    }

    fn ended_by(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let ended = self.born().map_or(Ok(true), |birth| birth.pidfd.wait_ended(deadline))?;
        if ended {
            self.seen_ended.get_or_init(Moment::now);
        }
        Ok(ended)
    }

    /// Asks a process that did not end in time, by SIGTERM, once; gives when its time for that is over too.
    pub(crate) fn terminate(&self) -> io::Result<Instant> {
        if self.terminated.get().is_none() {
            self.signal(Signal::SIGTERM)?;
        }
        Ok(*self.terminated.get_or_init(Instant::now) + TERM_GRACE)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        if !self.is_ours() {
            return Err(io::Error::other(
                "a frontend belongs to the process that got it, not to a fork of that",
            ));
        }
        let Some(birth) = self.born() else { return Ok(()) };
        if !self.keeper.is_thread() {
            return birth.pidfd.signal(signal);
        }
        if self.ended_by(Some(Instant::now()))? {
            return Ok(());
        }
        let message = format!(
            "backend `{}` is a thread of this program (StartMethod::Thread), which cannot be ended by force; \
             it ends by `stop`, or with the program",
            self.name
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    fn receive_birth(&self) -> Result<Birth, Refusal> {
        let lost = || Refusal::System {
            doing: "the fork server ended before it made the backend".to_owned(),
            errno: Errno::ECHILD as i32,
        };
        let cut_off = || Refusal::System {
            doing: "the descriptor of a new process could not be taken".to_owned(),
            errno: Errno::EMFILE as i32,
        };
        let message = self.beside.next_notice(None).ok_or_else(lost)?;
        match protocol::decode(&message.bytes).ok_or_else(lost)? {
            Notice::Born { pid } => {
                let pidfd = message.descriptors.into_iter().next().ok_or_else(cut_off)?;
                self.target.set_pid(pid);
                self.keeper.order_was_accepted();
                Ok(Birth { pid, pidfd: PidFd::from(pidfd) })
            }
            Notice::Refused(refusal) => Err(refusal),
            Notice::Failed(_) | Notice::Ended { .. } => Err(lost()),
        }
    }

    /// Takes its parent's word for how the process ended. It has; that is known.
    fn receive_end(&self) -> (Exit, Option<Moment>) {
        let told = match self.keeper.thread() {
            Some(thread) => {
                thread.reason().map(|(reason, gone_at)| (Exit::new(self.pid(), &self.name, reason), gone_at))
            }
            None if self.keeper.is_elsewhere() => self.born().and_then(|birth| self.ask_exit(birth)),
            None => self.born().and_then(|_| self.receive_exit()),
        };
        self.keeper.backend_ended();
        match told {
            Some((exit, gone_at)) => {
                let gone_at = self.seen_ended.get().map_or(gone_at, |&seen| seen.min(gone_at));
                (exit, Some(gone_at))
            }
            None => self.unknown_end(),
        }
    }

    fn receive_exit(&self) -> Option<(Exit, Moment)> {
        let deadline = Some(Instant::now() + REPORT);
        loop {
            let message = self.beside.next_notice(deadline)?;
            match protocol::decode(&message.bytes)? {
                Notice::Ended { reason, stack_overflow, stderr_tail, gone_at } => {
                    let exit = Exit::new(self.pid(), &self.name, reason);
                    let panic = parting::of(&self.beside, self.pid()).map(Box::new);
                    return Some((Exit { stack_overflow, stderr_tail, panic, ..exit }, gone_at));
                }
                Notice::Failed(refusal) => {
                    self.failure.get_or_init(|| refusal);
                }
                Notice::Born { .. } | Notice::Refused(_) => return None,
            }
        }
    }

    /// Asks the kernel how a process ended that is somebody else's, where it tells.
    fn ask_exit(&self, birth: &Birth) -> Option<(Exit, Moment)> {
        let reason = birth.pidfd.exit_reason(Instant::now() + REPORT)?;
        Some((Exit::new(birth.pid, &self.name, reason), self.seen_ended.get().copied()?))
    }

    pub(super) fn unknown_exit(&self) -> Exit {
        self.unknown_end().0
    }

    fn unknown_end(&self) -> (Exit, Option<Moment>) {
        let reason = if self.keeper.is_elsewhere() { ExitReason::Untold } else { ExitReason::Unknown };
        (Exit::new(self.pid(), &self.name, reason), self.seen_ended.get().copied())
    }

    /// Finds out how the backend ended, once its link has; `None` when the deadline passed before it was gone.
    pub(super) fn find_death(&self, ending: Ending, deadline: Option<Instant>) -> Option<Death> {
        if !self.is_ours() {
            let (exit, gone_at) = self.unknown_end();
            return Some(Death { exit, gone_at });
        }
        if self.keeper.is_elsewhere() {
            return self.find_death_elsewhere(deadline);
        }
        // One whose link cannot be trusted is of no use to anybody.
        let is_forced =
            if ending == Ending::Broken { self.kill().is_ok() } else { self.end_behind_link(deadline)? };
        let until = if is_forced { None } else { deadline };
        match self.wait_until(until) {
            Ok(None) => None,
            Ok(Some((exit, gone_at))) => Some(Death { exit, gone_at }),
            Err(_) => {
                let (exit, gone_at) = self.unknown_end();
                Some(Death { exit, gone_at })
            }
        }
    }

    /// Gives a process that has closed its link its time to stop, then ends it by force: says whether it is
    /// certainly about to be gone. `None` when the deadline passed first.
    ///
    /// Exit handlers and the last hook run behind the end of the link, and belong to the time to stop.
    fn end_behind_link(&self, deadline: Option<Instant>) -> Option<bool> {
        let wait = |until: Instant| {
            let (first, is_given_up) = match deadline {
                Some(deadline) if deadline < until => (deadline, true),
                _ => (until, false),
            };
            match self.ended_by(Some(first)) {
                Ok(true) => Some(true),
                Ok(false) if is_given_up => None,
                Ok(false) | Err(_) => Some(false),
            }
        };
        if wait(self.gone_by())? {
            return Some(true);
        }
        let Ok(killed_at) = self.terminate() else { return Some(false) };
        Some(wait(killed_at)? || self.kill().is_ok())
    }
}

impl Body {
    /// As [`Body::find_death`], for an actor that others hold too: it is theirs, and is not killed.
    fn find_death_elsewhere(&self, deadline: Option<Instant>) -> Option<Death> {
        let lost = *self.link_lost.get_or_init(Instant::now);
        let until = lost + LINGER;
        match self.wait_until(Some(deadline.map_or(until, |deadline| deadline.min(until)))) {
            Ok(Some((exit, gone_at))) => Some(Death { exit, gone_at }),
            Ok(None) if deadline.is_some_and(|deadline| deadline < until) => None,
            _ => Some(Death { exit: Exit::new(self.pid(), &self.name, ExitReason::LinkLost), gone_at: None }),
        }
    }
}

impl AsFd for Body {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.birth() {
            Ok(birth) => birth.pidfd.as_fd(),
            Err(_) => unreachable!("a frontend exists only for a process that was born"),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut output = formatter.debug_struct("Body");
        output.field("name", &self.name);
        if let Some(Ok(birth)) = self.birth.get() {
            output.field("pid", &birth.pid);
        }
        output.field("end", &self.end.get().map(|(exit, _)| &exit.reason)).finish()
    }
}
