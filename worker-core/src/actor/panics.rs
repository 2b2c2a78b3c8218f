//! Panics in a backend: caught where they have a caller, and told to it in full.
//! Not here: what the caller gets to see (`errors::PanicReport`).
//! Layer 6: over the standard panic hook.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::errors::PanicReport;
use crate::process::parting;

thread_local! {
    /// Whether a panic on this thread goes to a caller, so that it is not printed here as well.
    static HAS_CALLER: Cell<bool> = const { Cell::new(false) };
    /// Whether there is a report in `LAST`. That one has a destructor, which the C library registers
    /// at its first use, and that is dear in a new process: nothing touches it without need.
    static HAS_REPORT: Cell<bool> = const { Cell::new(false) };
    /// Whether a panic on this thread, although it is caught, is what the process ends of.
    static ENDS: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
    /// Tells the caller of a panic that nobody will catch, because the program is built to abort.
    static LAST_WORDS: RefCell<Option<LastWords>> = const { RefCell::new(None) };
}

/// Tells a caller of the panic that ends the process; says whether it could be told.
pub(super) type LastWords = Box<dyn Fn(&PanicReport) -> bool>;

/// Whether a panic ends the process, once its hook has run.
pub(super) const ABORTS: bool = cfg!(panic = "abort");

/// What the standard library panics with where a panic may not go on: in a destructor while another one unwinds, and
/// out of a function of another language. That ends the process as soon as the hook has run.
const NO_UNWINDING: [&str; 2] =
    ["panic in a destructor during cleanup", "panic in a function that cannot unwind"];

/// Says how to tell the caller of what runs next, where a panic [`ABORTS`].
pub(super) fn before_abort(last_words: LastWords) {
    LAST_WORDS.set(Some(last_words));
}

/// Puts a hook before the one in place: panics with a caller are kept for it, all others go on to it.
pub(super) fn install_hook() {
    // Once, because backends that are threads share a process, and its hook.
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !ABORTS && NO_UNWINDING.contains(&message(info.payload()).as_str()) {
                // The report kept for the caller is what it comes of, and nobody will fetch it any more.
                let kept = take_report();
                if let Some(kept) = &kept {
                    eprintln!("worker-core: a panic that cannot unwind ends the process, which {kept}");
                }
                parting::tell(&kept.unwrap_or_else(|| report(info)));
                previous(info);
            } else if HAS_CALLER.get() {
                let report = report(info);
                if ABORTS {
                    parting::tell(&report);
                    let told = LAST_WORDS.take().is_some_and(|last_words| last_words(&report));
                    if !told {
                        previous(info);
                    }
                    return;
                }
                LAST.with(|last| *last.borrow_mut() = Some(report));
                HAS_REPORT.set(true);
            } else {
                if ABORTS {
                    // Whichever thread's.
                    parting::tell(&report(info));
                } else if ENDS.get() {
                    parting::tell_of_this_thread(&report(info));
                }
                previous(info);
            }
        }));
    });
}

/// Runs code of the user whose panic is told to a caller.
#[inline]
pub(super) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, PanicReport> {
    // What an earlier method panicked with and caught itself is not this one's report.
    take_report();
    HAS_CALLER.with(|has| has.set(true));
    // Asserted, because the caller learns that the actor panicked, and decides whether to go on with it.
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    HAS_CALLER.with(|has| has.set(false));
    result.map_err(|payload| {
        let message = message(&*payload);
        // The payload's own drop may panic; it must not take the backend with it.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
        // `resume_unwind` panics without a hook.
        take_report()
            .unwrap_or_else(|| PanicReport::new(message, "an unknown place".to_owned(), String::new()))
    })
}

#[inline]
fn take_report() -> Option<PanicReport> {
    if HAS_REPORT.replace(false) { LAST.take() } else { None }
}

/// As [`catch_without_caller`], where a panic is what the process ends of.
pub(super) fn catch_at_end(run: impl FnOnce()) -> bool {
    ENDS.set(true);
    let panicked = catch_without_caller(run);
    ENDS.set(false);
    panicked
}

/// Runs code of the user that has no caller; says whether it panicked, which the hook has printed.
pub(super) fn catch_without_caller(run: impl FnOnce()) -> bool {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => false,
        Err(payload) => {
            // As in `catch`.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
            true
        }
    }
}

fn report(info: &PanicHookInfo<'_>) -> PanicReport {
    let location = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let wanted = ["RUST_LIB_BACKTRACE", "RUST_BACKTRACE"].iter().find_map(std::env::var_os);
    let backtrace = match wanted {
        Some(value) if value == "0" => String::new(),
        _ => Backtrace::force_capture().to_string(),
    };
    PanicReport::new(message(info.payload()), location, backtrace)
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is no text".to_owned()
    }
}
