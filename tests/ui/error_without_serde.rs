//! A type that cannot be sent, as the error of a method.

pub struct Torn;

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self
    }
    pub fn draw(&mut self) -> Result<u32, Torn> { //~ `Torn` cannot cross a process boundary
        Err(Torn)
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let _ = canvas.draw();
}
