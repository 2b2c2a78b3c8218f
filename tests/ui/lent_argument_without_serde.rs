//! A type that cannot be sent, lent as an argument.

pub struct Point;

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self
    }
    pub fn draw(&mut self, at: &Point, more: &[u8]) -> usize { //~ `Point` cannot cross a process boundary
        let _ = at;
        more.len()
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let _ = canvas.draw(&Point, &[]);
}
