//! A type that cannot be sent, lent as a reply.

pub struct Point;

pub struct Canvas(Point);

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self(Point)
    }
    pub fn origin(&self) -> Option<&Point> { //~ `Option<Point>` cannot cross a process boundary
        Some(&self.0)
    }
}

impl Clone for Point {
    fn clone(&self) -> Self {
        Self
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let _ = canvas.origin();
}
