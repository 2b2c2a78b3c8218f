//! The code that runs before `main` in every copy of the program.
//! Not here: what the fork server does once it is one (`server`).
//! Layer 5: over `sys`.
//!
//! # Safety
//!
//! * E1: the loader calls an entry of `.init_array` once, on the only thread, before `main`, after
//!   the C library is ready; with glibc it passes `argc`, `argv` and `envp`.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::{Pid, getppid};

use super::{MARKER, server};
use crate::sys::init_array::{self, InitFunction};
use crate::sys::{child, title};

/// Has the loader call [`before_main`] in every program that contains this crate.
///
/// The section holds pointers to functions of exactly this type (E1).
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: InitFunction = before_main;

/// The address of code of this crate; it also keeps the linker from dropping [`BEFORE_MAIN`].
pub(crate) fn anchor() -> usize {
    let entry = std::hint::black_box(&raw const BEFORE_MAIN);
    // SAFETY: a static of this very type, read as what it is.
    (unsafe { *entry }) as usize
}

/// Becomes the fork server if the marker says so, and lets `main` run if not.
extern "C" fn before_main(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) {
    let Some(value) = std::env::var_os(MARKER) else { return };
    // Removed first of all, so that nothing this process ever starts can take itself for a copy.
    // SAFETY: E1: no other thread can read the environment meanwhile.
    unsafe { std::env::remove_var(MARKER) };
    let Some((socket, program)) = value.to_str().and_then(parse) else { return };
    // A marker that reached some other process, by whatever way, means nothing there.
    if getppid() != program {
        return;
    }
    // SAFETY: the program passed us this number as its own child, which inherited the descriptor.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    if fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).is_err() {
        child::exit_now(1);
    }
    if cfg!(target_env = "gnu") && count == 1 {
        // SAFETY: E1: `argv` has `count` entries, and we have just seen that this is one.
        let first = unsafe { *arguments };
        // SAFETY: the only argument, as the kernel laid it out.
        unsafe { title::ArgumentArea::of_only_argument(first) }.remember();
    }
    // Those that the loader would run after this one: it does not get to them.
    // SAFETY: E1, and this is the function that the slot names.
    unsafe { init_array::run_those_behind(&raw const BEFORE_MAIN, count, arguments, environment) };
    server::run(socket, program)
}

fn parse(value: &str) -> Option<(RawFd, Pid)> {
    let (socket, program) = value.split_once(':')?;
    Some((socket.parse().ok()?, Pid::from_raw(program.parse().ok()?)))
}
