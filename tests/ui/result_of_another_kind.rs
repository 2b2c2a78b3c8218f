//! Return types that end in `Result` and are none: one error each, also where the frontend is used.

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

pub struct Opened<T>(T);

pub struct OpenResult<T>(T);

#[worker_core::process_actor]
impl Opened<u8> {
    pub fn open() -> OpenResult<Self> { //~ `OpenResult<Opened<u8>>` is taken for a `Result` and is none
        OpenResult(Self(1))
    }
}

pub struct Held<T>(T);

#[worker_core::process_actor]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Held<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }
    pub fn search(&self) -> SearchResult<u16> { //~ `SearchResult<u16>` is taken for a `Result` and is none
        SearchResult(1)
    }
    // Where the type is chosen later, the compiler knows of the mistake only while it looks at the signature: a use would
    // be an error of its own.
    pub fn search_more(&self) -> SearchResult<T> { //~ `SearchResult<T>` is taken for a `Result` and is none
        unreachable!()
    }
}

fn main() {
    let shop = ShopFrontend::spawn().unwrap();
    let found = shop.search();
    let pending = shop.search_async();
    match shop.search() {
        Ok(found) => drop::<u8>(found),
        Err(error) => println!("{error}"),
    }
    let _: Vec<u8> = vec![found.unwrap(), pending.wait().unwrap(), shop.search().unwrap_or_default()];
    let _ = shop.stop();
    let opened = OpenedFrontend::spawn_open().unwrap();
    let _ = opened.process();
    let held = HeldFrontend::spawn(7).unwrap();
    let _: u8 = held.search().unwrap();
}
