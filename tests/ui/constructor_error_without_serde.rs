//! A type that cannot be sent, as the error of a constructor.

pub struct Torn;

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Result<Self, Torn> { //~ `Torn` cannot cross a process boundary
        Err(Torn)
    }
}

fn main() {
    let _ = CanvasFrontend::spawn();
}
