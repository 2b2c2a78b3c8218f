//! The regular expressions of the C library, as they are.
//! Not here: making them safe; that is what the processes are for.
//! Layer: bottom, over `regex.h`.
//!
//! # Safety
//!
//! * P1: a `Regex` exists only with what `regcomp` has filled in, and stays at its place in the heap.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// A compiled extended pattern.
pub(crate) struct Regex(Box<libc::regex_t>);

impl Regex {
    pub(crate) fn new(pattern: &str) -> io::Result<Self> {
        let pattern = CString::new(pattern)?;
        let mut compiled = Box::new(MaybeUninit::<libc::regex_t>::zeroed());
        // SAFETY: the pattern ends with a zero, and there is room for what is made of it.
        let code = unsafe { libc::regcomp(compiled.as_mut_ptr(), pattern.as_ptr(), libc::REG_EXTENDED) };
        // SAFETY: zeros are a `regex_t`, if not a compiled one, and `regcomp` has written one over them.
        let compiled = unsafe { compiled.assume_init() };
        if code == 0 { Ok(Self(compiled)) } else { Err(error(code, &compiled)) }
    }

    /// Whether a line matches, up to the first zero in it.
    pub(crate) fn matches(&self, line: &[u8]) -> io::Result<bool> {
        let end = line.iter().position(|&byte| byte == 0).unwrap_or(line.len());
        let line = CString::new(&line[..end])?;
        // An engine that got no memory says that nothing matches; that some was refused is left in `errno`.
        // SAFETY: the address is that of this thread's own.
        unsafe { *libc::__errno_location() = 0 };
        // SAFETY: P1; the line ends with a zero, and no groups are asked for.
        let code = unsafe { libc::regexec(&*self.0, line.as_ptr(), 0, ptr::null_mut(), 0) };
        let refused = io::Error::last_os_error();
        match code {
            0 => Ok(true),
            libc::REG_NOMATCH if refused.raw_os_error() == Some(libc::ENOMEM) => Err(refused),
            libc::REG_NOMATCH => Ok(false),
            code => Err(error(code, &self.0)),
        }
    }
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: P1, and nobody uses it after this.
        unsafe { libc::regfree(&mut *self.0) };
    }
}

fn error(code: i32, regex: &libc::regex_t) -> io::Error {
    let mut text = [0_u8; 256];
    let start = text.as_mut_ptr().cast::<c_char>();
    // SAFETY: the text has as many bytes as are said, and gets a zero at its end.
    unsafe { libc::regerror(code, regex, start, text.len()) };
    let text = CStr::from_bytes_until_nul(&text).unwrap_or(c"an unknown error");
    io::Error::new(io::ErrorKind::InvalidInput, text.to_string_lossy().into_owned())
}
