//! A type that cannot be sent, among the arguments.

pub struct Point;

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self
    }
    pub fn draw(&mut self, at: Point, name: &str) -> usize { //~ `Point` cannot cross a process boundary
        let _ = at;
        name.len()
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let _ = canvas.draw(Point, "a");
}
