//! A type parameter of the actor whose bounds do not let it travel.

pub struct Cell<T>(T);

#[worker_core::process_actor]
impl<T: Clone> Cell<T> {
    pub fn new(value: T) -> Self { //~ `T` cannot cross a process boundary
        Self(value)
    }
    pub fn size(&self) -> usize {
        size_of::<T>()
    }
}

fn main() {
    let cell = CellFrontend::spawn(1_u8).unwrap();
    let _ = cell.size();
}
