//! Several mistakes in one block, each reported, and none of them again where the frontend is used.

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self
    }
    pub fn take(self) {} //~ `self` by value would take the actor out of its process
    pub fn fill(&self, into: &mut Vec<u8>) { //~ `&mut Vec<u8>`
        into.clear();
    }
    #[oneway]
    pub fn log(&self) -> u32 { //~ a one-way call has no reply
        1
    }
    pub fn stop(&self) {} //~ `stop` is already a method of `CanvasFrontend`
    pub fn good(&self) -> u32 {
        1
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let good: u32 = canvas.good().unwrap();
    let pending = canvas.good_async();
    let _ = canvas.log();
    let _ = canvas.fill(&mut Vec::new());
    let _ = canvas.stop();
    let _ = (good, pending.wait(), canvas.process().pid());
}
