#[process_actor]
impl Session {
    pub fn new() -> Self {
        Self { entries: Vec::new() }
    }
    pub fn add(&mut self, entry: &str) {
        self.entries.push(entry.to_owned());
    }
    #[activate]
    fn fresh(&mut self, cx: &Context<Self>) {
        self.entries.push(cx.name().to_owned());
    }
    #[cfg(unix)]
    #[deactivate]
    fn idle(&mut self) {
        self.entries.clear();
    }
}
