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
    fn construct(
        constructor: PorterConstructor,
        construction: &::worker_core::__private::Construction,
    ) -> ::worker_core::__private::Constructed<Self> {
        match constructor {
            PorterConstructor::New { log } => construction.value(Self::new(log)),
        }
    }
    fn dispatch(
        &mut self,
        request: PorterRequest<'_>,
        call: &::worker_core::__private::Call<'_, Self>,
    ) -> ::worker_core::__private::Replied {
        match request {
            PorterRequest::Copy { from, to } => {
                call.reply_result(self.copy(&from, to.as_deref()))
            }
            PorterRequest::Watch { descriptor } => {
                call.reply_result(self.watch(::std::os::fd::AsFd::as_fd(&descriptor)))
            }
        }
    }
}
/// The frontend of [`Porter`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
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
    ) -> ::core::result::Result<
        <io::Result<u64> as ::worker_core::__private::Fallible>::Value,
        ::worker_core::CallError<
            <io::Result<u64> as ::worker_core::__private::Fallible>::Error,
        >,
    > {
        self.0
            .call(
                &PorterRequest::Copy {
                    from: ::worker_core::Ref::Borrowed(from),
                    to: to.map(::worker_core::Ref::Borrowed),
                },
            )
    }
    /// Like [`PorterFrontend::copy`], but returns at once: the reply comes with the pending call.
    pub fn copy_async(
        &self,
        from: &File,
        to: Option<&UnixStream>,
    ) -> ::worker_core::Pending<
        <io::Result<u64> as ::worker_core::__private::Fallible>::Value,
        <io::Result<u64> as ::worker_core::__private::Fallible>::Error,
    > {
        self.0
            .call_async(
                &PorterRequest::Copy {
                    from: ::worker_core::Ref::Borrowed(from),
                    to: to.map(::worker_core::Ref::Borrowed),
                },
            )
    }
    /// Calls [`Porter::watch`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Porter::watch`] returns as its error, or why there is no reply.
    pub fn watch(
        &self,
        descriptor: BorrowedFd<'_>,
    ) -> ::core::result::Result<
        <io::Result<OwnedFd> as ::worker_core::__private::Fallible>::Value,
        ::worker_core::CallError<
            <io::Result<OwnedFd> as ::worker_core::__private::Fallible>::Error,
        >,
    > {
        self.0
            .call(
                &PorterRequest::Watch {
                    descriptor: ::worker_core::descriptor::Lent::Borrowed(descriptor),
                },
            )
    }
    /// Like [`PorterFrontend::watch`], but returns at once: the reply comes with the pending call.
    pub fn watch_async(
        &self,
        descriptor: BorrowedFd<'_>,
    ) -> ::worker_core::Pending<
        <io::Result<OwnedFd> as ::worker_core::__private::Fallible>::Value,
        <io::Result<OwnedFd> as ::worker_core::__private::Fallible>::Error,
    > {
        self.0
            .call_async(
                &PorterRequest::Watch {
                    descriptor: ::worker_core::descriptor::Lent::Borrowed(descriptor),
                },
            )
    }
    /// The same actor, with calls that fail after `timeout` ([`CallError`](::worker_core::CallError)).
    #[must_use]
    pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
        Self(self.0.with_timeout(timeout))
    }
}
impl ::core::ops::Deref for PorterFrontend {
    type Target = ::worker_core::Remote;
    fn deref(&self) -> &::worker_core::Remote {
        &self.0
    }
}
impl ::worker_core::Frontend for PorterFrontend {}
#[automatically_derived]
impl ::core::convert::From<::worker_core::Handle<Porter>> for PorterFrontend {
    fn from(handle: ::worker_core::Handle<Porter>) -> Self {
        Self(handle)
    }
}
