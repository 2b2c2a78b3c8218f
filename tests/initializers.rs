//! What the loader runs before `main` has run in a backend too, wherever the linker has put it.
//! Not here: the order of the runtime's own steps.
//! Layer: the public surface.

// First of all: crates are linked in the order of their first use, and this one must lie behind the
// runtime to be of use here.
extern crate registry;

mod support;

use support::watchdog;
use worker_core::process_actor;

pub struct Asked;

#[process_actor]
impl Asked {
    pub fn new() -> Self {
        Self
    }

    pub fn initialized(&self) -> u32 {
        registry::initialized()
    }
}

#[test]
fn a_backend_is_initialized_as_the_program_is() {
    let _watchdog = watchdog();
    assert_eq!(registry::initialized(), 1);
    let asked = AskedFrontend::spawn().unwrap();
    assert_eq!(asked.initialized().unwrap(), 1, "once, in the fork server");
}
