//! The crash matrix: every way to fail, in every phase of a backend's life, over every link.
//! Not here: ends that come from outside (`death`).
//! Layer: the public surface.

mod support;

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, raise};
use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use support::{processes, watchdog};
use worker_core::{Builder, CallError, Exit, ExitReason, Link, PanicReport, SpawnError, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    None,
    /// By the means of the phase: an `Err`, or serde's error.
    Error,
    Panic,
    Exit,
    UnderscoreExit,
    Abort,
    NullWrite,
    Kill,
    StackOverflow,
    OutOfMemory,
}

impl Fault {
    /// Fails in this way, but for an error, which the caller has to return.
    fn happen(self) {
        match self {
            Self::None | Self::Error => {}
            Self::Panic => panic!("a panic on purpose"),
            Self::Exit => std::process::exit(3),
            // SAFETY: it only ends the process.
            Self::UnderscoreExit => unsafe { libc::_exit(4) },
            Self::Abort => std::process::abort(),
            Self::NullWrite => {
                let field_of_null = black_box(std::ptr::without_provenance_mut::<u8>(8));
                // SAFETY: none; the page at zero is never mapped, so the process ends here, as it is meant to.
                unsafe { field_of_null.write_volatile(1) }
            }
            Self::Kill => raise(Signal::SIGKILL).unwrap(),
            Self::StackOverflow => drop(black_box(descend(black_box(0)))),
            Self::OutOfMemory => drop(black_box(Vec::<u8>::with_capacity(black_box(usize::MAX / 4)))),
        }
    }

    /// How a process ends of it; `None` if it need not.
    fn end(self) -> Option<ExitReason> {
        let signal = |signal| Some(ExitReason::Signal { signal: signal as i32, core_dumped: false });
        match self {
            Self::None | Self::Error | Self::Panic => None,
            Self::Exit => Some(ExitReason::Code(3)),
            Self::UnderscoreExit => Some(ExitReason::Code(4)),
            Self::Abort | Self::OutOfMemory => signal(Signal::SIGABRT),
            Self::NullWrite | Self::StackOverflow => signal(Signal::SIGSEGV),
            Self::Kill => signal(Signal::SIGKILL),
        }
    }
}

#[expect(unconditional_recursion, reason = "the stack is meant to end")]
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 1024]);
    descend(depth + 1) + frame[7]
}

/// Fails where it is decoded.
#[derive(Debug, Serialize)]
pub struct FailsToDecode(Fault);

impl<'de> Deserialize<'de> for FailsToDecode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fault = Fault::deserialize(deserializer)?;
        fault.happen();
        if fault == Fault::Error { Err(D::Error::custom("on purpose")) } else { Ok(Self(fault)) }
    }
}

/// Fails where it is encoded.
#[derive(Debug, Deserialize)]
pub struct FailsToEncode(Fault);

impl Serialize for FailsToEncode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.happen();
        if self.0 == Fault::Error {
            Err(S::Error::custom("on purpose"))
        } else {
            self.0.serialize(serializer)
        }
    }
}

/// Fails in whatever phase it is told to.
pub struct Patient {
    calls: u32,
    stopped: Fault,
    dropped: Fault,
}

#[process_actor]
impl Patient {
    pub fn new(constructor: Fault) -> Result<Self, String> {
        constructor.happen();
        if constructor == Fault::Error { Err("on purpose".to_owned()) } else { Ok(Self::healthy()) }
    }

    pub fn with_argument(argument: FailsToDecode) -> Self {
        assert_eq!(argument.0, Fault::None);
        Self::healthy()
    }

    pub fn with_error(error: Fault) -> Result<Self, FailsToEncode> {
        Err(FailsToEncode(error))
    }

    pub fn with_ends(stopped: Fault, dropped: Fault) -> Self {
        Self { stopped, dropped, ..Self::healthy() }
    }

    pub fn call(&mut self, fault: Fault) -> Result<u32, String> {
        self.calls += 1;
        fault.happen();
        if fault == Fault::Error { Err("on purpose".to_owned()) } else { Ok(self.calls) }
    }

    pub fn take(&mut self, argument: FailsToDecode) -> u32 {
        assert_eq!(argument.0, Fault::None);
        self.calls
    }

    pub fn give(&mut self, fault: Fault) -> FailsToEncode {
        FailsToEncode(fault)
    }

    pub fn give_error(&mut self, fault: Fault) -> Result<(), FailsToEncode> {
        Err(FailsToEncode(fault))
    }

    pub fn echo(&mut self, argument: FailsToEncode) -> FailsToDecode {
        FailsToDecode(argument.0)
    }

    #[oneway]
    pub fn tell(&mut self, fault: Fault) {
        fault.happen();
    }

    #[oneway]
    pub fn tell_argument(&mut self, argument: FailsToDecode) {
        assert_eq!(argument.0, Fault::None);
    }

    #[stopped]
    fn end(&mut self) {
        self.stopped.happen();
    }

    fn healthy() -> Self {
        Self { calls: 0, stopped: Fault::None, dropped: Fault::None }
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        self.dropped.happen();
    }
}

