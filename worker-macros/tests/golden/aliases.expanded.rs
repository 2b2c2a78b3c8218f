impl<T: Row> Table<T> {
    pub fn open(path: &Path) -> TableResult<Self> {
        Self::read(path)
    }
    pub fn first(&self) -> TableResult<T> {
        self.get(0)
    }
    pub fn count(&self) -> TableResult<usize> {
        self.counted()
    }
    pub fn folder(&self) -> Option<&Path> {
        self.path.parent()
    }
    pub fn search(&self, name: &str) -> SearchResult<u64> {
        self.found(name)
    }
}
/// What a [`TableFrontend`] asks of its [`Table`]: one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde", bound = "")]
pub enum TableRequest<'a, T: Row + 'static> {
    /// Runs [`Table::first`].
    First,
    /// Runs [`Table::count`].
    Count,
    /// Runs [`Table::folder`].
    Folder,
    /// Runs [`Table::search`].
    Search {
        /// Argument `name` of [`Table::search`].
        name: &'a str,
    },
    #[doc(hidden)]
    #[serde(skip)]
    __Marker(::core::convert::Infallible, ::core::marker::PhantomData<(fn() -> T,)>),
}
/// How a [`TableFrontend`] makes its [`Table`]: one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(::worker_core::__private::Serialize, ::worker_core::__private::Deserialize)]
#[serde(crate = "::worker_core::__private::serde", bound = "")]
pub enum TableConstructor<'a, T: Row + 'static> {
    /// Runs [`Table::open`].
    Open {
        /// Argument `path` of [`Table::open`].
        #[serde(borrow, with = "::worker_core::__private::Paths")]
        path: &'a Path,
    },
    #[doc(hidden)]
    #[serde(skip)]
    __Marker(::core::convert::Infallible, ::core::marker::PhantomData<(fn() -> T,)>),
}
impl<T: Row + 'static> ::worker_core::Actor for Table<T> {
    type Constructor<'a> = TableConstructor<'a, T>;
    type Request<'a> = TableRequest<'a, T>;
    const NAME: &'static str = "Table";
    fn make(constructor: Self::Constructor<'_>, birth: &::worker_core::Birth<Self>) {
        match constructor {
            TableConstructor::Open { path } => {
                birth
                    .result(
                        ::worker_core::__private::Fallible::<
                            true,
                        >::result(Self::open(path)),
                    )
                    .carry()
            }
            TableConstructor::__Marker(never, _) => match never {}
        }
    }
    fn run(&mut self, request: Self::Request<'_>, call: &::worker_core::Call<'_, Self>) {
        match request {
            TableRequest::First => {
                call.reply_result(
                        ::worker_core::__private::Fallible::<
                            true,
                        >::result(Self::first(self)),
                    )
                    .carry()
            }
            TableRequest::Count => {
                call.reply_result(
                        <TableResult<
                            usize,
                        > as ::worker_core::__private::Fallible>::result(
                            Self::count(self),
                        ),
                    )
                    .carry()
            }
            TableRequest::Folder => {
                call.reply_lent::<Option<&::std::path::Path>>(Self::folder(self)).carry()
            }
            TableRequest::Search { name } => call.reply(Self::search(self, name)).carry(),
            TableRequest::__Marker(never, _) => match never {}
        }
    }
}
/// The frontend of [`Table`]: the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(::worker_core::Frontend)]
pub struct TableFrontend<T: Row + 'static>(::worker_core::Handle<Table<T>>);
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl<T: Row + 'static> TableFrontend<T> {
    /// Starts a process and runs [`Table::open`] there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): what [`Table::open`] returns as its error, or why there is no process.
    pub fn spawn_open(
        path: &Path,
    ) -> ::core::result::Result<
        Self,
        ::worker_core::__private::SpawnErrorOf<TableResult<Table<T>>>,
    > {
        Self::spawn_open_with(&::worker_core::Builder::new(), path)
    }
    /// Like [`TableFrontend::spawn_open`], as the [`Builder`](::worker_core::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](::worker_core::SpawnError): why there is no actor.
    pub fn spawn_open_with(
        builder: &::worker_core::Builder,
        path: &Path,
    ) -> ::core::result::Result<
        Self,
        ::worker_core::__private::SpawnErrorOf<TableResult<Table<T>>>,
    > {
        ::worker_core::Handle::spawn_fallible(builder, &TableConstructor::Open { path })
            .carry()
            .map(Self)
    }
    /// Calls [`Table::first`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Table::first`] returns as its error, or why there is no reply.
    pub fn first(&self) -> ::worker_core::__private::ResultOf<TableResult<T>> {
        self.0.call(&TableRequest::First).carry()
    }
    /// Like [`TableFrontend::first`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn first_async(&self) -> ::worker_core::__private::PendingOf<TableResult<T>> {
        self.0.call_async(&TableRequest::First).carry()
    }
    /// Calls [`Table::count`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): what [`Table::count`] returns as its error, or why there is no reply.
    pub fn count(
        &self,
    ) -> ::worker_core::__private::ResultOf<
        TableResult<usize>,
        { <TableResult<usize> as ::worker_core::__private::Fallible>::TAKEN },
    > {
        self.0.call(&TableRequest::Count).carry()
    }
    /// Like [`TableFrontend::count`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn count_async(
        &self,
    ) -> ::worker_core::__private::PendingOf<
        TableResult<usize>,
        { <TableResult<usize> as ::worker_core::__private::Fallible>::TAKEN },
    > {
        self.0.call_async(&TableRequest::Count).carry()
    }
    /// Calls [`Table::folder`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Table::folder`].
    pub fn folder(
        &self,
    ) -> ::core::result::Result<Option<::std::path::PathBuf>, ::worker_core::CallError> {
        self.0.call(&TableRequest::Folder).carry()
    }
    /// Like [`TableFrontend::folder`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn folder_async(&self) -> ::worker_core::Pending<Option<::std::path::PathBuf>> {
        self.0.call_async(&TableRequest::Folder).carry()
    }
    /// Calls [`Table::search`] in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](::worker_core::CallError): why there is no reply of [`Table::search`].
    pub fn search(
        &self,
        name: &str,
    ) -> ::core::result::Result<SearchResult<u64>, ::worker_core::CallError> {
        self.0.call(&TableRequest::Search { name }).carry()
    }
    /// Like [`TableFrontend::search`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn search_async(&self, name: &str) -> ::worker_core::Pending<SearchResult<u64>> {
        self.0.call_async(&TableRequest::Search { name }).carry()
    }
}
