//! Bounds that a constructor and a method ask for and their actor does not have.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub struct Sorted<T>(Vec<T>);

#[worker_core::process_actor]
impl<T: Serialize + DeserializeOwned + Clone> Sorted<T> {
    pub fn new() -> Self //~ Default
    where
        T: Default,
    {
        Self(vec![T::default()])
    }
    pub fn sort(&mut self) -> Vec<T> //~ Ord
    where
        T: Ord,
    {
        self.0.sort();
        self.0.clone()
    }
}

fn main() {
    let sorted = SortedFrontend::<u8>::spawn().unwrap();
    let _ = sorted.sort();
}
