#[process_actor]
impl<T: Row> Table<T> {
    pub fn open(path: &Path) -> TableResult<Self> {
        Self::read(path)
    }
    pub fn first(&self) -> TableResult<T> {
        self.get(0)
    }
    pub fn count(&self) -> TableResult<usize> {
        self.counted()
    }
    pub fn folder(&self) -> Option<&Path> {
        self.path.parent()
    }
    #[infallible]
    pub fn search(&self, name: &str) -> SearchResult<u64> {
        self.found(name)
    }
}
