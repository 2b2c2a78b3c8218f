//! What belongs to this process and to no fork of it: descriptors, and memory that forks have not.
//! Not here: forking (`process::start::fork`), and a backend's own end of its link (`child::close_in_forks`).
//! Layer 1: a book of numbers, and a count of forks.
//!
//! Ends of links, of rings and of other things tell of their owner's death by being closed. Held by a
//! fork of the program too, they would not show it. The values that own them are still about in the
//! fork, and must do nothing there: [`Here`] says so.
//!
//! # Safety
//!
//! * H1: the handler of forks adds to one atomic word, which it may do in any state of the process.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use super::child;

/// How many forks lie between the start of the program and this process.
static GENERATION: AtomicU32 = AtomicU32::new(0);
static COUNTED: Once = Once::new();

/// The process that a value was made in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    generation: u32,
}

impl Here {
    /// # Source
    ///
    /// `pthread_atfork(3)`.
    pub(crate) fn now() -> Self {
        COUNTED.call_once(|| {
            // SAFETY: H1.
            unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
        });
        Self { generation: generation() }
    }

    /// Whether this process is still the one, and no fork of it.
    #[inline]
    pub(crate) fn is_it(self) -> bool {
        self.generation == generation()
    }
}

#[inline]
fn generation() -> u32 {
    // Relaxed: it changes in a fork, which has one thread then.
    GENERATION.load(Ordering::Relaxed)
}

extern "C" fn count_fork() {
    // Relaxed: as above.
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// The numbers, of every value of this program that holds some.
static HELD: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Descriptors that belong to one value, and that no backend that is a fork of this program may hold.
#[derive(Debug)]
pub(crate) struct Held(Vec<RawFd>);

impl Held {
    pub(crate) fn new<'any>(descriptors: impl IntoIterator<Item = BorrowedFd<'any>>) -> Self {
        let descriptors: Vec<_> = descriptors.into_iter().map(|descriptor| descriptor.as_raw_fd()).collect();
        HELD.lock().unwrap_or_else(PoisonError::into_inner).extend(&descriptors);
        Self(descriptors)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        for number in &self.0 {
            if let Some(index) = held.iter().position(|other| other == number) {
                held.swap_remove(index);
            }
        }
    }
}

/// In a fork of the program: lets go of everything that is held.
///
/// The numbers stay taken, because the values that own them close them some day.
pub(crate) fn give_up_in_fork() {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    child::replace_by_nothing(&held);
    held.clear();
}
