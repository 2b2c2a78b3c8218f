//! A return type that ends in `Result` and is none.

#[derive(serde::Serialize, serde::Deserialize)]
pub struct SearchResult<T>(T);

pub struct Shop;

#[worker_core::process_actor]
impl Shop {
    pub fn new() -> Self {
        Self
    }
    pub fn search(&self) -> SearchResult<u8> { //~ `SearchResult<u8>` is taken for a `Result` and is none
        SearchResult(1)
    }
}

fn main() {
    let shop = ShopFrontend::spawn().unwrap();
    let _ = shop.stop();
}
