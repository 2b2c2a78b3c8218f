//! The code that runs before `main` in every copy of the program.
//! Not here: what the copy does once it knows what it is (`server`, `start::begin`).
//! Layer 5: over `sys`.
//!
//! # Safety
//!
//! * E1: the loader calls an entry of `.init_array` once, on the only thread, before `main`, after
//!   the C library is ready; with glibc it passes `argc`, `argv` and `envp`.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::{Pid, getppid};

use super::{MARKER, server};
use crate::process::protocol;
use crate::process::start::begin::{self, Sockets};
use crate::sys::init_array::{self, InitFunction};
use crate::sys::{child, signals, socket, title};

/// The copy is the program's fork server; its socket is the control socket.
pub(super) const ROLE_SERVER: &str = "server";
/// The copy is what an order says, which waits in its socket.
pub(super) const ROLE_ORDERED: &str = "ordered";

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

/// Becomes what the marker says, and lets `main` run if not.
extern "C" fn before_main(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) {
    let Some(value) = std::env::var_os(MARKER) else { return };
    // Removed first of all, so that nothing this process ever starts can take itself for a copy.
    // SAFETY: E1: no other thread can read the environment meanwhile.
    unsafe { std::env::remove_var(MARKER) };
    let Some((role, socket, parent)) = value.to_str().and_then(parse) else { return };
    // A marker that reached some other process, by whatever way, means nothing there.
    if getppid() != parent {
        return;
    }
    // SAFETY: our parent passed us this number as its own child, which inherited the descriptor.
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
    child::watch_forks();
    match role {
        Role::Server => server::run(socket, parent),
        Role::Ordered => obey(&socket),
    }
}

/// What a copy of the program is there for.
enum Role {
    Server,
    Ordered,
}

/// Obeys the one order that the parent has left in the socket.
fn obey(socket: &OwnedFd) -> ! {
    signals::reset();
    if let Ok(Some(message)) = socket::receive(socket.as_fd(), true) {
        let mut descriptors = message.descriptors.into_iter();
        // An order for a fresh image comes with both sockets.
        if let (Some(order), Some(beside), Some(failure)) =
            (protocol::decode(&message.bytes), descriptors.next(), descriptors.next())
        {
            begin::obey(order, descriptors.collect(), Sockets { beside, failure: Some(failure) });
        }
    }
    child::exit_now(1)
}

fn parse(value: &str) -> Option<(Role, RawFd, Pid)> {
    let mut parts = value.split(':');
    let role = match parts.next()? {
        ROLE_SERVER => Role::Server,
        ROLE_ORDERED => Role::Ordered,
        _ => return None,
    };
    Some((role, parts.next()?.parse().ok()?, Pid::from_raw(parts.next()?.parse().ok()?)))
}
