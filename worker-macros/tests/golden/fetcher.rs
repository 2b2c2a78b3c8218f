#[process_actor]
impl Fetcher {
    pub fn new() -> Self {
        Self { pages: 0 }
    }
    pub async fn fetch(&self, url: &str) -> Result<Page, FetchError> {
        self.get(url).await
    }
    pub async fn refresh(&mut self, cx: &Context<Self>) -> u64 {
        self.reload(cx).await
    }
    pub fn pages(&self) -> u64 {
        self.pages
    }
    #[oneway]
    pub async fn log(&mut self, line: String) {
        self.lines.push(line);
    }
}
