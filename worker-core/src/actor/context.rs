//! What a backend may ask of its own loop.
//! Not here: the loop (`serving`).
//! Layer 6: plain data.

use std::cell::Cell;
use std::fmt;
use std::os::fd::AsFd;
use std::time::Duration;

use super::serving::{Listeners, Registration};

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
    listeners: Listeners<A>,
}

impl<A> Context<A> {
    pub(super) fn new(name: String) -> Self {
        Self { name, stopping: Cell::new(false), listeners: Listeners::new() }
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

    /// Runs `callback` each time that a period has passed, from now on, until it is cancelled.
    ///
    /// It runs between calls, on the thread of the actor. Ticks that were missed, because a method took
    /// longer, are left out and not made up for: after a late tick the next one comes in the old rhythm. A
    /// panic in it is printed, as that of a one-way method, and the timer goes on. A timer does not keep
    /// the backend alive.
    ///
    /// # Panics
    ///
    /// If the period is zero: that would be a loop without a pause.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use worker_core::{Context, process_actor};
    ///
    /// pub struct Clock { ticks: u32 }
    ///
    /// #[process_actor]
    /// impl Clock {
    ///     pub fn new() -> Self { Self { ticks: 0 } }
    ///
    ///     #[started]
    ///     fn wind_up(&mut self, context: &Context<Self>) {
    ///         context.every(Duration::from_millis(1), |clock, _| clock.ticks += 1);
    ///     }
    ///
    ///     pub fn ticks(&self) -> u32 { self.ticks }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let clock = ClockFrontend::spawn()?;
    /// while clock.ticks()? < 3 {} // calls are served in between
    /// # Ok(())
    /// # }
    /// ```
    pub fn every(&self, period: Duration, callback: impl FnMut(&mut A, &Self) + 'static) -> Registration {
        assert!(!period.is_zero(), "a timer needs a period above zero; zero would be a loop without a pause");
        self.listeners.every(period, Box::new(callback))
    }

    /// Runs `callback` whenever the descriptor of `source` is readable, until it is cancelled.
    ///
    /// It runs between calls, on the thread of the actor, once a turn for as long as there is something to
    /// read: take some of it, or all. It runs too when the other end has hung up or shows an error, which
    /// stays so: cancel it then. Calls and watches take turns, so neither waits for more than one turn of
    /// the other. A panic in it is printed, as that of a one-way method. A watch does not keep the backend
    /// alive.
    ///
    /// The source is kept until the watch is cancelled. To read from it in the callback, share it by an
    /// [`Rc`](std::rc::Rc).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::{TcpListener, TcpStream};
    /// use std::rc::Rc;
    /// use worker_core::{Context, Registration, process_actor};
    ///
    /// pub struct Inbox { bytes: Vec<u8>, watch: Option<Registration> }
    ///
    /// #[process_actor]
    /// impl Inbox {
    ///     pub fn new() -> Self { Self { bytes: Vec::new(), watch: None } }
    ///
    ///     pub fn connect(&mut self, port: u16, context: &Context<Self>) -> std::io::Result<()> {
    ///         let stream = Rc::new(TcpStream::connect(("127.0.0.1", port))?);
    ///         self.watch = Some(context.watch(Rc::clone(&stream), move |inbox, _| {
    ///             let mut buffer = [0; 64];
    ///             match (&*stream).read(&mut buffer) {
    ///                 Ok(count @ 1..) => inbox.bytes.extend(&buffer[..count]),
    ///                 _ => inbox.watch.take().unwrap().cancel(), // its end would stay readable
    ///             }
    ///         }));
    ///         Ok(())
    ///     }
    ///
    ///     pub fn bytes(&self) -> Vec<u8> { self.bytes.clone() }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let inbox = InboxFrontend::spawn()?;
    /// inbox.connect(listener.local_addr()?.port())?;
    /// listener.accept()?.0.write_all(b"a letter")?;
    /// while inbox.bytes()? != b"a letter" {} // calls are served in between
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(
        &self,
        source: impl AsFd + 'static,
        callback: impl FnMut(&mut A, &Self) + 'static,
    ) -> Registration {
        self.listeners.watch(Box::new(source), Box::new(callback))
    }

    #[inline]
    pub(super) fn listeners(&self) -> &Listeners<A> {
        &self.listeners
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
