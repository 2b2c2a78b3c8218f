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
    fn construct(
        constructor: CounterConstructor,
        construction: &::worker_core::__private::Construction,
    ) -> ::worker_core::__private::Constructed<Self> {
        match constructor {
            CounterConstructor::New { start } => construction.value(Self::new(start)),
        }
    }
    fn dispatch(
        &mut self,
        request: CounterRequest,
        call: &::worker_core::__private::Call<'_, Self>,
    ) -> ::worker_core::__private::Replied {
        match request {
            CounterRequest::Add { n } => call.reply(self.add(n)),
        }
    }
}
/// The frontend of [`Counter`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
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
        self.0.call(&CounterRequest::Add { n })
    }
    /// Like [`CounterFrontend::add`], but returns at once: the reply comes with the pending call.
    pub fn add_async(&self, n: i64) -> ::worker_core::Pending<i64> {
        self.0.call_async(&CounterRequest::Add { n })
    }
    /// The same actor, with calls that fail after `timeout` ([`CallError`](::worker_core::CallError)).
    #[must_use]
    pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
        Self(self.0.with_timeout(timeout))
    }
}
impl ::core::ops::Deref for CounterFrontend {
    type Target = ::worker_core::Remote;
    fn deref(&self) -> &::worker_core::Remote {
        &self.0
    }
}
impl ::worker_core::Frontend for CounterFrontend {}
#[automatically_derived]
impl ::core::convert::From<::worker_core::Handle<Counter>> for CounterFrontend {
    fn from(handle: ::worker_core::Handle<Counter>) -> Self {
        Self(handle)
    }
}
