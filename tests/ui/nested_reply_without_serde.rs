//! A type that cannot be sent, inside a reply and inside an alias of a result.

pub struct Point;

pub struct Torn;

type Outcome<T> = std::result::Result<T, Torn>;

pub struct Canvas;

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self
    }
    pub fn all(&self) -> Vec<Point> { //~ `Vec<Point>` cannot cross a process boundary
        Vec::new()
    }
    #[fallible]
    pub fn torn(&self) -> Outcome<u8> { //~ `Torn` cannot cross a process boundary
        Err(Torn)
    }
    pub fn generic<T: Clone + 'static>(&self) -> Option<T> { //~ `Option<T>` cannot cross a process boundary
        None
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let _ = canvas.all();
    let _ = canvas.torn();
    let _ = canvas.generic::<u8>();
}
