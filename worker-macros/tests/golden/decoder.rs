#[process_actor]
impl Decoder {
    /// Starts a decoder.
    pub fn new(threads: u32) -> Self {
        Self { threads }
    }
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::read_settings(path)
    }
    /// Decodes one image.
    ///
    /// The whole image is in memory.
    pub fn decode(&mut self, jpeg: &[u8]) -> Result<Image, DecodeError> {
        self.decode_with(jpeg, Mode::Whole)
    }
    pub fn read(&mut self, n: usize) -> io::Result<Vec<u8>> {
        self.source.read(n)
    }
    pub fn shift(&mut self, by: &Point, others: &[Point], tag: Option<&str>, at: Option<&Point>) -> Point {
        self.shifted(by, others, tag, at)
    }
    #[oneway]
    pub fn log(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }
    pub fn report(&self, cx: &Context<Self>, n: u32) {
        cx.every(n);
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    #[started]
    fn warm_up(&mut self) {
        self.ready = true;
    }
    #[stopped]
    fn flush(&mut self, cx: &Context<Self>) {
        self.lines.clear();
    }
    fn helper(&self) {}
}
