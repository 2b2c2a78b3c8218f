//! The process title: what `ps`, `top` and logs show.
//! Not here: choosing the name (`process::builder`).
//! Layer 1: system calls.
//!
//! # Safety
//!
//! * T1: the argument area `start .. start + length_bytes` is memory of this process for its whole
//!   life, writable, and holds nothing but the first argument, which the program that started this
//!   copy made long on purpose (`exec::title_room`).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

use nix::sys::prctl;

/// The memory that `/proc/self/cmdline` shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArgumentArea {
    start: usize,
    length_bytes: usize,
}

static AREA: OnceLock<ArgumentArea> = OnceLock::new();

impl ArgumentArea {
    /// The area of a process that has exactly one argument.
    ///
    /// # Safety
    ///
    /// `first` must be the first and only argument of this process, as the kernel laid it out.
    pub(crate) unsafe fn of_only_argument(first: *const c_char) -> Self {
        // SAFETY: the caller vouches that this is an argument, and arguments end with a zero byte.
        let length_bytes = unsafe { CStr::from_ptr(first) }.to_bytes().len();
        Self { start: first as usize, length_bytes }
    }

    /// Remembers the area for [`set`].
    pub(crate) fn remember(self) {
        let _ = AREA.set(self);
    }
}

/// Shows `name` as `comm` (15 bytes of it) and, where the area is known, as the command line.
pub(crate) fn set(name: &str) {
    let name: String = name.chars().filter(|&character| character != '\0').collect();
    if let Ok(text) = CString::new(name.as_str()) {
        let _ = prctl::set_name(&text);
    }
    let Some(area) = AREA.get() else { return };
    // The kernel shows the area up to its first zero byte if the byte at its end is none: so the
    // terminator of the argument becomes a space, and the title may be of any length below it.
    let area_bytes = area.length_bytes + 1;
    for offset in 0..area_bytes {
        let byte = match name.as_bytes().get(offset) {
            Some(&byte) if offset + 2 < area_bytes => byte,
            _ if offset + 1 < area_bytes => 0,
            _ => b' ',
        };
        let target = std::ptr::with_exposed_provenance_mut::<u8>(area.start + offset);
        // SAFETY: T1, with the terminator as the last byte of the area.
        unsafe { target.write_volatile(byte) }
    }
}
