//! A user's own type called `Path`, and the way out: its module before it.

pub mod shapes {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    pub struct Path;
}

use shapes::Path;

pub struct Canvas(Path);

#[worker_core::process_actor]
impl Canvas {
    pub fn new() -> Self {
        Self(Path)
    }
    pub fn outline(&self) -> &Path { //~ is none
        &self.0
    }
    pub fn outlines(&self) -> Vec<&Path> { //~ is none
        vec![&self.0]
    }
    pub fn draw(&mut self, path: &Path) { //~ is none
        self.0 = path.clone();
    }
    pub fn place(&mut self, path: Option<&Path>) { //~ is none
        let _ = path;
    }
    pub fn good(&mut self, path: &shapes::Path) -> &shapes::Path {
        self.0 = path.clone();
        &self.0
    }
}

fn main() {
    let canvas = CanvasFrontend::spawn().unwrap();
    let _ = canvas.outline();
    let _ = canvas.outlines();
    let _ = canvas.draw(&Path);
    let _ = canvas.place(Some(&Path));
    let _: Path = canvas.good(&Path).unwrap();
}
