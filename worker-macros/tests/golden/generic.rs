#[process_actor(frontend = Remote, request = Ask, crate = crate::worker)]
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
    pub fn remove(&mut self, key: &K, #[cfg(feature = "hint")] hint: Cow<'_, str>) -> Option<V> {
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
    #[oneway]
    pub fn forget<T>(&mut self)
    where
        T: Kind,
    {
        self.map.retain(T::keep)
    }
}
