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
    pub async fn log(&mut self, line: String) {
        self.lines.push(line);
    }
}
/// What a [`FetcherFrontend`] asks of its [`Fetcher`]: one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum FetcherRequest<'a> {
    /// Runs [`Fetcher::fetch`].
    Fetch {
        /// Argument `url` of [`Fetcher::fetch`].
        url: &'a str,
    },
    /// Runs [`Fetcher::refresh`].
    Refresh,
    /// Runs [`Fetcher::pages`].
    Pages,
    /// Runs [`Fetcher::log`].
    Log {
        /// Argument `line` of [`Fetcher::log`].
        line: String,
    },
}
/// How a [`FetcherFrontend`] makes its [`Fetcher`]: one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum FetcherConstructor {
    /// Runs [`Fetcher::new`].
    New,
}
impl ::worker_core::Actor for Fetcher {
    type Constructor<'a> = FetcherConstructor;
    type Request<'a> = FetcherRequest<'a>;
    const NAME: &'static str = "Fetcher";
    fn make(constructor: Self::Constructor<'_>, birth: &::worker_core::Birth<Self>) {
        match constructor {
            FetcherConstructor::New => birth.value(Self::new()),
        }
    }
    fn live(backend: ::worker_core::__private::Backend<'_, Self>) -> i32 {
        backend.live_async()
    }
}
const _: fn() = ::worker_core::__private::has_runtime::<::worker_core::__private::Tasks>;
impl ::worker_core::__private::AsyncActor for Fetcher {
    fn is_exclusive(request: &Self::Request<'_>) -> bool {
        match request {
            FetcherRequest::Fetch { .. } => false,
            FetcherRequest::Refresh { .. } => true,
            FetcherRequest::Pages { .. } => false,
            FetcherRequest::Log { .. } => true,
        }
    }
    async fn run_async(
        mut access: ::worker_core::__private::Access<'_, Self>,
        request: Self::Request<'_>,
        call: &::worker_core::Call<'_, Self>,
    ) {
        match request {
            FetcherRequest::Fetch { url } => {
                call.reply_result::<Page, FetchError>(access.beside().fetch(url).await)
                    .carry()
            }
            FetcherRequest::Refresh => {
                call.reply(access.alone().refresh(call.context()).await).carry()
            }
            FetcherRequest::Pages => call.reply(access.beside().pages()).carry(),
            FetcherRequest::Log { line } => access.alone().log(line).await,
        }
    }
}
/// The frontend of [`Fetcher`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::worker_core::Frontend)]
pub struct FetcherFrontend(::worker_core::Handle<Fetcher>);
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl FetcherFrontend {
    /// Starts a process and runs [`Fetcher::new`] there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no process.
    pub fn spawn() -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        Self::spawn_with(&::worker_core::Builder::new())
    }
    /// Like [`FetcherFrontend::spawn`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_with(
        builder: &::worker_core::Builder,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        ::worker_core::Handle::spawn(builder, &FetcherConstructor::New).map(Self)
    }
    /// Calls [`Fetcher::fetch`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Fetcher::fetch`] returns as its error, or why there is no reply.
    pub fn fetch(
        &self,
        url: &str,
    ) -> ::core::result::Result<Page, ::worker_core::CallError<FetchError>> {
        self.0.call(&FetcherRequest::Fetch { url }).carry()
    }
    /// Like [`FetcherFrontend::fetch`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn fetch_async(&self, url: &str) -> ::worker_core::Pending<Page, FetchError> {
        self.0.call_async(&FetcherRequest::Fetch { url }).carry()
    }
    /// Calls [`Fetcher::refresh`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Fetcher::refresh`].
    pub fn refresh(&self) -> ::core::result::Result<u64, ::worker_core::CallError> {
        self.0.call(&FetcherRequest::Refresh).carry()
    }
    /// Like [`FetcherFrontend::refresh`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn refresh_async(&self) -> ::worker_core::Pending<u64> {
        self.0.call_async(&FetcherRequest::Refresh).carry()
    }
    /// Calls [`Fetcher::pages`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Fetcher::pages`].
    pub fn pages(&self) -> ::core::result::Result<u64, ::worker_core::CallError> {
        self.0.call(&FetcherRequest::Pages).carry()
    }
    /// Like [`FetcherFrontend::pages`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn pages_async(&self) -> ::worker_core::Pending<u64> {
        self.0.call_async(&FetcherRequest::Pages).carry()
    }
    /// Queues a call of [`Fetcher::log`]; nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError) when the request cannot be queued; what [`Fetcher::log`] makes of it is not reported.
    pub fn log(
        &self,
        line: String,
    ) -> ::core::result::Result<(), ::worker_core::CallError> {
        self.0.send(&FetcherRequest::Log { line })
    }
}