/// Fails in the hook after its constructor.
pub struct Starter(Fault);

#[process_actor]
impl Starter {
    pub fn new(fault: Fault) -> Self {
        Self(fault)
    }

    #[started]
    fn begin(&mut self) {
        self.0.happen();
    }
}

/// Runs a cell over every link, without core files all over the place.
fn over_links(cell: impl Fn(&Builder)) {
    let _watchdog = watchdog();
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    setrlimit(Resource::RLIMIT_CORE, 0, hard).unwrap();
    for link in LINKS {
        cell(&Builder::new().name("patient").link(link));
    }
}

fn healthy(builder: &Builder) -> PatientFrontend {
    PatientFrontend::spawn_with(builder, Fault::None).unwrap()
}

#[track_caller]
fn assert_reported(report: &PanicReport) {
    assert_eq!(report.message, "a panic on purpose");
    assert!(report.location.contains("faults.rs:"), "{}", report.location);
    let backtrace_is_off = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value == "0");
    assert!(backtrace_is_off || report.backtrace.contains("happen"), "{}", report.backtrace);
}

/// The exit is the one that the fault must lead to, and nothing of the process is left.
#[track_caller]
fn assert_ended(exit: &Exit, fault: Fault) {
    let mut reason = exit.reason.clone();
    if let ExitReason::Signal { core_dumped, .. } = &mut reason {
        // That is up to the machine.
        *core_dumped = false;
    }
    assert_eq!(Some(reason), fault.end());
    assert_eq!(exit.name, "patient");
    assert_ne!(exit.pid, 0);
    assert_eq!(processes::Entry::of(exit.pid), None, "not even a zombie");
}

/// A spawn failed as it should, and the next one does not.
#[track_caller]
fn assert_not_spawned<E: std::fmt::Debug>(
    builder: &Builder,
    fault: Fault,
    error: SpawnError<E>,
    is_own_error: impl FnOnce(&SpawnError<E>) -> bool,
) {
    match (fault, error) {
        (Fault::Error, error) => assert!(is_own_error(&error), "{error:?}"),
        (Fault::Panic, SpawnError::Panicked(report)) => assert_reported(&report),
        (_, SpawnError::Exited(exit)) => assert_ended(&exit, fault),
        (_, other) => panic!("{other:?}"),
    }
    assert_eq!(healthy(builder).call(Fault::None).unwrap(), 1);
}

/// A call failed as it should, and the actor lives on if it can.
#[track_caller]
fn assert_not_called<E: std::fmt::Debug>(
    patient: &PatientFrontend,
    fault: Fault,
    error: CallError<E>,
    is_own_error: impl FnOnce(&CallError<E>) -> bool,
) {
    match (fault, error) {
        (Fault::Error, error) => assert!(is_own_error(&error), "{error:?}"),
        (Fault::Panic, CallError::Panicked(report)) => assert_reported(&report),
        (_, CallError::Exited(exit)) => {
            assert_ended(&exit, fault);
            assert_eq!(exit, patient.process().wait());
            assert_eq!(patient.call(Fault::None), Err(CallError::NotSent(exit.clone())));
            assert_eq!(patient.stop().unwrap(), exit);
            return;
        }
        (_, other) => panic!("{other:?}"),
    }
    assert!(patient.call(Fault::None).unwrap() > 0, "the actor lives on");
    assert!(patient.stop().unwrap().is_clean());
}

/// A backend was stopped, and its end went as it should.
#[track_caller]
fn assert_stopped(builder: &Builder, fault: Fault, stopped: Fault, dropped: Fault) {
    let patient = PatientFrontend::spawn_with_ends_with(builder, stopped, dropped).unwrap();
    let exit = patient.stop().unwrap();
    match fault {
        Fault::Panic => assert_eq!(exit.reason, ExitReason::Code(101)),
        _ => assert_ended(&exit, fault),
    }
    assert_eq!(patient.stop().unwrap(), exit);
}

fn in_constructor(builder: &Builder, fault: Fault) {
    let error = PatientFrontend::spawn_with(builder, fault).unwrap_err();
    assert_not_spawned(
        builder,
        fault,
        error,
        |error| matches!(error, SpawnError::Constructor(text) if text == "on purpose"),
    );
}

fn in_constructor_decode(builder: &Builder, fault: Fault) {
    let error = PatientFrontend::spawn_with_argument_with(builder, FailsToDecode(fault)).unwrap_err();
    assert_not_spawned(builder, fault, error, |error| matches!(error, SpawnError::Decode(_)));
}

fn in_constructor_error_encode(builder: &Builder, fault: Fault) {
    let error = PatientFrontend::spawn_with_error_with(builder, fault).unwrap_err();
    assert_not_spawned(builder, fault, error, |error| matches!(error, SpawnError::Encode(_)));
}

fn in_started_hook(builder: &Builder, fault: Fault) {
    let error = StarterFrontend::spawn_with(builder, fault).unwrap_err();
    assert_not_spawned(builder, fault, error, |_| false);
}

