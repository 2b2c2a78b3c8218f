//! A method that is being typed: only the user's own mistake is reported, the frontend is whole.

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self
    }
    pub fn good(&self) -> u32 {
        missing //~ missing
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let _: u32 = canvas.good().unwrap();
}
