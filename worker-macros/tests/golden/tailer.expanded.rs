impl Tailer {
    pub fn new() -> Self {
        Self { lines: Vec::new() }
    }
    /// What is added from now on.
    pub fn tail(&self, from: usize) -> impl Stream<Item = Line> + '_ {
        self.added.from(from)
    }
    pub async fn search(
        &mut self,
        word: &str,
    ) -> impl futures::Stream<Item = Line> + Send {
        self.found(word).await
    }
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.lines.iter().cloned()
    }
}
/// What a [`TailerFrontend`] asks of its [`Tailer`]: one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum TailerRequest<'a> {
    /// What is added from now on.
    Tail {
        /// Argument `from` of [`Tailer::tail`].
        from: usize,
        /// Argument `__items` of [`Tailer::tail`].
        #[serde(with = "::worker_core::__private::ByValue")]
        __items: ::worker_core::Sender<Line>,
    },
    /// Runs [`Tailer::search`].
    Search {
        /// Argument `word` of [`Tailer::search`].
        word: &'a str,
        /// Argument `__items` of [`Tailer::search`].
        #[serde(with = "::worker_core::__private::ByValue")]
        __items: ::worker_core::Sender<Line>,
    },
    /// Runs [`Tailer::lines`].
    Lines {
        /// Argument `__items` of [`Tailer::lines`].
        #[serde(with = "::worker_core::__private::ByValue")]
        __items: ::worker_core::Sender<Line>,
    },
}
/// How a [`TailerFrontend`] makes its [`Tailer`]: one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum TailerConstructor {
    /// Runs [`Tailer::new`].
    New,
}
impl ::worker_core::Actor for Tailer {
    type Constructor<'a> = TailerConstructor;
    type Request<'a> = TailerRequest<'a>;
    const NAME: &'static str = "Tailer";
    fn make(constructor: Self::Constructor<'_>, birth: &::worker_core::Birth<Self>) {
        match constructor {
            TailerConstructor::New => birth.value(Self::new()),
        }
    }
    fn live(backend: ::worker_core::__private::Backend<'_, Self>) -> i32 {
        backend.live_async()
    }
}
const _: fn() = ::worker_core::__private::has_runtime::<::worker_core::__private::Tasks>;
impl ::worker_core::__private::AsyncActor for Tailer {
    fn is_exclusive(request: &Self::Request<'_>) -> bool {
        match request {
            TailerRequest::Tail { .. } => false,
            TailerRequest::Search { .. } => true,
            TailerRequest::Lines { .. } => false,
        }
    }
    async fn run_async(
        mut access: ::worker_core::__private::Access<'_, Self>,
        request: Self::Request<'_>,
        call: &::worker_core::Call<'_, Self>,
    ) {
        match request {
            TailerRequest::Tail { from, __items } => {
                call.stream_async(__items, access.beside().tail(from)).await.carry()
            }
            TailerRequest::Search { word, __items } => {
                call.stream_async(__items, access.alone().search(word).await)
                    .await
                    .carry()
            }
            TailerRequest::Lines { __items } => {
                call.stream_iter(__items, access.beside().lines()).await.carry()
            }
        }
    }
}
/// The frontend of [`Tailer`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::worker_core::Frontend)]
pub struct TailerFrontend(::worker_core::Handle<Tailer>);
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl TailerFrontend {
    /// Starts a process and runs [`Tailer::new`] there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no process.
    pub fn spawn() -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        Self::spawn_with(&::worker_core::Builder::new())
    }
    /// Like [`TailerFrontend::spawn`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_with(
        builder: &::worker_core::Builder,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        ::worker_core::Handle::spawn(builder, &TailerConstructor::New).map(Self)
    }
    /// What is added from now on.
    ///
    /// Until the stream has ended or is dropped, a method that takes `&mut self` waits, with all that is called after it; those that take `&self` are served.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError) when the request cannot be queued; later errors come in the stream, as its last.
    pub fn tail(
        &self,
        from: usize,
    ) -> ::core::result::Result<::worker_core::Stream<Line>, ::worker_core::CallError> {
        self.0
            .stream(|__items| TailerRequest::Tail {
                from,
                __items,
            })
    }
    /// Calls [`Tailer::search`] in the backend; what it yields comes as a stream.
    ///
    /// Until the stream has ended or is dropped, the actor serves nobody else: a call by whoever holds the stream may wait for ever.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError) when the request cannot be queued; later errors come in the stream, as its last.
    pub fn search(
        &self,
        word: &str,
    ) -> ::core::result::Result<::worker_core::Stream<Line>, ::worker_core::CallError> {
        self.0
            .stream(|__items| TailerRequest::Search {
                word,
                __items,
            })
    }
    /// Calls [`Tailer::lines`] in the backend; what it yields comes as a stream.
    ///
    /// Until the stream has ended or is dropped, a method that takes `&mut self` waits, with all that is called after it; those that take `&self` are served.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError) when the request cannot be queued; later errors come in the stream, as its last.
    pub fn lines(
        &self,
    ) -> ::core::result::Result<::worker_core::Stream<Line>, ::worker_core::CallError> {
        self.0.stream(|__items| TailerRequest::Lines { __items })
    }
}