fn in_decode(builder: &Builder, fault: Fault) {
    let patient = healthy(builder);
    let error = patient.take(FailsToDecode(fault)).unwrap_err();
    assert_not_called(&patient, fault, error, |error| matches!(error, CallError::Decode(_)));
}

fn in_method(builder: &Builder, fault: Fault) {
    let patient = healthy(builder);
    let error = patient.call(fault).unwrap_err();
    assert_not_called(&patient, fault, error, |error| *error == CallError::Actor("on purpose".to_owned()));
}

fn in_encode(builder: &Builder, fault: Fault) {
    let patient = healthy(builder);
    let error = patient.give(fault).unwrap_err();
    assert_not_called(&patient, fault, error, |error| matches!(error, CallError::Encode(_)));
}

fn in_error_encode(builder: &Builder, fault: Fault) {
    let patient = healthy(builder);
    let error = patient.give_error(fault).unwrap_err();
    assert_not_called(&patient, fault, error, |error| matches!(error, CallError::Encode(_)));
}

fn in_one_way_method(builder: &Builder, fault: Fault) {
    let patient = healthy(builder);
    patient.tell(fault).unwrap();
    after_one_way(&patient, fault);
}

fn in_one_way_decode(builder: &Builder, fault: Fault) {
    let patient = healthy(builder);
    patient.tell_argument(FailsToDecode(fault)).unwrap();
    after_one_way(&patient, fault);
}

/// Nobody waits for a one-way call, so it shows in whether the backend lives.
fn after_one_way(patient: &PatientFrontend, fault: Fault) {
    if fault.end().is_none() {
        assert_eq!(patient.call(Fault::None).unwrap(), 1, "the actor lives on");
        assert!(patient.stop().unwrap().is_clean());
        return;
    }
    let exit = patient.process().wait();
    assert_ended(&exit, fault);
    assert_eq!(patient.call(Fault::None), Err(CallError::NotSent(exit)));
}

fn in_stopped_hook(builder: &Builder, fault: Fault) {
    assert_stopped(builder, fault, fault, Fault::None);
}

fn in_drop(builder: &Builder, fault: Fault) {
    assert_stopped(builder, fault, Fault::None, fault);
}

macro_rules! cells {
    ($($phase:ident: $($fault_name:ident $fault:ident),+;)+) => {$(
        mod $phase {
            $(
                #[test]
                fn $fault_name() {
                    super::over_links(|builder| super::$phase(builder, super::Fault::$fault));
                }
            )+
        }
    )+};
}

macro_rules! matrix {
    (with an error: $($with:ident)+; without: $($without:ident)+;) => {
        cells! {
            $($with: error Error, panic Panic, exit Exit, underscore_exit UnderscoreExit, abort Abort,
                null_write NullWrite, kill Kill, stack_overflow StackOverflow, out_of_memory OutOfMemory;)+
            $($without: panic Panic, exit Exit, underscore_exit UnderscoreExit, abort Abort,
                null_write NullWrite, kill Kill, stack_overflow StackOverflow, out_of_memory OutOfMemory;)+
        }
    };
}

matrix! {
    with an error: in_constructor in_constructor_decode in_constructor_error_encode
        in_decode in_method in_encode in_error_encode in_one_way_decode;
    without: in_started_hook in_one_way_method in_stopped_hook in_drop;
}

#[test]
fn a_value_that_fails_on_the_callers_side_is_an_error_there_and_nothing_else() {
    over_links(|builder| {
        let patient = healthy(builder);
        let error = patient.echo(FailsToEncode(Fault::Error)).unwrap_err();
        assert!(matches!(error, CallError::Encode(_)), "{error:?}");
        assert_eq!(patient.call(Fault::None).unwrap(), 1);
    });
}

#[test]
fn a_value_that_panics_on_the_callers_side_leaves_the_actor_usable() {
    over_links(|builder| {
        let patient = healthy(builder);
        for turn in 1..=3 {
            let encoding = || patient.echo(FailsToEncode(Fault::Panic)).is_ok();
            assert!(catch_unwind(AssertUnwindSafe(encoding)).is_err());
            assert_eq!(patient.call(Fault::None).unwrap(), turn);
        }
        assert!(patient.stop().unwrap().is_clean());
    });
}

#[test]
fn a_panic_that_the_method_caught_itself_is_not_told_for_a_later_one() {
    over_links(|builder| {
        let catcher = CatcherFrontend::spawn_with(builder).unwrap();
        catcher.catch().unwrap();
        match catcher.resume() {
            Err(CallError::Panicked(report)) => assert_eq!(report.message, "resumed"),
            other => panic!("{other:?}"),
        }
    });
}

/// Handles panics by itself.
pub struct Catcher;

#[process_actor]
impl Catcher {
    pub fn new() -> Self {
        Self
    }

    pub fn catch(&self) {
        assert!(catch_unwind(|| panic!("caught")).is_err());
    }

    pub fn resume(&self) {
        std::panic::resume_unwind(Box::new("resumed"));
    }
}
