//! What runs before `main` in the program has run in a backend too, whatever the link order.

use std::sync::atomic::{AtomicU32, Ordering};

use worker_core::process_actor;

static RUN: AtomicU32 = AtomicU32::new(0);

extern "C" fn initialise() {
    RUN.fetch_add(1, Ordering::Relaxed);
}

macro_rules! initialiser {
    ($name:ident, $section:literal) => {
        #[used]
        // Nothing but a counter is touched, which needs no initialiser of its own.
        #[unsafe(link_section = $section)]
        static $name: extern "C" fn() = initialise;
    };
}

initialiser!(EARLY, ".init_array.00001");
initialiser!(LATE, ".init_array.65535");
initialiser!(PLAIN, ".init_array");

/// Looks at what was initialised.
pub struct Looker;

#[process_actor]
impl Looker {
    /// Starts looking.
    pub fn new() -> Self {
        Self
    }

    /// How many initialisers have run in the backend.
    pub fn initialisers_run(&self) -> u32 {
        RUN.load(Ordering::Relaxed)
    }
}

#[test]
fn a_backend_has_run_every_initialiser_once() {
    assert_eq!(RUN.load(Ordering::Relaxed), 3, "in the program");
    let looker = LookerFrontend::spawn().unwrap();
    assert_eq!(looker.initialisers_run().unwrap(), 3, "in the backend");
}
