//! What an ended backend leaves behind: its last lines, and what its end came of.
//! Not here: programs built with `panic = "abort"` (`examples/last_words.rs`).
//! Layer: the public surface.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{self, Command};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, hint, io};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, raise};
use support::processes::runs;
use support::{eventually, rerun, scratch_file, watchdog};
use worker_core::{
    Builder, CallError, Exit, ExitReason, Group, GroupError, Limits, Output, Restart, SpawnError,
    StartMethod, Strategy, process_actor,
};

/// How long a core file may be here.
const CORE_BYTES: u64 = 256 << 20;

pub struct Speaker;

#[process_actor]
impl Speaker {
    pub fn new() -> Self {
        Self
    }

    pub fn say(&self, what: &str, times: u32) {
        for _ in 0..times {
            eprintln!("{what}");
        }
    }

    pub fn end(&self, what: &str) {
        eprint!("{what}");
        process::exit(7)
    }

    #[oneway]
    pub fn panic(&self) {
        panic!("nobody waits for this");
    }

    pub fn leave_somebody_writing(&self) -> u32 {
        let child = Command::new("sh").args(["-c", "while :; do echo again >&2; done"]).spawn();
        child.expect("a shell").id()
    }

    pub fn use_up_the_stack(&self, depth: u64) -> u64 {
        let frame = hint::black_box([depth; 64]);
        if depth == u64::MAX { frame[0] } else { self.use_up_the_stack(depth + 1) + frame[63] }
    }

    pub fn use_up_the_stack_of_a_thread(&self) -> u64 {
        std::thread::spawn(|| Self.use_up_the_stack(0)).join().unwrap()
    }

    #[allow(unsafe_code)]
    pub fn touch_what_is_not_there(&self) -> u8 {
        let nowhere = hint::black_box(8_usize) as *const u8;
        // SAFETY: it is not: this is how to be ended by the kernel.
        unsafe { nowhere.read_volatile() }
    }

    pub fn raise(&self, signal: i32) {
        raise(Signal::try_from(signal).unwrap()).unwrap();
    }
}

/// What a [`Mortal`] panics with.
const WHY: &str = "the mortal is out of patience";

/// Ends of a panic.
pub struct Mortal {
    panics_in_drop: bool,
    panics_in_stopped: bool,
}

#[process_actor]
impl Mortal {
    pub fn new() -> Self {
        Self { panics_in_drop: false, panics_in_stopped: false }
    }

    pub fn stillborn() -> Self {
        panic!("{WHY}")
    }

    /// Made for the first time; the next one panics.
    pub fn once(lived: &Path) -> Self {
        assert!(!lived.exists(), "{WHY}");
        fs::write(lived, "").unwrap();
        Self::new()
    }

    pub fn sleep(&self, milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    /// Panics, and the process lives on.
    pub fn panic(&self) {
        panic!("of this one nobody has died");
    }

    /// Out of a function of another language no panic can go on.
    pub fn panic_for_good(&self) {
        extern "C" fn called_from_c() {
            panic!("{WHY}");
        }
        called_from_c();
    }

    #[oneway]
    pub fn panic_for_good_later(&self) {
        self.panic_for_good();
    }

    pub fn panic_in_drop(&mut self) {
        self.panics_in_drop = true;
    }

    pub fn panic_in_stopped(&mut self) {
        self.panics_in_stopped = true;
    }

    pub fn abort(&self) {
        process::abort()
    }

    /// A backend that is a thread of this one, and panics in its constructor.
    pub fn raise_a_stillborn(&self) -> bool {
        let thread = Builder::new().start(StartMethod::Thread);
        matches!(MortalFrontend::spawn_stillborn_with(&thread), Err(SpawnError::Panicked(_)))
    }

    #[stopped]
    fn stops(&mut self) {
        assert!(!self.panics_in_stopped, "{WHY}");
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        assert!(!self.panics_in_drop, "{WHY}");
    }
}

fn assert_told(exit: &Exit) {
    let panic = exit.panic.as_ref().unwrap_or_else(|| panic!("no panic in {exit:?}"));
    assert_eq!(panic.message, WHY);
    assert!(panic.location.contains("last_words.rs:"), "{panic:?}");
    let wants_none = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value == "0");
    assert_eq!(panic.backtrace.contains("Mortal"), !wants_none, "{}", panic.backtrace);
    let text = exit.to_string();
    assert!(text.contains(WHY) && text.contains("last_words.rs:"), "{text}");
}

fn speaker() -> SpeakerFrontend {
    SpeakerFrontend::spawn_with(&Builder::new().stderr(Output::Tail)).unwrap()
}

