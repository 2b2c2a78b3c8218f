//! What wakes a thread that polls: a descriptor that is written to only while the thread sleeps.
//! Not here: what it polls besides (`awaiter`).
//! Layer 7: over `eventfd`.
//!
//! The word goes from *awake* to *asleep* by the thread alone, to *woken* by anybody. Whoever finds it asleep writes.
//! A thread that is woken while it is awake cannot go to sleep before it has looked once more.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;

use nix::sys::eventfd::{EfdFlags, EventFd};

const AWAKE: u8 = 0;
const WOKEN: u8 = 1;
const ASLEEP: u8 = 2;

#[derive(Debug)]
pub(super) struct Alarm {
    word: AtomicU8,
    descriptor: EventFd,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Arc::new(Self { word: AtomicU8::new(AWAKE), descriptor: EventFd::from_flags(flags)? }))
    }

    /// Says that this thread goes to sleep; `false` if it was woken before, and must look instead.
    pub(super) fn fall_asleep(&self) -> bool {
        let before = self.word.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        if before.is_err() {
            self.word.store(AWAKE, Ordering::SeqCst);
        }
        before.is_ok()
    }

    /// Says that this thread is awake.
    pub(super) fn awake(&self) {
        self.word.swap(AWAKE, Ordering::SeqCst);
        // Whoever woke it has written, or is about to; then the next sleep ends early. What it wrote too late for an
        // earlier look is taken out as well, or every sleep from then on would end at once.
        let _ = self.descriptor.read();
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.word.swap(WOKEN, Ordering::SeqCst) == ASLEEP {
            // It fails only where it is set already, beyond counting.
            let _ = self.descriptor.write(1);
        }
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_is_never_lost_and_costs_a_write_only_while_it_sleeps() {
        let alarm = Alarm::new().unwrap();
        alarm.wake_by_ref();
        assert!(alarm.descriptor.read().is_err(), "awake, so nothing is written");
        assert!(!alarm.fall_asleep(), "woken before: look first");
        assert!(alarm.fall_asleep());
        alarm.wake_by_ref();
        alarm.wake_by_ref();
        assert_eq!(alarm.descriptor.read().unwrap(), 1, "written once");
        alarm.awake();
        assert!(alarm.fall_asleep());
    }
}
