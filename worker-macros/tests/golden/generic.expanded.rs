#[cfg(unix)]
impl<K, V: Clone, const N: usize> inner::Store<K, V, N>
where
    K: Serialize + DeserializeOwned + Ord,
    V: Serialize + DeserializeOwned + 'static,
{
    pub(crate) fn new() -> Self {
        Self::default()
    }
    pub fn from_parts(parts: Vec<(K, Self)>) -> io::Result<Self> {
        Self::join(parts)
    }
    pub fn get(&self, key: &K) -> Option<V> {
        self.map.get(key).cloned()
    }
    #[cfg(feature = "remove")]
    #[deprecated(note = "use `take`")]
    #[must_use = "the value is gone"]
    pub fn remove(
        &mut self,
        key: &K,
        #[cfg(feature = "hint")]
        hint: Cow<'_, str>,
    ) -> Option<V> {
        self.map.remove(key)
    }
    pub fn put_as<'x, T: Into<V> + Serialize + DeserializeOwned>(
        &'x mut self,
        r#type: &'x str,
        mut value: T,
        (a, b): (u8, u8),
        call: Option<&K>,
    ) -> usize {
        self.map.insert(r#type, value.into())
    }
    pub fn forget<T>(&mut self)
    where
        T: Kind,
    {
        self.map.retain(T::keep)
    }
}
#[cfg(unix)]
/// What a [`Remote`] asks of its [`Store`](inner::Store): one variant per exported method.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(crate::worker::__private::Serialize, crate::worker::__private::Deserialize)]
#[serde(crate = "crate::worker::__private::serde", bound = "")]
pub enum Ask<'a, K, V: Clone, const N: usize>
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static,
{
    /// Runs [`Store::get`](inner::Store::get).
    Get {
        /// Argument `key` of [`Store::get`](inner::Store::get).
        #[serde(with = "crate::worker::__private::ByRef")]
        key: crate::worker::Ref<'a, K>,
    },
    #[cfg(feature = "remove")]
    /// Runs [`Store::remove`](inner::Store::remove).
    Remove {
        /// Argument `key` of [`Store::remove`](inner::Store::remove).
        #[serde(with = "crate::worker::__private::ByRef")]
        key: crate::worker::Ref<'a, K>,
        #[cfg(feature = "hint")]
        /// Argument `hint` of [`Store::remove`](inner::Store::remove).
        #[serde(borrow)]
        hint: Cow<'a, str>,
    },
    #[doc(hidden)]
    #[serde(skip)]
    __Marker(::core::convert::Infallible, ::core::marker::PhantomData<(fn() -> V,)>),
}
#[cfg(unix)]
/// How a [`Remote`] makes its [`Store`](inner::Store): one variant per constructor.
#[allow(private_interfaces, reason = "the actor may be private")]
#[derive(crate::worker::__private::Serialize, crate::worker::__private::Deserialize)]
#[serde(crate = "crate::worker::__private::serde", bound = "")]
pub enum StoreConstructor<K, V: Clone, const N: usize>
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static,
{
    /// Runs [`Store::new`](inner::Store::new).
    New,
    /// Runs [`Store::from_parts`](inner::Store::from_parts).
    FromParts {
        /// Argument `parts` of [`Store::from_parts`](inner::Store::from_parts).
        #[serde(with = "crate::worker::__private::ByValue")]
        parts: Vec<(K, inner::Store<K, V, N>)>,
    },
}
#[cfg(unix)]
/// The arguments of [`Store::put_as`](inner::Store::put_as).
#[derive(crate::worker::__private::Serialize, crate::worker::__private::Deserialize)]
#[serde(crate = "crate::worker::__private::serde", bound = "")]
struct StorePutAs<
    'a,
    K,
    V: Clone,
    const N: usize,
    T: Into<V> + Serialize + DeserializeOwned + 'static,
>
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static,
{
    /// Argument `r#type` of [`Store::put_as`](inner::Store::put_as).
    r#type: &'a str,
    /// Argument `value` of [`Store::put_as`](inner::Store::put_as).
    #[serde(with = "crate::worker::__private::ByValue")]
    value: T,
    /// Argument `argument_3` of [`Store::put_as`](inner::Store::put_as).
    argument_3: (u8, u8),
    /// Argument `call` of [`Store::put_as`](inner::Store::put_as).
    #[serde(with = "crate::worker::__private::ByRef")]
    call: Option<crate::worker::Ref<'a, K>>,
    #[serde(skip)]
    __marker: ::core::marker::PhantomData<(fn() -> V,)>,
}
#[cfg(unix)]
impl<
    K,
    V: Clone,
    const N: usize,
    T: Into<V> + Serialize + DeserializeOwned + 'static,
