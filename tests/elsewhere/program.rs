//! A program of a user who has renamed the runtime, denies every warning, and has nothing of it in scope.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, unsafe_code, unused_qualifications, rust_2018_idioms)]

/// Counts.
pub struct Counter {
    total: i64,
    name: ::std::string::String,
}

/// A word that is one in a later edition only.
#[derive(::serde::Serialize, ::serde::Deserialize)]
pub struct Step(pub i64);

#[::engine::process_actor(crate = ::engine)]
impl Counter {
    /// Starts from a number.
    pub fn new(start: i64) -> Self {
        Self { total: start, name: ::std::string::ToString::to_string("counter") }
    }
    /// Adds.
    pub fn add(&mut self, by: Step, lent: &Step, more: ::std::option::Option<&[u8]>) -> i64 {
        let more = more.map_or(0, <[u8]>::len);
        self.total += by.0 + lent.0 + ::std::convert::TryFrom::try_from(more).unwrap_or(0);
        self.total
    }
    /// Adds, or says why not.
    ///
    /// # Errors
    ///
    /// When there is no room for the sum.
    pub fn try_add(&mut self, n: i64) -> ::std::result::Result<i64, ::std::string::String> {
        let sum = self.total.checked_add(n);
        self.total = sum.ok_or_else(|| ::std::string::ToString::to_string("no room"))?;
        ::std::result::Result::Ok(self.total)
    }
    /// Lends.
    pub fn name(&self) -> ::std::option::Option<&str> {
        ::std::option::Option::Some(&self.name)
    }
    /// Any type.
    pub fn echo<T: ::serde::Serialize + ::serde::de::DeserializeOwned + 'static>(&self, value: T) -> T {
        value
    }
    /// Says nothing.
    #[oneway]
    pub fn reset(&mut self) {
        self.total = 0;
    }
}

fn main() -> ::std::result::Result<(), ::std::boxed::Box<dyn ::std::error::Error>> {
    let counter = CounterFrontend::spawn(38)?;
    ::std::assert_eq!(counter.add(Step(1), &Step(1), ::std::option::Option::Some(&[1, 2]))?, 42);
    ::std::assert_eq!(counter.try_add(i64::MAX).is_err(), true);
    ::std::assert_eq!(counter.name()?.as_deref(), ::std::option::Option::Some("counter"));
    ::std::assert_eq!(counter.echo('x')?, 'x');
    counter.reset()?;
    ::std::assert_eq!(counter.try_add_async(1).wait()?, 1);
    ::std::assert!(counter.stop()?.is_clean());
    ::std::result::Result::Ok(())
}
