#[process_actor]
impl Tailer {
    pub fn new() -> Self {
        Self { lines: Vec::new() }
    }
    /// What is added from now on.
    pub fn tail(&self, from: usize) -> impl Stream<Item = Line> + '_ {
        self.added.from(from)
    }
    pub async fn search(&mut self, word: &str) -> impl futures::Stream<Item = Line> + Send {
        self.found(word).await
    }
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.lines.iter().cloned()
    }
}
