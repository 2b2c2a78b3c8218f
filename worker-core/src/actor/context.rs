//! What a backend may ask of its own loop.
//! Not here: the loop (`backend`).
//! Layer 6: plain data.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

/// The surroundings of a backend, filled in for methods and hooks that take a `&Context<Self>`.
///
/// # Examples
///
/// ```
/// use worker_core::{Context, process_actor};
///
/// pub struct Candle { left: u32 }
///
/// #[process_actor]
/// impl Candle {
///     pub fn new(length: u32) -> Self { Self { left: length } }
///
///     /// Burns a bit, and goes out at the end.
///     pub fn burn(&mut self, context: &Context<Self>) -> u32 {
///         self.left -= 1;
///         if self.left == 0 { context.stop() }
///         self.left
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let candle = CandleFrontend::spawn(2)?;
/// assert_eq!(candle.burn()?, 1);
/// assert_eq!(candle.burn()?, 0);
/// assert!(candle.process().wait().is_clean());
/// # Ok(())
/// # }
/// ```
pub struct Context<A> {
    name: String,
    stopping: Cell<bool>,
    actor: PhantomData<fn(A)>,
}

impl<A> Context<A> {
    pub(super) fn new(name: String) -> Self {
        Self { name, stopping: Cell::new(false), actor: PhantomData }
    }

    /// Name of the backend's process.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends the backend, in order, once the method that runs has returned and its reply is sent.
    pub fn stop(&self) {
        self.stopping.set(true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }
}

impl<A> fmt::Debug for Context<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Context").field("name", &self.name).finish_non_exhaustive()
    }
}
