//! Tells a stack that was used up from any other wrong access, for the parent to read.
//! Not here: what is made of it (`errors::Exit`).
//! Layer 1: system calls.
//!
//! A process whose stack is used up gets SIGSEGV like any other that touches memory it has not. The
//! handler here sees that the address lies at the stack pointer, leaves a mark, and lets the signal
//! take its course, with its core file. The mark is the process's name, which the parent can
//! read for as long as the child is not reaped, and which one system call sets.
//!
//! # Safety
//!
//! * K1: the handler calls nothing but what `signal-safety(7)` allows, and touches no memory but its
//!   arguments, so it may interrupt anything.
//! * K2: the alternate stack is a mapping that nothing else uses and nobody takes away, and only the main thread
//!   has it. Other threads have none, so for them the kernel ends the process without the handler.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::num::NonZeroUsize;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::unistd::Pid;

/// What `comm` says of a process whose stack was used up. No title begins with this byte.
const MARK: &std::ffi::CStr = c"\x01stack-used-up";
/// Room for the handler and for what the kernel saves, with the longest registers there are.
const ALTERNATE_BYTES: usize = 64 * 1024;
/// How far from the stack pointer an access may be that is still one to the stack: functions with
/// large frames touch every page on the way.
const NEAR_BYTES: usize = 64 * 1024;

/// Watches the calling thread, which must be the main one, and that of every later fork.
pub(crate) fn watch() {
    // Not a static: lying between others, it would spread those that a new backend writes over one page more.
    let length = const { NonZeroUsize::new(ALTERNATE_BYTES).unwrap() };
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
    let Ok(alternate) = (unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }) else {
        return;
    };
    let stack = libc::stack_t { ss_sp: alternate.as_ptr(), ss_flags: 0, ss_size: ALTERNATE_BYTES };
    // SAFETY: K2: the memory lives as long as the process.
    if unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) } != 0 {
        return;
    }
    // SAFETY: all zero bytes are a `sigaction` without handler, flags and mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_wrong_access as *const () as usize;
    // Once is enough: the access is made again when the handler returns, and ends the process.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: K1: the handler may interrupt anything, and has the signature that SA_SIGINFO asks for.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

extern "C" fn on_wrong_access(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes it to a handler with SA_SIGINFO, alive until that returns.
    let was_sent = unsafe { (*info).si_code } <= 0;
    if was_sent {
        // No access will bring it again: it was sent by somebody, and comes once more on return.
        // SAFETY: K1: `raise` is among the functions that a handler may call.
        unsafe { libc::raise(signal) };
        return;
    }
    // SAFETY: as above.
    let info = unsafe { &*info };
    // SAFETY: a signal that the kernel raised for an access has an address.
    let address = unsafe { info.si_addr() } as usize;
    let context = context.cast::<libc::ucontext_t>().cast_const();
    if stack_pointer(context).is_some_and(|pointer| pointer.abs_diff(address) <= NEAR_BYTES) {
        // SAFETY: K1: one system call that reads a static text.
        unsafe { libc::prctl(libc::PR_SET_NAME, MARK.as_ptr()) };
    }
}

#[cfg(target_arch = "x86_64")]
fn stack_pointer(context: *const libc::ucontext_t) -> Option<usize> {
    const REGISTER: usize = libc::REG_RSP as usize;
    // SAFETY: the kernel's own record of the interrupted registers.
    usize::try_from(unsafe { (*context).uc_mcontext.gregs[REGISTER] }).ok()
}

#[cfg(target_arch = "aarch64")]
fn stack_pointer(context: *const libc::ucontext_t) -> Option<usize> {
    // SAFETY: the kernel's own record of the interrupted registers.
    usize::try_from(unsafe { (*context).uc_mcontext.sp }).ok()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn stack_pointer(_context: *const libc::ucontext_t) -> Option<usize> {
    None
}

/// Whether a child that has ended, and is not reaped, had used up its stack.
pub(crate) fn was_used_up(child: Pid) -> bool {
    let name = std::fs::read(format!("/proc/{child}/comm")).unwrap_or_default();
    name.strip_suffix(b"\n").unwrap_or(&name) == MARK.to_bytes()
}
