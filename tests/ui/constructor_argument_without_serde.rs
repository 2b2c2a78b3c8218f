//! A type that cannot be sent, given to a constructor.

pub struct Size;

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new(size: Size) -> Self { //~ `Size` cannot cross a process boundary
        let _ = size;
        Self
    }
}

fn main() {
    let _ = CanvasFrontend::spawn(Size);
}
