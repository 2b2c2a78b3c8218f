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
        #[serde(borrow, with = "::worker_core::__private::path")]
        path: &'a Path,
    },
}
impl ::worker_core::Actor for Decoder {
    type Constructor<'a> = DecoderConstructor<'a>;
    type Request<'a> = DecoderRequest<'a>;
    const NAME: &'static str = "Decoder";
    fn construct(
        constructor: DecoderConstructor<'_>,
        construction: &::worker_core::__private::Construction,
    ) -> ::worker_core::__private::Constructed<Self> {
        match constructor {
            DecoderConstructor::New { threads } => construction.value(Self::new(threads)),
            DecoderConstructor::Open { path } => construction.result(Self::open(path)),
        }
    }
    fn dispatch(
        &mut self,
        request: DecoderRequest<'_>,
        call: &::worker_core::__private::Call<'_, Self>,
    ) -> ::worker_core::__private::Replied {
        match request {
            DecoderRequest::Decode { jpeg } => call.reply_result(self.decode(jpeg)),
            DecoderRequest::Read { n } => call.reply_result(self.read(n)),
            DecoderRequest::Shift { by, others, tag, at } => {
                call.reply(self.shift(&by, &others, tag, at.as_deref()))
            }
            DecoderRequest::Log { line } => call.finish(self.log(line)),
            DecoderRequest::Report { n } => call.reply(self.report(call.context(), n)),
            DecoderRequest::Name => call.reply_borrowed(self.name()),
        }
    }
    fn started(&mut self, _context: &::worker_core::Context<Self>) {
        self.warm_up();
    }
    fn stopped(&mut self, context: &::worker_core::Context<Self>) {
        self.flush(context);
    }
}
/// The frontend of [`Decoder`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
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
        ::worker_core::Handle::spawn(builder, &DecoderConstructor::Open { path })
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
        self.0.call(&DecoderRequest::Decode { jpeg })
    }
    /// Like [`DecoderFrontend::decode`], but returns at once: the reply comes with the pending call.
    pub fn decode_async(
        &self,
        jpeg: &[u8],
    ) -> ::worker_core::Pending<Image, DecodeError> {
        self.0.call_async(&DecoderRequest::Decode { jpeg })
    }
    /// Calls [`Decoder::read`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Decoder::read`] returns as its error, or why there is no reply.
    pub fn read(
        &self,
        n: usize,
    ) -> ::core::result::Result<
        <io::Result<Vec<u8>> as ::worker_core::__private::Fallible>::Value,
        ::worker_core::CallError<
            <io::Result<Vec<u8>> as ::worker_core::__private::Fallible>::Error,
        >,
    > {
        self.0.call(&DecoderRequest::Read { n })
    }
    /// Like [`DecoderFrontend::read`], but returns at once: the reply comes with the pending call.
    pub fn read_async(
        &self,
        n: usize,
    ) -> ::worker_core::Pending<
        <io::Result<Vec<u8>> as ::worker_core::__private::Fallible>::Value,
        <io::Result<Vec<u8>> as ::worker_core::__private::Fallible>::Error,
    > {
        self.0.call_async(&DecoderRequest::Read { n })
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
    }
    /// Like [`DecoderFrontend::shift`], but returns at once: the reply comes with the pending call.
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
        self.0.call(&DecoderRequest::Report { n })
    }
    /// Like [`DecoderFrontend::report`], but returns at once: the reply comes with the pending call.
    pub fn report_async(&self, n: u32) -> ::worker_core::Pending<()> {
        self.0.call_async(&DecoderRequest::Report { n })
    }
    /// Calls [`Decoder::name`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Decoder::name`].
    pub fn name(
        &self,
    ) -> ::core::result::Result<
        <str as ::worker_core::__private::Referent>::Owned,
        ::worker_core::CallError,
    > {
        self.0.call(&DecoderRequest::Name)
    }
    /// Like [`DecoderFrontend::name`], but returns at once: the reply comes with the pending call.
    pub fn name_async(
        &self,
    ) -> ::worker_core::Pending<<str as ::worker_core::__private::Referent>::Owned> {
        self.0.call_async(&DecoderRequest::Name)
    }
    /// The same actor, with calls that fail after `timeout` ([`CallError`](::worker_core::CallError)).
    #[must_use]
    pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
        Self(self.0.with_timeout(timeout))
    }
}
impl ::core::ops::Deref for DecoderFrontend {
    type Target = ::worker_core::Remote;
    fn deref(&self) -> &::worker_core::Remote {
        &self.0
    }
}
impl ::worker_core::Frontend for DecoderFrontend {}
#[automatically_derived]
impl ::core::convert::From<::worker_core::Handle<Decoder>> for DecoderFrontend {
    fn from(handle: ::worker_core::Handle<Decoder>) -> Self {
        Self(handle)
    }
}
