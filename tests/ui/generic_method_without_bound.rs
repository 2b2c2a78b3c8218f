//! A type parameter of a method whose bounds do not let it travel.

pub struct Shop;

#[worker_core::process_actor]
impl Shop {
    pub fn new() -> Self {
        Self
    }
    pub fn weigh<T: Clone>(&self, value: T) -> usize { //~ `T` cannot cross a process boundary
        size_of_val(&value)
    }
}

fn main() {
    let shop = ShopFrontend::spawn().unwrap();
    let _ = shop.weigh(1_u8);
}
