//! The panic that ends a backend, told to the program that made it: its parting word.
//! Not here: which panics end one (`actor::panics`), and the socket it goes by (`link::beside`).
//! Layer 5: over `link`.

use std::mem;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use nix::unistd::Pid;

use super::protocol;
use crate::errors::PanicReport;
use crate::link::beside::Beside;
use crate::sys::held::Here;

/// How much of each part is told. The whole must fit into a socket that nobody reads meanwhile.
const MESSAGE_MAX_BYTES: usize = 16 * 1024;
const PLACE_MAX_BYTES: usize = 4 * 1024;
const BACKTRACE_MAX_BYTES: usize = 32 * 1024;
const CUT: &str = " [cut]";

/// Where to tell it, in a process that is a backend. A thread that is one ends with the program, if at all.
///
/// Never waited for: a fork may find it locked by a thread that it does not have.
static DOOR: Mutex<Option<Door>> = Mutex::new(None);

#[derive(Debug)]
struct Door {
    beside: Arc<Beside>,
    /// The thread that the backend is; others may be backends of their own.
    thread: ThreadId,
    /// In a fork of the backend the number of the socket is closed, and may be another descriptor's.
    here: Here,
}

/// Says where this process, which becomes a backend, tells of its end.
pub(super) fn set_door(door: &Arc<Beside>) {
    if let Ok(mut place) = DOOR.try_lock() {
        let door = Door { beside: Arc::clone(door), thread: thread::current().id(), here: Here::now() };
        // In a fork of a backend that one's door is there, whose number was closed in this process already, and may
        // be another descriptor's by now: it must not be closed again.
        mem::forget(place.replace(door));
    }
}

/// As [`tell`], of a panic that ends the backend on whose thread it was; not of one of a backend that is a thread.
pub(crate) fn tell_of_this_thread(report: &PanicReport) {
    let is_ours = DOOR
        .try_lock()
        .is_ok_and(|door| door.as_ref().is_some_and(|door| door.thread == thread::current().id()));
    if is_ours {
        tell(report);
    }
}

/// Tells the program of a panic that is about to end this process.
///
/// Without waiting, as the program may be gone or stopped. Where there is no room for all, the backtrace is left out.
pub(crate) fn tell(report: &PanicReport) {
    // Another thread that tells at this moment is the first, which counts.
    let Ok(place) = DOOR.try_lock() else { return };
    let Some(Door { beside, .. }) = place.as_ref().filter(|door| door.here.is_it()) else { return };
    let mut report = PanicReport::new(
        cut(&report.message, MESSAGE_MAX_BYTES),
        cut(&report.location, PLACE_MAX_BYTES),
        cut(&report.backtrace, BACKTRACE_MAX_BYTES),
    );
    if beside.send_parting(&protocol::encode(&report)).is_err() {
        report.backtrace.clear();
        let _ = beside.send_parting(&protocol::encode(&report));
    }
}

/// What a backend has told, whose end was told already.
pub(super) fn of(beside: &Beside, pid: u32) -> Option<PanicReport> {
    let pid = i32::try_from(pid).ok()?;
    protocol::decode(&beside.take_parting(Pid::from_raw(pid))?)
}

fn cut(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let kept = (0..=max_bytes).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}{CUT}", &text[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("\u{e4}\u{e4}\u{e4}", 5), "\u{e4}\u{e4} [cut]");
    }

    #[test]
    fn the_longest_word_fits_into_the_socket() {
        let (ours, theirs) = Beside::pair().unwrap();
        let theirs = Beside::from(theirs);
        let long = |bytes| "x".repeat(bytes + CUT.len());
        let report =
            PanicReport::new(long(MESSAGE_MAX_BYTES), long(PLACE_MAX_BYTES), long(BACKTRACE_MAX_BYTES));
        theirs.send_parting(&protocol::encode(&report)).unwrap();
        theirs.send_parting(b"a second one").unwrap();
        assert!(ours.next_notice(Some(std::time::Instant::now())).is_none(), "it is no notice");
        assert_eq!(of(&ours, std::process::id()), Some(report));
        assert_eq!(of(&ours, std::process::id()), None, "it is told once, and only the first counts");
        theirs.send_parting(&protocol::encode(&0_u8)).unwrap();
        assert!(ours.next_notice(Some(std::time::Instant::now())).is_none());
        assert_eq!(of(&ours, 1), None, "another process tells nothing of this one");
    }
}
