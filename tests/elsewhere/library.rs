//! A library of a user whose actors are its own affair, and which denies every warning, also those of its documentation.
#![deny(warnings, missing_docs)]

/// A module that anybody reaches.
pub mod counters {
    /// Counts, for this library alone.
    pub(crate) struct Counter {
        total: i64,
    }

    #[engine::process_actor(crate = ::engine)]
    impl Counter {
        /// Starts from a number.
        pub fn new(start: i64) -> Self {
            Self { total: start }
        }
        /// Starts from a number, or says why not.
        ///
        /// # Errors
        ///
        /// When the number is negative.
        pub fn natural(start: i64) -> Result<Self, String> {
            if start < 0 { Err("below zero".to_owned()) } else { Ok(Self { total: start }) }
        }
        /// Adds.
        pub fn add(&mut self, n: i64) -> i64 {
            self.total += n;
            self.total
        }
        pub fn numbers(&self) -> impl Iterator<Item = i64> {
            0..self.total
        }
        /// Says nothing.
        #[oneway]
        pub fn reset(&mut self) {
            self.total = 0;
        }
        // No words of its own: all of them are generated.
        pub fn total(&self) -> i64 {
            self.total
        }
    }

    struct Held<T>(T);

    #[engine::process_actor(crate = ::engine)]
    impl<T: serde::Serialize + serde::de::DeserializeOwned + Clone + 'static> Held<T> {
        /// Holds a value.
        pub fn new(value: T) -> Self {
            Self(value)
        }
        /// Gives it.
        pub fn get(&self) -> T {
            self.0.clone()
        }
    }

    struct Quiet;

    #[engine::process_actor(crate = ::engine)]
    impl Quiet {
        /// Makes it.
        pub(crate) fn new() -> Self {
            Self
        }
        /// Says nothing.
        #[oneway]
        pub(crate) fn nothing(&self) {}
    }

    /// Uses them all.
    ///
    /// # Errors
    ///
    /// When there is no process.
    pub fn total() -> Result<i64, Box<dyn std::error::Error>> {
        let counter = CounterFrontend::spawn(1)?;
        let held = HeldFrontend::spawn(counter.add(1)?)?;
        QuietFrontend::spawn()?.nothing()?;
        Ok(held.get()?)
    }
}