fn exit_of<T: std::fmt::Debug>(result: Result<T, CallError>) -> Exit {
    match result {
        Err(CallError::Exited(exit)) => exit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_lines_travel_with_every_exit() {
    let _watchdog = watchdog();
    let clean = speaker();
    clean.say("hello", 2).unwrap();
    assert_eq!(clean.stop().unwrap().stderr_tail, "hello\nhello\n");
    let ended = exit_of(speaker().end("no end of line"));
    assert_eq!((ended.reason, ended.stderr_tail.as_str()), (ExitReason::Code(7), "no end of line"));
    let silent = speaker();
    silent.process().kill().unwrap();
    assert_eq!(silent.process().wait().stderr_tail, "");
}

#[test]
fn any_amount_is_written_without_waiting_and_the_end_is_kept() {
    let _watchdog = watchdog();
    let speaker = speaker();
    let line = "x".repeat(1000);
    speaker.say(&line, 5000).unwrap();
    speaker.say("the end", 1).unwrap();
    let tail = speaker.stop().unwrap().stderr_tail;
    assert!(tail.starts_with(&line) && tail.ends_with("\nthe end\n"), "{} bytes", tail.len());
    assert!(tail.len() > 4096 && tail.len() <= 8192, "{} bytes", tail.len());
}

#[test]
fn a_panic_without_a_caller_is_among_the_last_words() {
    let _watchdog = watchdog();
    let speaker = speaker();
    speaker.panic().unwrap();
    let tail = speaker.stop().unwrap().stderr_tail;
    assert!(tail.contains("nobody waits for this") && tail.contains("last_words.rs:"), "{tail}");
}

#[test]
fn whoever_still_writes_holds_up_nobody() {
    let _watchdog = watchdog();
    let stopped = speaker();
    let somebody = stopped.leave_somebody_writing().unwrap();
    assert!(runs(somebody));
    let exit = stopped.stop().unwrap();
    assert!(exit.is_clean(), "{exit}");
    eventually("what a backend started is gone with it", || !runs(somebody));

    let killed = speaker();
    let somebody = killed.leave_somebody_writing().unwrap();
    assert!(runs(somebody));
    killed.process().kill().unwrap();
    assert!(matches!(killed.process().wait().reason, ExitReason::Signal { signal: libc::SIGKILL, .. }));
    eventually("what a killed backend started is gone with it", || !runs(somebody));
}

#[test]
fn a_panic_that_ends_a_backend_is_told_to_everybody() {
    let _watchdog = watchdog();
    for start in [StartMethod::ForkServer, StartMethod::Exec] {
        let (tell, told) = mpsc::channel();
        let builder = Builder::new().start(start).on_exit(move |exit| tell.send(exit.clone()).unwrap());
        let mortal = MortalFrontend::spawn_with(&builder).unwrap();
        let busy = mortal.sleep_async(50);
        let ends = mortal.panic_for_good_async();
        let behind = mortal.sleep_async(0);
        busy.wait().unwrap();
        assert_told(&exit_of(ends.wait()));
        // One that the backend had not begun may be sent again, so it is told as `NotSent`.
        match behind.wait() {
            Err(CallError::Exited(exit) | CallError::NotSent(exit)) => assert_told(&exit),
            other => panic!("{other:?}"),
        }
        match mortal.sleep(0) {
            Err(CallError::NotSent(exit)) => assert_told(&exit),
            other => panic!("{other:?}"),
        }
        let exit = mortal.process().wait();
        assert!(matches!(exit.reason, ExitReason::Signal { signal: libc::SIGABRT, .. }), "{exit}");
        assert_told(&exit);
        assert_told(&told.recv().unwrap());
    }

    let mortal = MortalFrontend::spawn().unwrap();
    mortal.panic_for_good_later().unwrap();
    assert_told(&mortal.process().wait());
}

#[test]
fn a_group_that_gives_up_says_of_which_panic() {
    let _watchdog = watchdog();
    let group = Group::new(Strategy::OneForOne).max(0);
    let builder = Builder::new().name("mortal");
    let mortal = group.permanent(&builder, MortalFrontend::spawn_with).unwrap();
    assert_told(&exit_of(mortal.panic_for_good()));
    match group.supervise() {
        Err(GroupError::GivenUp(exit)) => assert_told(&exit),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_panic_at_the_end_and_one_at_the_beginning_are_told_with_the_exit() {
    let _watchdog = watchdog();
    for in_drop in [true, false] {
        let mortal = MortalFrontend::spawn().unwrap();
        if in_drop { mortal.panic_in_drop() } else { mortal.panic_in_stopped() }.unwrap();
        let exit = mortal.stop().unwrap();
        assert_eq!(exit.reason, ExitReason::Code(101));
        assert_told(&exit);
    }

    let lived = scratch_file("lived");
    let restart = Restart::on_crash().max(1).backoff(Duration::ZERO);
    let mortal = MortalFrontend::spawn_once_with(&Builder::new().restart(restart), &lived).unwrap();
    mortal.process().kill().unwrap();
    mortal.process().wait();
    match mortal.sleep(0) {
        Err(CallError::NotSent(exit)) => {
            assert!(exit.given_up.is_some(), "{exit}");
            assert_told(&exit);
        }
        other => panic!("{other:?}"),
    }
    fs::remove_file(lived).unwrap();
}

#[test]
fn a_panic_of_which_nobody_died_is_not_what_it_ended_of() {
    let _watchdog = watchdog();
    let mortal = MortalFrontend::spawn().unwrap();
    assert!(matches!(mortal.panic(), Err(CallError::Panicked(_))));
    assert!(mortal.raise_a_stillborn().unwrap());
    let exit = exit_of(mortal.abort());
    assert!(matches!(exit.reason, ExitReason::Signal { signal: libc::SIGABRT, .. }), "{exit}");
    assert_eq!(exit.panic, None);
}

#[test]
fn nothing_is_kept_where_it_was_not_asked_for() {
    let _watchdog = watchdog();
    let speaker = SpeakerFrontend::spawn_with(&Builder::new().stderr(Output::Null)).unwrap();
    speaker.say("to nobody", 1).unwrap();
    assert_eq!(speaker.stop().unwrap().stderr_tail, "");
    writeln!(io::stderr(), "the program's own is as it was").unwrap();
}

#[test]
fn a_stack_that_was_used_up_is_told_apart() {
    let _watchdog = watchdog();
    let exit = exit_of(speaker().use_up_the_stack(0));
    assert!(matches!(exit.reason, ExitReason::Signal { signal, .. } if signal == Signal::SIGSEGV as i32));
    assert!(exit.stack_overflow && exit.to_string().contains("stack"), "{exit}");

    let exit = exit_of(speaker().touch_what_is_not_there());
    assert!(matches!(exit.reason, ExitReason::Signal { signal, .. } if signal == Signal::SIGSEGV as i32));
    assert!(!exit.stack_overflow, "{exit}");

    // No other thread has a stack of its own for the handler, so there it is a wrong access like any other.
    let exit = exit_of(speaker().use_up_the_stack_of_a_thread());
    assert!(matches!(exit.reason, ExitReason::Signal { signal, .. } if signal == Signal::SIGSEGV as i32));
    assert!(!exit.stack_overflow, "{exit}");
}

#[test]
fn a_core_file_is_told_where_there_is_one() {
    const NAME: &str = "a_core_file_is_told_where_there_is_one";
    let _watchdog = watchdog();
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if hard < CORE_BYTES
        || pattern.trim().is_empty()
        || pattern.starts_with(['|', '@'])
        || pattern.contains('/')
    {
        // A helper program or a far folder may refuse, which is no affair of ours. Past the capture of the harness.
        let what = format!("core files go to `{}`, at most {hard} bytes", pattern.trim());
        return writeln!(io::stderr(), "{NAME}: SKIPPED, {what}").unwrap();
    }
    // In a directory of its own, in which the file can be looked for.
    rerun::alone(NAME, || {
        let crash = |limit: u64| {
            let builder = Builder::new().limits(Limits::new().core_dump(limit));
            exit_of(SpeakerFrontend::spawn_with(&builder).unwrap().raise(Signal::SIGABRT as i32)).reason
        };
        let signal = Signal::SIGABRT as i32;
        assert_eq!(crash(0), ExitReason::Signal { signal, core_dumped: false });

        let folder = scratch_file("cores");
        fs::create_dir(&folder).unwrap();
        std::env::set_current_dir(&folder).unwrap();
        assert_eq!(crash(CORE_BYTES), ExitReason::Signal { signal, core_dumped: true });
        let cores = fs::read_dir(&folder).unwrap().count();
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(cores, 1, "and it is there");
    });
}

#[test]
fn a_signal_that_was_sent_ends_a_backend_at_once() {
    let _watchdog = watchdog();
    for sent in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGABRT, Signal::SIGTERM] {
        let exit = exit_of(speaker().raise(sent as i32));
        assert!(matches!(exit.reason, ExitReason::Signal { signal, .. } if signal == sent as i32), "{exit}");
        assert!(!exit.stack_overflow);
    }
}
