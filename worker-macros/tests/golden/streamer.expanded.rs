impl Streamer {
    pub fn new() -> Self {
        Self { rows: Vec::new() }
    }
    pub fn rows(&mut self, from: &str) -> impl Iterator<Item = Row> + '_ {
        self.rows.iter().skip_while(move |row| row.name != from)
    }
}
/// What a [`StreamerFrontend`] asks of its [`Streamer`]: one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum StreamerRequest<'a> {
    /// Runs [`Streamer::rows`].
    Rows {
        /// Argument `from` of [`Streamer::rows`].
        from: &'a str,
        /// Argument `__items` of [`Streamer::rows`].
        #[serde(with = "::worker_core::__private::ByValue")]
        __items: ::worker_core::Sender<Row>,
    },
}
/// How a [`StreamerFrontend`] makes its [`Streamer`]: one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum StreamerConstructor {
    /// Runs [`Streamer::new`].
    New,
}
impl ::worker_core::Actor for Streamer {
    type Constructor<'a> = StreamerConstructor;
    type Request<'a> = StreamerRequest<'a>;
    const NAME: &'static str = "Streamer";
    fn make(constructor: Self::Constructor<'_>, birth: &::worker_core::Birth<Self>) {
        match constructor {
            StreamerConstructor::New => birth.value(Self::new()),
        }
    }
    fn run(&mut self, request: Self::Request<'_>, call: &::worker_core::Call<'_, Self>) {
        match request {
            StreamerRequest::Rows { from, __items } => {
                call.stream(__items, Self::rows(self, from)).carry()
            }
        }
    }
}
/// The frontend of [`Streamer`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::worker_core::Frontend)]
pub struct StreamerFrontend(::worker_core::Handle<Streamer>);
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl StreamerFrontend {
    /// Starts a process and runs [`Streamer::new`] there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no process.
    pub fn spawn() -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        Self::spawn_with(&::worker_core::Builder::new())
    }
    /// Like [`StreamerFrontend::spawn`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_with(
        builder: &::worker_core::Builder,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        ::worker_core::Handle::spawn(builder, &StreamerConstructor::New).map(Self)
    }
    /// Calls [`Streamer::rows`] in the backend; what it yields comes as a stream.
    ///
    /// Until the stream has ended or is dropped, the actor serves nobody else: a call by whoever holds the stream may wait for ever.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError) when the request cannot be queued; later errors come in the stream, as its last.
    pub fn rows(
        &self,
        from: &str,
    ) -> ::core::result::Result<::worker_core::Stream<Row>, ::worker_core::CallError> {
        self.0
            .stream(|__items| StreamerRequest::Rows {
                from,
                __items,
            })
    }
}
