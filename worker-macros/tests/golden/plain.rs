#[process_actor]
impl Counter {
    pub fn new(start: i64) -> Self {
        Self { total: start }
    }
    /// Adds.
    ///
    /// ```
    /// assert_eq!(Counter::new(40).add(2), 42);
    /// ```
    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }
}
