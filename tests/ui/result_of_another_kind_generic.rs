//! The one mistake that is more than one error: a return type that ends in `Result`, is none, and has a parameter of
//! the actor in it. The compiler learns what it is at each use, so each use is an error too, and this counts them.

#[derive(serde::Serialize, serde::Deserialize)]
pub struct SearchResult<T>(T);

pub struct Held<T>(T);

#[worker_core::process_actor]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Held<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }
    pub fn search(&self) -> SearchResult<T> { //~ `SearchResult<T>` is taken for a `Result` and is none
        unreachable!()
    }
}

fn main() {
    let held = HeldFrontend::spawn(7_u8).unwrap();
    let _ = held.search(); //~ the method `search` exists for struct `HeldFrontend<u8>`, but
    let _ = held.search_async(); //~ the method `search_async` exists for struct `HeldFrontend<u8>`, but
    let _ = held.stop();
}
