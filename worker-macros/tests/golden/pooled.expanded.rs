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
    fn make(constructor: Self::Constructor<'_>, birth: &::worker_core::Birth<Self>) {
        match constructor {
            SessionConstructor::New => birth.value(Self::new()),
        }
    }
    fn run(&mut self, request: Self::Request<'_>, call: &::worker_core::Call<'_, Self>) {
        match request {
            SessionRequest::Add { entry } => call.reply(Self::add(self, entry)).carry(),
        }
    }
    fn activate(&mut self, context: &::worker_core::Context<Self>) {
        Self::fresh(self, context);
    }
    #[cfg(unix)]
    fn deactivate(&mut self, _context: &::worker_core::Context<Self>) {
        Self::idle(self);
    }
}
/// The frontend of [`Session`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::worker_core::Frontend)]
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
        self.0.call(&SessionRequest::Add { entry }).carry()
    }
    /// Like [`SessionFrontend::add`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn add_async(&self, entry: &str) -> ::worker_core::Pending<()> {
        self.0.call_async(&SessionRequest::Add { entry }).carry()
    }
}
