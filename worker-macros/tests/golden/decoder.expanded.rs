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
    pub fn shift(
        &mut self,
        by: &Point,
        others: &[Point],
        tag: Option<&str>,
        at: Option<&Point>,
    ) -> Point {
        self.shifted(by, others, tag, at)
    }
    pub fn log(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }
    pub fn report(&self, cx: &Context<Self>, n: u32) {
        cx.every(n);
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    fn warm_up(&mut self) {
        self.ready = true;
    }
    fn flush(&mut self, cx: &Context<Self>) {
        self.lines.clear();
    }
    fn helper(&self) {}
}
/// What a [`DecoderFrontend`] asks of its [`Decoder`]: one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum DecoderRequest<'a> {
    /// Decodes one image.
    Decode {
        /// Argument `jpeg` of [`Decoder::decode`].
        #[serde(with = "::worker_core::__private::bytes")]
        jpeg: &'a [u8],
    },
    /// Runs [`Decoder::read`].
    Read {
        /// Argument `n` of [`Decoder::read`].
        n: usize,
    },
    /// Runs [`Decoder::shift`].
    Shift {
        /// Argument `by` of [`Decoder::shift`].
        #[serde(with = "::worker_core::__private::ByRef")]
        by: ::worker_core::Ref<'a, Point>,
        /// Argument `others` of [`Decoder::shift`].
        #[serde(with = "::worker_core::__private::ByRef")]
        others: ::worker_core::Ref<'a, [Point]>,
        /// Argument `tag` of [`Decoder::shift`].
        tag: Option<&'a str>,
        /// Argument `at` of [`Decoder::shift`].
        #[serde(with = "::worker_core::__private::ByRef")]
        at: Option<::worker_core::Ref<'a, Point>>,
    },
    /// Runs [`Decoder::log`].
    Log {
        /// Argument `line` of [`Decoder::log`].
        line: &'a str,
    },
    /// Runs [`Decoder::report`].
    Report {
        /// Argument `n` of [`Decoder::report`].
        n: u32,
    },
    /// Runs [`Decoder::name`].
    Name,
}
/// How a [`DecoderFrontend`] makes its [`Decoder`]: one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum DecoderConstructor<'a> {
    /// Starts a decoder.
    New {
        /// Argument `threads` of [`Decoder::new`].
        threads: u32,
    },
    /// Runs [`Decoder::open`].
    Open {
        /// Argument `path` of [`Decoder::open`].
        #[serde(borrow, with = "::worker_core::__private::Paths")]
        path: &'a Path,
    },
}
impl ::worker_core::Actor for Decoder {
    type Constructor<'a> = DecoderConstructor<'a>;
    type Request<'a> = DecoderRequest<'a>;
    const NAME: &'static str = "Decoder";
    fn make(constructor: Self::Constructor<'_>, birth: &::worker_core::Birth<Self>) {
        match constructor {
            DecoderConstructor::New { threads } => birth.value(Self::new(threads)),
            DecoderConstructor::Open { path } => {
                birth.result::<OpenError>(Self::open(path)).carry()
            }
        }
    }
    fn run(&mut self, request: Self::Request<'_>, call: &::worker_core::Call<'_, Self>) {
        match request {
            DecoderRequest::Decode { jpeg } => {
                call.reply_result::<Image, DecodeError>(Self::decode(self, jpeg)).carry()
            }
            DecoderRequest::Read { n } => {
                call.reply_result::<Vec<u8>, ::std::io::Error>(Self::read(self, n))
                    .carry()
            }
            DecoderRequest::Shift { by, others, tag, at } => {
                call.reply(Self::shift(self, &by, &others, tag, at.as_deref())).carry()
            }
            DecoderRequest::Log { line } => Self::log(self, line),
            DecoderRequest::Report { n } => {
                call.reply(Self::report(self, call.context(), n)).carry()
            }
            DecoderRequest::Name => call.reply_lent(Self::name(self)).carry(),
        }
    }
    fn started(&mut self, _context: &::worker_core::Context<Self>) {
        Self::warm_up(self);
    }
    fn stopped(&mut self, context: &::worker_core::Context<Self>) {
        Self::flush(self, context);
    }
}
/// The frontend of [`Decoder`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::worker_core::Frontend)]
pub struct DecoderFrontend(::worker_core::Handle<Decoder>);
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl DecoderFrontend {
    /// Starts a decoder.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no process.
    pub fn spawn(
        threads: u32,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        Self::spawn_with(&::worker_core::Builder::new(), threads)
    }
    /// Like [`DecoderFrontend::spawn`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_with(
        builder: &::worker_core::Builder,
        threads: u32,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        ::worker_core::Handle::spawn(builder, &DecoderConstructor::New { threads })
            .map(Self)
    }
    /// Starts a process and runs [`Decoder::open`] there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): what [`Decoder::open`] returns as its error, or why there is no process.
    pub fn spawn_open(
        path: &Path,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError<OpenError>> {
        Self::spawn_open_with(&::worker_core::Builder::new(), path)
    }
    /// Like [`DecoderFrontend::spawn_open`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_open_with(
        builder: &::worker_core::Builder,
        path: &Path,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError<OpenError>> {
        ::worker_core::Handle::spawn_fallible(
                builder,
                &DecoderConstructor::Open { path },
            )
            .carry()
            .map(Self)
    }
    /// Decodes one image.
    ///
    /// The whole image is in memory.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Decoder::decode`] returns as its error, or why there is no reply.
    pub fn decode(
        &self,
        jpeg: &[u8],
    ) -> ::core::result::Result<Image, ::worker_core::CallError<DecodeError>> {
        self.0.call(&DecoderRequest::Decode { jpeg }).carry()
    }
    /// Like [`DecoderFrontend::decode`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn decode_async(
        &self,
        jpeg: &[u8],
    ) -> ::worker_core::Pending<Image, DecodeError> {
        self.0.call_async(&DecoderRequest::Decode { jpeg }).carry()
    }
    /// Calls [`Decoder::read`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Decoder::read`] returns as its error, or why there is no reply.
    pub fn read(
        &self,
        n: usize,
    ) -> ::core::result::Result<Vec<u8>, ::worker_core::CallError<::std::io::Error>> {
        self.0.call(&DecoderRequest::Read { n }).carry()
    }
    /// Like [`DecoderFrontend::read`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn read_async(
        &self,
        n: usize,
    ) -> ::worker_core::Pending<Vec<u8>, ::std::io::Error> {
        self.0.call_async(&DecoderRequest::Read { n }).carry()
    }
    /// Calls [`Decoder::shift`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Decoder::shift`].
    pub fn shift(
        &self,
        by: &Point,
        others: &[Point],
        tag: Option<&str>,
        at: Option<&Point>,
    ) -> ::core::result::Result<Point, ::worker_core::CallError> {
        self.0
            .call(
                &DecoderRequest::Shift {
                    by: ::worker_core::Ref::Borrowed(by),
                    others: ::worker_core::Ref::Borrowed(others),
                    tag,
                    at: at.map(::worker_core::Ref::Borrowed),
                },
            )
            .carry()
    }
    /// Like [`DecoderFrontend::shift`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn shift_async(
        &self,
        by: &Point,
        others: &[Point],
        tag: Option<&str>,
        at: Option<&Point>,
    ) -> ::worker_core::Pending<Point> {
        self.0
            .call_async(
                &DecoderRequest::Shift {
                    by: ::worker_core::Ref::Borrowed(by),
                    others: ::worker_core::Ref::Borrowed(others),
                    tag,
                    at: at.map(::worker_core::Ref::Borrowed),
                },
            )
            .carry()
    }
    /// Queues a call of [`Decoder::log`]; nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError) when the request cannot be queued; what [`Decoder::log`] makes of it is not reported.
    pub fn log(
        &self,
        line: &str,
    ) -> ::core::result::Result<(), ::worker_core::CallError> {
        self.0.send(&DecoderRequest::Log { line })
    }
    /// Calls [`Decoder::report`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Decoder::report`].
    pub fn report(
        &self,
        n: u32,
    ) -> ::core::result::Result<(), ::worker_core::CallError> {
        self.0.call(&DecoderRequest::Report { n }).carry()
    }
    /// Like [`DecoderFrontend::report`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn report_async(&self, n: u32) -> ::worker_core::Pending<()> {
        self.0.call_async(&DecoderRequest::Report { n }).carry()
    }
    /// Calls [`Decoder::name`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Decoder::name`].
    pub fn name(
        &self,
    ) -> ::core::result::Result<::std::string::String, ::worker_core::CallError> {
        self.0.call(&DecoderRequest::Name).carry()
    }
    /// Like [`DecoderFrontend::name`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn name_async(&self) -> ::worker_core::Pending<::std::string::String> {
        self.0.call_async(&DecoderRequest::Name).carry()
    }
}
