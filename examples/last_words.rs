//! What is known about a process that has ended: how, and its last words.
//!
//! `cargo run --example last_words`; with `--profile abort` every panic ends the process it happens in,
//! and is told all the same.

use std::env;
use std::error::Error;

use worker_core::{Builder, CallError, Exit, ExitReason, Output, process_actor};

/// What the patient says when it panics.
const WHY: &str = "the patient is out of patience";

/// Ends in several ways.
pub struct Patient;

#[process_actor]
impl Patient {
    /// A patient in good health.
    pub fn new() -> Self {
        Self
    }

    /// Panics.
    pub fn panic(&self, why: &str) {
        panic!("{why}");
    }

    /// Complains, and ends the process.
    pub fn give_up(&self) {
        eprintln!("there is no more paper");
        eprintln!("and no more ink");
        std::process::abort()
    }

    /// Calls itself until there is no stack left.
    pub fn recurse(&self, depth: u64) -> u64 {
        let frame = std::hint::black_box([depth; 64]);
        if depth == u64::MAX { frame[0] } else { self.recurse(depth + 1) + frame[63] }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let builder = Builder::new().stderr(Output::Tail);
    let spawn = || PatientFrontend::spawn_with(&builder);

    let patient = spawn()?;
    match patient.panic(WHY) {
        Err(CallError::Panicked(report)) => {
            println!("a panic is told to its caller: it {report}");
            let place = report.location.split(':').next().unwrap_or_default();
            let frames = report.backtrace.lines().count();
            println!("it comes with a backtrace of {frames} lines");
            let has_backtrace = env::var_os("RUST_BACKTRACE").is_some_and(|value| value == "0")
                || report.backtrace.contains("Patient");
            if report.message != WHY || !place.ends_with("last_words.rs") || !has_backtrace {
                return Err(format!("not all of the panic was told: {report:?}").into());
            }
        }
        other => return Err(format!("a panic came back as {other:?}").into()),
    }
    if cfg!(panic = "abort") {
        let exit = patient.process().wait();
        println!("and, as this program is built so, it ended the backend: {exit}");
        check_abort(&exit)?;
    } else {
        println!("and the backend lives on: {}", patient.process().is_alive());
    }

    if cfg!(panic = "abort") {
        tells_everybody(&spawn()?)?;
    }

    let exit = exit_of(spawn()?.give_up())?;
    println!("{exit}; its last words:\n{}", exit.stderr_tail);
    if !is_aborted(&exit) || exit.panic.is_some() || !exit.stderr_tail.ends_with("and no more ink\n") {
        return Err(format!("an abort came back as {exit:?}").into());
    }

    let exit = exit_of(spawn()?.recurse(0))?;
    println!("{exit}");
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) && !exit.stack_overflow {
        return Err("a stack that was used up was not told apart".into());
    }
    Ok(())
}

/// Others in flight, and whoever calls later, know of the panic too.
fn tells_everybody(patient: &PatientFrontend) -> Result<(), Box<dyn Error>> {
    let panics = patient.panic_async(WHY);
    let behind = patient.panic_async("the second one");
    if !matches!(panics.wait(), Err(CallError::Panicked(_))) {
        return Err("the panic was not told to its caller".into());
    }
    match (behind.wait(), patient.give_up()) {
        (Err(CallError::Exited(exit) | CallError::NotSent(exit)), Err(CallError::NotSent(later))) => {
            check_abort(&exit)?;
            check_abort(&later)
        }
        other => Err(format!("others were told {other:?}").into()),
    }
}

/// Whether this is the end that a panic makes where the program is built to abort, and all of it is told.
fn check_abort(exit: &Exit) -> Result<(), Box<dyn Error>> {
    let panic = exit.panic.as_deref();
    let is_told = panic.is_some_and(|panic| {
        panic.message == WHY && panic.location.contains("last_words.rs:") && exit.to_string().contains(WHY)
    });
    if is_told && is_aborted(exit) {
        return Ok(());
    }
    Err(format!("the end of a panic that aborts was told as {exit:?}").into())
}

fn is_aborted(exit: &Exit) -> bool {
    matches!(exit.reason, ExitReason::Signal { signal: 6, .. })
}

fn exit_of<T: std::fmt::Debug>(result: Result<T, CallError>) -> Result<Exit, String> {
    match result {
        Err(CallError::Exited(exit)) => Ok(exit),
        other => Err(format!("a call to a backend that died came back with {other:?}")),
    }
}
