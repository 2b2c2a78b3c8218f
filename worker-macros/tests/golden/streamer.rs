#[process_actor]
impl Streamer {
    pub fn new() -> Self {
        Self { rows: Vec::new() }
    }
    pub fn rows(&mut self, from: &str) -> impl Iterator<Item = Row> + '_ {
        self.rows.iter().skip_while(move |row| row.name != from)
    }
}
