impl Porter {
    pub fn new(log: File) -> Self {
        Self { log }
    }
    pub fn copy(&mut self, from: &File, to: Option<&UnixStream>) -> io::Result<u64> {
        self.copied(from, to)
    }
    pub fn watch(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        descriptor.try_clone_to_owned()
    }
}
/// What a [`PorterFrontend`] asks of its [`Porter`]: one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum PorterRequest<'a> {
    /// Runs [`Porter::copy`].
    Copy {
        /// Argument `from` of [`Porter::copy`].
        #[serde(with = "::worker_core::__private::ByRef")]
        from: ::worker_core::Ref<'a, File>,
        /// Argument `to` of [`Porter::copy`].
        #[serde(with = "::worker_core::__private::ByRef")]
        to: Option<::worker_core::Ref<'a, UnixStream>>,
    },
    /// Runs [`Porter::watch`].
    Watch {
        /// Argument `descriptor` of [`Porter::watch`].
        descriptor: ::worker_core::descriptor::Lent<'a>,
    },
}
/// How a [`PorterFrontend`] makes its [`Porter`]: one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde")]
pub enum PorterConstructor {
    /// Runs [`Porter::new`].
    New {
        /// Argument `log` of [`Porter::new`].
        #[serde(with = "::worker_core::__private::ByValue")]
        log: File,
    },
}
impl ::worker_core::Actor for Porter {
    type Constructor<'a> = PorterConstructor;
    type Request<'a> = PorterRequest<'a>;
    const NAME: &'static str = "Porter";
    fn make(constructor: Self::Constructor<'_>, birth: &::worker_core::Birth<Self>) {
        match constructor {
            PorterConstructor::New { log } => birth.value(Self::new(log)),
        }
    }
    fn run(&mut self, request: Self::Request<'_>, call: &::worker_core::Call<'_, Self>) {
        match request {
            PorterRequest::Copy { from, to } => {
                call.reply_result::<
                        u64,
                        ::std::io::Error,
                    >(Self::copy(self, &from, to.as_deref()))
                    .carry()
            }
            PorterRequest::Watch { descriptor } => {
                call.reply_result::<
                        OwnedFd,
                        ::std::io::Error,
                    >(Self::watch(self, ::std::os::fd::AsFd::as_fd(&descriptor)))
                    .carry()
            }
        }
    }
}
/// The frontend of [`Porter`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::worker_core::Frontend)]
pub struct PorterFrontend(::worker_core::Handle<Porter>);
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl PorterFrontend {
    /// Starts a process and runs [`Porter::new`] there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no process.
    pub fn spawn(log: File) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        Self::spawn_with(&::worker_core::Builder::new(), log)
    }
    /// Like [`PorterFrontend::spawn`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_with(
        builder: &::worker_core::Builder,
        log: File,
    ) -> ::core::result::Result<Self, ::worker_core::SpawnError> {
        ::worker_core::Handle::spawn(builder, &PorterConstructor::New { log }).map(Self)
    }
    /// Calls [`Porter::copy`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Porter::copy`] returns as its error, or why there is no reply.
    pub fn copy(
        &self,
        from: &File,
        to: Option<&UnixStream>,
    ) -> ::core::result::Result<u64, ::worker_core::CallError<::std::io::Error>> {
        self.0
            .call(
                &PorterRequest::Copy {
                    from: ::worker_core::Ref::Borrowed(from),
                    to: to.map(::worker_core::Ref::Borrowed),
                },
            )
            .carry()
    }
    /// Like [`PorterFrontend::copy`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn copy_async(
        &self,
        from: &File,
        to: Option<&UnixStream>,
    ) -> ::worker_core::Pending<u64, ::std::io::Error> {
        self.0
            .call_async(
                &PorterRequest::Copy {
                    from: ::worker_core::Ref::Borrowed(from),
                    to: to.map(::worker_core::Ref::Borrowed),
                },
            )
            .carry()
    }
    /// Calls [`Porter::watch`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Porter::watch`] returns as its error, or why there is no reply.
    pub fn watch(
        &self,
        descriptor: BorrowedFd<'_>,
    ) -> ::core::result::Result<OwnedFd, ::worker_core::CallError<::std::io::Error>> {
        self.0
            .call(
                &PorterRequest::Watch {
                    descriptor: ::worker_core::descriptor::Lent::Borrowed(descriptor),
                },
            )
            .carry()
    }
    /// Like [`PorterFrontend::watch`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn watch_async(
        &self,
        descriptor: BorrowedFd<'_>,
    ) -> ::worker_core::Pending<OwnedFd, ::std::io::Error> {
        self.0
            .call_async(
                &PorterRequest::Watch {
                    descriptor: ::worker_core::descriptor::Lent::Borrowed(descriptor),
                },
            )
            .carry()
    }
}
