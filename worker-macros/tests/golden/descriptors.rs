#[process_actor]
impl Porter {
    pub fn new(log: File) -> Self {
        Self { log }
    }
    pub fn copy(&mut self, from: &File, to: Option<&UnixStream>) -> io::Result<u64> {
        self.copied(from, to)
    }
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        descriptor.try_clone_to_owned()
    }
}
