impl Session {
    pub fn new() -> Self {
        Self { entries: Vec::new() }
    }
    pub fn add(&mut self, entry: &str) {
        self.entries.push(entry.to_owned());
    }
    fn fresh(&mut self, cx: &Context<Self>) {
        self.entries.push(cx.name().to_owned());
    }
    #[cfg(unix)]
    fn idle(&mut self) {
        self.entries.clear();
    }
}
/// What a [`SessionFrontend`] asks of its [`Session`]: one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum SessionRequest<'a> {
    /// Runs [`Session::add`].
    Add {
        /// Argument `entry` of [`Session::add`].
        entry: &'a str,
    },
}
/// How a [`SessionFrontend`] makes its [`Session`]: one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum SessionConstructor {
    /// Runs [`Session::new`].
    New,
}
impl ::worker_core::Actor for Session {
    type Constructor<'a> = SessionConstructor;
    type Request<'a> = SessionRequest<'a>;
    const NAME: &'static str = "Session";
    fn construct(
        constructor: SessionConstructor,
        construction: &::worker_core::__private::Construction,
    ) -> ::worker_core::__private::Constructed<Self> {
        match constructor {
            SessionConstructor::New => construction.value(Self::new()),
        }
    }
    fn dispatch(
        &mut self,
        request: SessionRequest<'_>,
        call: &::worker_core::__private::Call<'_, Self>,
    ) -> ::worker_core::__private::Replied {
        match request {
            SessionRequest::Add { entry } => call.reply(self.add(entry)),
        }
    }
    fn activate(&mut self, context: &::worker_core::Context<Self>) {
        self.fresh(context);
    }
    #[cfg(unix)]
    fn deactivate(&mut self, _context: &::worker_core::Context<Self>) {
        self.idle();
    }
}
/// The frontend of [`Session`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct SessionFrontend(::worker_core::Handle<Session>);
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl SessionFrontend {
    /// Starts a process and runs [`Session::new`] there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no process.
    pub fn spawn() -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        Self::spawn_with(&::worker_core::Builder::new())
    }
    /// Like [`SessionFrontend::spawn`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_with(
        builder: &::worker_core::Builder,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        ::worker_core::Handle::spawn(builder, &SessionConstructor::New).map(Self)
    }
    /// Calls [`Session::add`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Session::add`].
    pub fn add(
        &self,
        entry: &str,
    ) -> ::core::result::Result<(), ::worker_core::CallError> {
        self.0.call(&SessionRequest::Add { entry })
    }
    /// Like [`SessionFrontend::add`], but returns at once: the reply comes with the pending call.
    pub fn add_async(&self, entry: &str) -> ::worker_core::Pending<()> {
        self.0.call_async(&SessionRequest::Add { entry })
    }
    /// The same actor, with calls that fail after `timeout` ([`CallError`](::worker_core::CallError)).
    #[must_use]
    pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
        Self(self.0.with_timeout(timeout))
    }
}
impl ::core::ops::Deref for SessionFrontend {
    type Target = ::worker_core::Remote;
    fn deref(&self) -> &::worker_core::Remote {
        &self.0
    }
}
impl ::worker_core::Frontend for SessionFrontend {}
#[automatically_derived]
impl ::core::convert::From<::worker_core::Handle<Session>> for SessionFrontend {
    fn from(handle: ::worker_core::Handle<Session>) -> Self {
        Self(handle)
    }
}
