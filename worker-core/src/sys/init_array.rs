//! The initialisers of the program that the loader would run after ours.
//! Not here: ours (`process::fork_server::copy`).
//! Layer 1: the loader's tables.
//!
//! # Safety
//!
//! * N1: the program's `.init_array` is a run of function pointers that the loader calls in order,
//!   once each, with `argc`, `argv` and `envp`; zero and minus one stand for nothing.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

/// What an entry of `.init_array` is.
pub(crate) type InitFunction = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

const DT_NULL: i64 = 0;
const DT_INIT_ARRAY: i64 = 25;
const DT_INIT_ARRAYSZ: i64 = 27;

/// An entry of the dynamic section.
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: u64,
}

/// Runs the initialisers behind `ours`, which never returns to the loader to have them run.
///
/// Without them a backend would lack what they set up: global objects of C++ code that is linked
/// in, registries that are filled before `main`.
///
/// # Safety
///
/// Only in `ours` itself, called by the loader with these arguments, and only once (N1).
pub(crate) unsafe fn run_those_behind(
    ours: *const InitFunction,
    count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) {
    let ours = ours as usize;
    let array = program_array();
    if !array.contains(&ours) {
        return;
    }
    for slot in (ours..array.end).step_by(size_of::<usize>()).skip(1) {
        // SAFETY: inside the array, which holds one pointer after the other (N1).
        let address = unsafe { *(slot as *const usize) };
        if address != 0 && address != usize::MAX {
            // SAFETY: an entry of the array is such a function (N1).
            let function = unsafe { std::mem::transmute::<usize, InitFunction>(address) };
            function(count, arguments, environment);
        }
    }
}

/// Where the program's `.init_array` lies; empty if it cannot be told.
fn program_array() -> std::ops::Range<usize> {
    let mut found = 0..0;
    // SAFETY: `visit` gets back the very pointer given here, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut found).cast()) };
    found
}

/// Looks at the first module, the program, and ends the iteration.
///
/// # Safety
///
/// Called by `dl_iterate_phdr` alone, which keeps `info` and what it points to valid meanwhile.
unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: `program_array` passes a range that outlives the iteration and is used here alone.
    let found = unsafe { &mut *data.cast::<std::ops::Range<usize>>() };
    // SAFETY: the loader keeps `info` valid during the call.
    let info = unsafe { &*info };
    // SAFETY: the loader gives the number of headers with their address.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let base = usize::try_from(info.dlpi_addr).unwrap_or(0);
    let Some(dynamic) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) else { return 1 };
    let mut entry = (base + usize::try_from(dynamic.p_vaddr).unwrap_or(0)) as *const Dynamic;
    let (mut start, mut length_bytes) = (0, 0);
    loop {
        // SAFETY: the dynamic section is loaded, and ends with `DT_NULL`, where this loop ends too.
        let Dynamic { tag, value } = unsafe { entry.read() };
        let value = usize::try_from(value).unwrap_or(0);
        match tag {
            DT_NULL => break,
            DT_INIT_ARRAY => start = base + value,
            DT_INIT_ARRAYSZ => length_bytes = value,
            _ => {}
        }
        // SAFETY: the entry read last was not the end of the section.
        entry = unsafe { entry.add(1) };
    }
    *found = start..start + length_bytes;
    1
}
