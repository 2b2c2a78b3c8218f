//! A type that cannot be sent, as a reply.

pub struct Point;

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self
    }
    pub fn origin(&self) -> Point { //~ `Point` cannot cross a process boundary
        Point
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let _ = canvas.origin();
}
