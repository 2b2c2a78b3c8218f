//! A user's own type called `Result`, of another kind.

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Result<T>(T);

pub struct Shop;

#[worker_core::process_actor]
impl Shop {
    pub fn new() -> Self {
        Self
    }
    pub fn search(&self) -> Result<u8> { //~ `Result<u8>` is taken for a `Result` and is none
        Result(1)
    }
}

fn main() {
    let shop = ShopFrontend::spawn().unwrap();
    let _ = shop.stop();
}
