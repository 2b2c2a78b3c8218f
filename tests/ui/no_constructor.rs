//! An actor that cannot be made, and whose frontend is used all the same.

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas { //~ `Canvas` has no constructor
    pub fn good(&self) -> u32 {
        1
    }
}

fn use_it(canvas: &CanvasFrontend) -> u32 {
    canvas.good().unwrap()
}

fn main() {
    let _ = use_it;
}
