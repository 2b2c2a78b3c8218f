//! An actor in a library that a foreign program loads: what C calls to have it do something.
//! Not here: the foreign programs (`in_library.rs`).
//! Layer: a `cdylib` over the public surface.

use std::ffi::{CStr, c_char, c_int};

use worker_core::{Builder, process_actor};

/// Adds, and tells where.
pub struct Adder;

#[process_actor]
impl Adder {
    pub fn new() -> Self {
        Self
    }

    pub fn add(&self, a: i64, b: i64) -> (i64, u32) {
        (a + b, std::process::id())
    }
}

/// Adds in a process, and prints what came of it; 0 if it was a sum.
///
/// # Safety
///
/// `executable` is null, or a text that ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn add_in_a_process(executable: *const c_char) -> c_int {
    let builder = if executable.is_null() {
        Builder::new()
    } else {
        // SAFETY: the caller vouches for it.
        let path = unsafe { CStr::from_ptr(executable) };
        Builder::new().executable(path.to_str().expect("a path of this test is text"))
    };
    let added = AdderFrontend::spawn_with(&builder)
        .map_err(|error| error.to_string())
        .and_then(|adder| adder.add(40, 2).map_err(|error| error.to_string()));
    match added {
        Ok((sum, pid)) if pid != std::process::id() => println!("the sum is {sum}"),
        Ok(_) => println!("it was added in the foreign program itself"),
        Err(error) => {
            println!("no sum: {error}");
            return 1;
        }
    }
    0
}
