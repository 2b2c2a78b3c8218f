//! The functions that the loader calls before `main`, so that one of them can call those behind it.
//! Not here: why one would (`process::fork_server`).
//! Layer 1: system calls.
//!
//! # Safety
//!
//! * I1: the loader has mapped and relocated the program's `.init_array` before it calls the first
//!   entry, and each entry is null, all ones, or a function of the type [`Initializer`].
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::ops::Range;

/// What the loader calls: with glibc it passes `argc`, `argv` and `envp`.
pub(crate) type Initializer = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// What an initializer is called with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments {
    pub(crate) count: c_int,
    pub(crate) arguments: *const *const c_char,
    pub(crate) environment: *const *const c_char,
}

/// An entry of the dynamic section.
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: u64,
}

const END: i64 = 0;
const INIT_ARRAY: i64 = 25;
const INIT_ARRAY_BYTES: i64 = 27;

/// Calls what stands behind `own` in the program's array, in order.
///
/// Nothing is called if `own` is not in it, and in a program without a dynamic section, where the array
/// cannot be found.
///
/// # Safety
///
/// The loader must be calling `own` just now, and must not get to call the entries behind it itself.
///
/// # Source
///
/// `.init_array` in `elf(5)`, `DT_INIT_ARRAY` in the System V ABI.
pub(crate) unsafe fn call_those_behind(own: *const Initializer, arguments: Arguments) {
    let array = program_array();
    let own = own as usize;
    if !array.contains(&own) {
        return;
    }
    for entry in (own + size_of::<usize>()..array.end).step_by(size_of::<usize>()) {
        // SAFETY: I1, and `entry` lies inside the array.
        let address = unsafe { *(entry as *const usize) };
        if address != 0 && address != usize::MAX {
            // SAFETY: I1.
            let initializer = unsafe { std::mem::transmute::<usize, Initializer>(address) };
            initializer(arguments.count, arguments.arguments, arguments.environment);
        }
    }
}

/// Where the program's array lies; empty if that cannot be found out.
fn program_array() -> Range<usize> {
    let mut found = 0..0;
    // SAFETY: `visit` gets back the very pointer given here, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut found).cast()) };
    found
}

/// Looks at the first module, which is the program, and at no other.
///
/// # Safety
///
/// Called by `dl_iterate_phdr` alone, which keeps `info` and what it points to valid meanwhile.
unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: `program_array` passes a range that outlives the iteration and is used here alone.
    let found = unsafe { &mut *data.cast::<Range<usize>>() };
    // SAFETY: the loader keeps `info` valid during the call.
    let info = unsafe { &*info };
    // SAFETY: the loader gives the number of headers with their address.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let base = usize::try_from(info.dlpi_addr).unwrap_or(0);
    let at = |offset: u64| base + usize::try_from(offset).unwrap_or(0);
    let Some(dynamic) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) else { return 1 };
    let count = usize::try_from(dynamic.p_memsz).unwrap_or(0) / size_of::<Dynamic>();
    // SAFETY: the dynamic section is loaded whole, and lies where its header says.
    let entries = unsafe { std::slice::from_raw_parts(at(dynamic.p_vaddr) as *const Dynamic, count) };
    let value = |tag| entries.iter().take_while(|entry| entry.tag != END).find(|entry| entry.tag == tag);
    if let (Some(array), Some(length)) = (value(INIT_ARRAY), value(INIT_ARRAY_BYTES)) {
        let start = at(array.value);
        *found = start..start + usize::try_from(length.value).unwrap_or(0);
    }
    1
}
