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
/// What a [`CounterFrontend`] asks of its [`Counter`]: one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum CounterRequest {
    /// Adds.
    Add {
        /// Argument `n` of [`Counter::add`].
        n: i64,
    },
}
/// How a [`CounterFrontend`] makes its [`Counter`]: one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum CounterConstructor {
    /// Runs [`Counter::new`].
    New {
        /// Argument `start` of [`Counter::new`].
        start: i64,
    },
}
impl ::worker_core::Actor for Counter {
    type Constructor<'a> = CounterConstructor;
    type Request<'a> = CounterRequest;
    const NAME: &'static str = "Counter";
    fn make(constructor: Self::Constructor<'_>, birth: &::worker_core::Birth<Self>) {
        match constructor {
            CounterConstructor::New { start } => birth.value(Self::new(start)),
        }
    }
    fn run(&mut self, request: Self::Request<'_>, call: &::worker_core::Call<'_, Self>) {
        match request {
            CounterRequest::Add { n } => call.reply(Self::add(self, n)).carry(),
        }
    }
}
/// The frontend of [`Counter`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::worker_core::Frontend)]
pub struct CounterFrontend(::worker_core::Handle<Counter>);
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl CounterFrontend {
    /// Starts a process and runs [`Counter::new`] there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no process.
    pub fn spawn(start: i64) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        Self::spawn_with(&::worker_core::Builder::new(), start)
    }
    /// Like [`CounterFrontend::spawn`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_with(
        builder: &::worker_core::Builder,
        start: i64,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        ::worker_core::Handle::spawn(builder, &CounterConstructor::New { start })
            .map(Self)
    }
    /// Adds.
    ///
    /// ```
    /// assert_eq!(Counter::new(40).add(2), 42);
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Counter::add`].
    pub fn add(&self, n: i64) -> ::core::result::Result<i64, ::worker_core::CallError> {
        self.0.call(&CounterRequest::Add { n }).carry()
    }
    /// Like [`CounterFrontend::add`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn add_async(&self, n: i64) -> ::worker_core::Pending<i64> {
        self.0.call_async(&CounterRequest::Add { n }).carry()
    }
}
