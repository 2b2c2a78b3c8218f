//! A user's own type called `Result`, with as many parameters as the one it is taken for, and an alias with others.

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Result<A, B>(A, B);

pub struct Shop;

#[worker_core::process_actor]
impl Shop {
    pub fn new() -> Self {
        Self
    }
    pub fn search(&self) -> Result<u8, u16> { //~ is none
        Result(1, 2)
    }
    pub fn open() -> Result<Self, u16> { //~ is none
        Result(Self, 2)
    }
}

pub mod aliased {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct Failed<C>(pub C);

    pub type Result<T, C> = std::result::Result<T, Failed<C>>;

    pub struct Shop;

    #[worker_core::process_actor]
    impl Shop {
        pub fn new() -> Self {
            Self
        }
        pub fn search(&self) -> Result<u8, u16> { //~ is none
            Err(Failed(1))
        }
        #[fallible]
        pub fn found(&self) -> Result<u8, u16> {
            Err(Failed(1))
        }
    }
}

pub mod io {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct Failed;

    pub type Result<T> = std::result::Result<T, Failed>;
}

pub struct Reader;

#[worker_core::process_actor]
impl Reader {
    pub fn new() -> Self {
        Self
    }
    pub fn read(&self) -> io::Result<u8> { //~ is none
        Ok(1)
    }
    #[fallible]
    pub fn read_again(&self) -> io::Result<u8> {
        Ok(1)
    }
}

fn main() {
    let shop = ShopFrontend::spawn().unwrap();
    let _: u8 = shop.search().unwrap();
    let _ = ShopFrontend::spawn_open();
    let shop = aliased::ShopFrontend::spawn().unwrap();
    let _ = shop.search();
    if let Err(worker_core::CallError::Actor(aliased::Failed(code))) = shop.found() {
        let _: u16 = code;
    }
    let reader = ReaderFrontend::spawn().unwrap();
    let _: u8 = reader.read().unwrap();
    if let Err(worker_core::CallError::Actor(io::Failed)) = reader.read_again() {}
}
