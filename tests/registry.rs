//! A crate that the loader initializes before `main`, as C++ objects and registries of plug-ins are.
//! Not here: any test; see `initializers`.
//! Layer: tests only. It does not know the runtime, so a linker may put it behind that.

use std::sync::atomic::{AtomicU32, Ordering};

static INITIALIZED: AtomicU32 = AtomicU32::new(0);

#[used]
#[unsafe(link_section = ".init_array")]
static INITIALIZE: extern "C" fn() = initialize;

extern "C" fn initialize() {
    INITIALIZED.fetch_add(1, Ordering::Relaxed);
}

/// How often this process has initialized the crate.
pub fn initialized() -> u32 {
    INITIALIZED.load(Ordering::Relaxed)
}