> crate::worker::__private::GenericRequest<inner::Store<K, V, N>>
for StorePutAs<'_, K, V, N, T>
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static,
{
    type Decoded<'a> = StorePutAs<'a, K, V, N, T>;
    fn invoke(
        request: Self::Decoded<'_>,
        actor: &mut inner::Store<K, V, N>,
        call: &crate::worker::Call<'_, inner::Store<K, V, N>>,
    ) {
        match request {
            StorePutAs { r#type, value, argument_3, call, .. } => {
                call.reply(actor.put_as::<T>(r#type, value, argument_3, call.as_deref()))
                    .carry()
            }
        }
    }
}
#[cfg(unix)]
/// The arguments of [`Store::forget`](inner::Store::forget).
#[derive(crate::worker::__private::Serialize, crate::worker::__private::Deserialize)]
#[serde(crate = "crate::worker::__private::serde", bound = "")]
struct StoreForget<K, V: Clone, const N: usize, T>
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static,
    T: Kind + 'static,
{
    #[serde(skip)]
    __marker: ::core::marker::PhantomData<(fn() -> K, fn() -> V, fn() -> T)>,
}
#[cfg(unix)]
impl<
    K,
    V: Clone,
    const N: usize,
    T,
> crate::worker::__private::GenericRequest<inner::Store<K, V, N>>
for StoreForget<K, V, N, T>
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static,
    T: Kind + 'static,
{
    type Decoded<'a> = StoreForget<K, V, N, T>;
    fn invoke(
        request: Self::Decoded<'_>,
        actor: &mut inner::Store<K, V, N>,
        call: &crate::worker::Call<'_, inner::Store<K, V, N>>,
    ) {
        match request {
            StoreForget { .. } => actor.forget::<T>(),
        }
    }
}
#[cfg(unix)]
impl<K, V: Clone, const N: usize> crate::worker::Actor for inner::Store<K, V, N>
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static,
{
    type Constructor<'a> = StoreConstructor<K, V, N>;
    type Request<'a> = Ask<'a, K, V, N>;
    const NAME: &'static str = "Store";
    fn make(constructor: Self::Constructor<'_>, birth: &crate::worker::Birth<Self>) {
        match constructor {
            StoreConstructor::New => birth.value(Self::new()),
            StoreConstructor::FromParts { parts } => {
                birth.result::<::std::io::Error>(Self::from_parts(parts)).carry()
            }
        }
    }
    #[allow(deprecated, reason = "the caller is told, the way in between is not")]
    fn run(&mut self, request: Self::Request<'_>, call: &crate::worker::Call<'_, Self>) {
        match request {
            Ask::Get { key } => call.reply(Self::get(self, &key)).carry(),
            #[cfg(feature = "remove")]
            #[cfg(not(feature = "hint"))]
            Ask::Remove { key } => call.reply(Self::remove(self, &key)).carry(),
            #[cfg(feature = "remove")]
            #[cfg(feature = "hint")]
            Ask::Remove { key, hint } => {
                call.reply(Self::remove(self, &key, hint)).carry()
            }
            Ask::__Marker(never, _) => match never {}
        }
    }
}
#[cfg(unix)]
/// The frontend of [`Store`](inner::Store): the actor lives in a process of its own, and each method here is a message to it.
///
/// Clones share the actor.
#[derive(crate::worker::Frontend)]
pub struct Remote<K, V: Clone, const N: usize>(
    crate::worker::Handle<inner::Store<K, V, N>>,
)
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static;
#[cfg(unix)]
#[allow(private_interfaces, dead_code, reason = "private actor, unused calls")]
impl<K, V: Clone, const N: usize> Remote<K, V, N>
where
    K: Serialize + DeserializeOwned + Ord + 'static,
    V: Serialize + DeserializeOwned + 'static,
{
    /// Starts a process and runs [`Store::new`](inner::Store::new) there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](crate::worker::SpawnError): why there is no process.
    pub(crate) fn spawn() -> ::core::result::Result<Self, crate::worker::SpawnError> {
        Self::spawn_with(&crate::worker::Builder::new())
    }
    /// Like [`Remote::spawn`], as the [`Builder`](crate::worker::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](crate::worker::SpawnError): why there is no actor.
    pub(crate) fn spawn_with(
        builder: &crate::worker::Builder,
    ) -> ::core::result::Result<Self, crate::worker::SpawnError> {
        crate::worker::Handle::spawn(builder, &StoreConstructor::New).map(Self)
    }
    /// Starts a process and runs [`Store::from_parts`](inner::Store::from_parts) there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](crate::worker::SpawnError): what [`Store::from_parts`](inner::Store::from_parts) returns as its error, or why there is no process.
    pub fn spawn_from_parts(
        parts: Vec<(K, inner::Store<K, V, N>)>,
    ) -> ::core::result::Result<Self, crate::worker::SpawnError<::std::io::Error>> {
        Self::spawn_from_parts_with(&crate::worker::Builder::new(), parts)
    }
    /// Like [`Remote::spawn_from_parts`], as the [`Builder`](crate::worker::Builder) says.
    ///
    /// # Errors
    ///
    /// [`SpawnError`](crate::worker::SpawnError): why there is no actor.
    pub fn spawn_from_parts_with(
        builder: &crate::worker::Builder,
        parts: Vec<(K, inner::Store<K, V, N>)>,
    ) -> ::core::result::Result<Self, crate::worker::SpawnError<::std::io::Error>> {
        crate::worker::Handle::spawn_fallible(
                builder,
                &StoreConstructor::FromParts {
                    parts,
                },
            )
            .carry()
            .map(Self)
    }
    /// Calls [`Store::get`](inner::Store::get) in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](crate::worker::CallError): why there is no reply of [`Store::get`](inner::Store::get).
    pub fn get(
        &self,
        key: &K,
    ) -> ::core::result::Result<Option<V>, crate::worker::CallError> {
        self.0
            .call(
                &Ask::Get {
                    key: crate::worker::Ref::Borrowed(key),
                },
            )
            .carry()
    }
    /// Like [`Remote::get`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn get_async(&self, key: &K) -> crate::worker::Pending<Option<V>> {
        self.0
            .call_async(
                &Ask::Get {
                    key: crate::worker::Ref::Borrowed(key),
                },
            )
            .carry()
    }
    /// Calls [`Store::remove`](inner::Store::remove) in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](crate::worker::CallError): why there is no reply of [`Store::remove`](inner::Store::remove).
    #[cfg(feature = "remove")]
    #[deprecated(note = "use `take`")]
    #[must_use = "the value is gone"]
    pub fn remove(
        &self,
        key: &K,
        #[cfg(feature = "hint")]
        hint: Cow<'_, str>,
    ) -> ::core::result::Result<Option<V>, crate::worker::CallError> {
        self.0
            .call(
                &Ask::Remove {
                    key: crate::worker::Ref::Borrowed(key),
                    #[cfg(feature = "hint")]
                    hint,
                },
            )
            .carry()
    }
    /// Like [`Remote::remove`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    #[cfg(feature = "remove")]
    #[deprecated(note = "use `take`")]
    #[must_use = "the value is gone"]
    pub fn remove_async(
        &self,
        key: &K,
        #[cfg(feature = "hint")]
        hint: Cow<'_, str>,
    ) -> crate::worker::Pending<Option<V>> {
        self.0
            .call_async(
                &Ask::Remove {
                    key: crate::worker::Ref::Borrowed(key),
                    #[cfg(feature = "hint")]
                    hint,
                },
            )
            .carry()
    }
    /// Calls [`Store::put_as`](inner::Store::put_as) in the backend and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`CallError`](crate::worker::CallError): why there is no reply of [`Store::put_as`](inner::Store::put_as).
    pub fn put_as<T: Into<V> + Serialize + DeserializeOwned + 'static>(
        &self,
        r#type: &str,
        value: T,
        argument_3: (u8, u8),
        call: Option<&K>,
    ) -> ::core::result::Result<usize, crate::worker::CallError> {
        self.0
            .call_generic(
                &StorePutAs::<K, V, N, T> {
                    r#type,
                    value,
                    argument_3,
                    call: call.map(crate::worker::Ref::Borrowed),
                    __marker: ::core::marker::PhantomData,
                },
            )
            .carry()
    }
    /// Like [`Remote::put_as`], but waits for no reply: it returns once the request is queued, and waits only while there is no room for it.
    pub fn put_as_async<T: Into<V> + Serialize + DeserializeOwned + 'static>(
        &self,
        r#type: &str,
        value: T,
        argument_3: (u8, u8),
        call: Option<&K>,
    ) -> crate::worker::Pending<usize> {
        self.0
            .call_generic_async(
                &StorePutAs::<K, V, N, T> {
                    r#type,
                    value,
                    argument_3,
                    call: call.map(crate::worker::Ref::Borrowed),
                    __marker: ::core::marker::PhantomData,
                },
            )
            .carry()
    }
    /// Queues a call of [`Store::forget`](inner::Store::forget); nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`CallError`](crate::worker::CallError) when the request cannot be queued; what [`Store::forget`](inner::Store::forget) makes of it is not reported.
    pub fn forget<T>(&self) -> ::core::result::Result<(), crate::worker::CallError>
    where
        T: Kind + 'static,
    {
        self.0
            .send_generic(
                &StoreForget::<K, V, N, T> {
                    __marker: ::core::marker::PhantomData,
                },
            )
    }
}
