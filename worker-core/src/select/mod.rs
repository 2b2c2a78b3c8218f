//! Waiting for the first of many things: values, ends of processes, results, frames, timers, descriptors.
//! Not here: receiving what came; that is for each source itself.
//! Layer 7: over `channel`, `frames`, `process` and `actor`.
//!
//! Sources are of three sorts. The kernel tells of *descriptors* (`poller`). A *queue* holds what is known to be ready:
//! timers that rang, triggers, calls that have a result, files. *Frames* are looked for in shared memory, and their
//! reader announces there that it sleeps, before it does. The sorts take turns, and so do those of one
//! sort: the kernel puts what it told behind the others, and so does the queue.
//!
//! | `SYNC` label | publishes | release | acquire |
//! | --- | --- | --- | --- |
//! | news | what was told by other threads | who tells sets the note | who waits takes it away |

mod calls;
mod entering;
mod poller;
mod source;
mod timers;
mod waiting;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

pub use source::{Source, Watched};

use calls::Links;
use poller::Poller;
use source::{Entry, moment_after};
use timers::Timers;

use crate::sys::epoll::Interest;

/// Names a source of a [`Select`]. No two sources of a process ever have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

/// Waits for the first of many sources, however many, and of whatever sorts.
///
/// A source is added once, and gives a [`Key`]; a wait gives the key of one that is ready. What came is then taken from the
/// source itself, without waiting. Sources may be added and removed at any time.
///
/// | added by | ready when | removed by itself |
/// | --- | --- | --- |
/// | `add(&receiver)` | there is a value, or every sender is gone | when the receiver is dropped or sent away |
/// | `add(&pending)` | there is a result | when the result was taken, or the pending call dropped |
/// | `add(process)` | the backend has ended; after a restart, when the next life has | |
/// | `add(&frame_reader)` | there may be a frame, or the writer is gone | |
/// | `add_fd(descriptor)`, `add_fd_writable` | it can be read or written without waiting, or shows an end or an error | |
/// | `after(delay)`, `at(moment)` | once | when it was told |
/// | `every(period)` | at each tick; missed ones are told as one | |
/// | `trigger()` | another thread pulls it | |
///
/// * **Told for as long as it holds.** A source that is ready and was left alone is told again. Taking one value for each
///   time is as good as taking all.
/// * **Fair.** Of those that are ready each is told in turn: none twice before every other that was ready has been
///   told, descriptors beside timers and results beside frames likewise.
/// * **Any number.** A wait takes as long for a thousand sources as for one; readers of frames alone are looked at one by
///   one.
/// * **Errors are not lost.** A source that the system refuses is told by the next wait, as its error, and is not in the
///   select then. So adding needs no `?`.
///
/// As a descriptor ([`AsFd`]) it is readable when there may be something to tell: call `wait_timeout` with no time until
/// it gives `None`, then wait for the descriptor. This is how calls and frames get into another event loop.
///
/// It belongs to the thread that waits. Others reach it by a [`Trigger`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use worker_core::{Select, Sender, channel, process_actor};
///
/// pub struct Worker;
///
/// #[process_actor]
/// impl Worker {
///     pub fn new() -> Self { Self }
///     pub fn work(&self, steps: u32, progress: Sender<u32>) -> u32 {
///         (1..=steps).for_each(|step| drop(progress.send(step)));
///         steps
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = WorkerFrontend::spawn()?;
/// let (sender, progress) = channel()?;
/// let result = worker.work_async(3, sender);
///
/// let mut select = Select::new();
/// let step = select.add(&progress);
/// let done = select.add(&result);
/// let died = select.add(worker.process());
/// let mut steps = 0;
/// let total = loop {
///     match select.wait_timeout(Duration::from_secs(60))? {
///         None => return Err("a minute without news".into()),
///         Some(key) if key == step => match progress.try_recv() {
///             Ok(Some(value)) => steps = value,
///             Ok(None) => {}
///             Err(_) => { select.remove(step); } // the sender is gone
///         },
///         Some(key) if key == done => break result.wait()?,
///         Some(key) if key == died => return Err("it died".into()),
///         Some(_) => unreachable!("no other source"),
///     }
/// };
/// assert_eq!(total, 3);
/// # Ok(())
/// # }
/// ```
pub struct Select<'s> {
    /// Or why the system refused one.
    poller: Result<Arc<Poller>, (io::ErrorKind, String)>,
    entries: HashMap<u64, Entry<'s>>,
    links: Links,
    timers: Timers,
    /// What is ready, as far as that shows without a look at any descriptor.
    ready: VecDeque<u64>,
    /// Those of the entries that are readers of frames.
    flows: Vec<u64>,
    /// The reader of frames whose turn is next.
    next_flow: usize,
    turn: Turn,
    /// What could not be added.
    refused: VecDeque<io::Error>,
}

/// Which sort is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Queue,
    Frames,
    Kernel,
}

/// Has a [`Select`] tell a key, from any thread; see [`Select::trigger`].
#[derive(Clone, Debug)]
pub struct Trigger {
    poller: Option<Weak<Poller>>,
    key: Key,
}

impl Trigger {
    /// Has the select tell the key, soon, and once for any number of pulls until then.
    pub fn pull(&self) {
        if let Some(poller) = self.poller.as_ref().and_then(Weak::upgrade) {
            poller.wake(self.key.0);
        }
    }

    /// The key that is told.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }
}

impl<'s> Select<'s> {
    /// Makes a select without sources.
    ///
    /// That the system refuses the three descriptors which it needs is told by each wait.
    #[must_use]
    pub fn new() -> Self {
        Self {
            poller: Poller::new().map_err(|error| (error.kind(), error.to_string())),
            entries: HashMap::new(),
            links: Links::default(),
            timers: Timers::default(),
            ready: VecDeque::new(),
            flows: Vec::new(),
            next_flow: 0,
            turn: Turn::Kernel,
            refused: VecDeque::new(),
        }
    }

    /// Adds a receiver, a process, a pending call or a reader of frames.
    ///
    /// Each may be added once to a select, and to any number of selects.
    pub fn add(&mut self, source: impl Source<'s>) -> Key {
        self.enter(source.watched().0)
    }

    /// Adds anything with a descriptor; it is ready when it can be read without waiting.
    ///
    /// What is given is kept until it is removed, so that its number stays its own: a reference, an
    /// [`Arc`] or [`Rc`](std::rc::Rc), or the value itself. It is taken as it is: a buffer in front of a descriptor (that of
    /// `Stdin`, say) may hold what the descriptor does not show any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use worker_core::Select;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// let mut select = Select::new();
    /// let key = select.add_fd(&ours);
    /// theirs.write_all(b"x")?;
    /// assert_eq!(select.wait()?, key);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_fd(&mut self, descriptor: impl AsFd + 's) -> Key {
        self.enter(Entry::Descriptor(Box::new(descriptor), Interest::Read))
    }

    /// As [`Select::add_fd`]; it is ready when it can be written without waiting, as a [`Sender`](crate::Sender) with room.
    pub fn add_fd_writable(&mut self, descriptor: impl AsFd + 's) -> Key {
        self.enter(Entry::Descriptor(Box::new(descriptor), Interest::Write))
    }

    /// Adds a timer that is ready once, so long from now, and removed then.
    pub fn after(&mut self, delay: Duration) -> Key {
        self.at(moment_after(delay))
    }

    /// Adds a timer that is ready once, at a moment, and removed then.
    pub fn at(&mut self, moment: Instant) -> Key {
        let key = self.enter(Entry::Timer { period: None });
        self.timers.enter(moment, key.0);
        key
    }

    /// Adds a timer that is ready again and again.
    ///
    /// The first time is a period from now. Ticks that were missed are told as one, and the rhythm stays.
    pub fn every(&mut self, period: Duration) -> Key {
        let key = self.enter(Entry::Timer { period: Some(period) });
        self.timers.enter(moment_after(period), key.0);
        key
    }

    /// Adds something that other threads make ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use worker_core::Select;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let mut select = Select::new();
    /// let trigger = select.trigger();
    /// let key = trigger.key();
    /// std::thread::spawn(move || trigger.pull());
    /// assert_eq!(select.wait()?, key);
    /// # Ok(())
    /// # }
    /// ```
    pub fn trigger(&mut self) -> Trigger {
        let key = self.enter(Entry::Trigger);
        Trigger { poller: self.poller.as_ref().ok().map(Arc::downgrade), key }
    }

    /// Removes a source; `false` if there is none of that key any more.
    pub fn remove(&mut self, key: Key) -> bool {
        let Some(entry) = self.entries.remove(&key.0) else { return false };
        let Ok(poller) = &self.poller else { return true };
        match entry {
            Entry::Descriptor(descriptor, _) => poller.epoll.remove((*descriptor).as_fd()),
            Entry::Receiver(end) => {
                if let Some(end) = end.upgrade() {
                    poller.epoll.remove(end.as_fd());
                    end.forget(key.0);
                }
            }
            Entry::Process(watch) => {
                if let Some(descriptor) = watch.descriptor() {
                    poller.epoll.remove(descriptor.as_fd());
                }
            }
            Entry::Frames(flow) => {
                poller.epoll.remove(flow.as_fd());
                self.flows.retain(|&number| number != key.0);
            }
            Entry::Call(call) => call.leave(&mut self.links, poller),
            Entry::Whereabouts(_) | Entry::Timer { .. } | Entry::Trigger | Entry::Always => {}
        }
        true
    }

    /// How many sources there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no source.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Waits until a source is ready.
    ///
    /// # Errors
    ///
    /// If a source could not be added: its error, once. If there is no source at all
    /// ([`InvalidInput`](io::ErrorKind::InvalidInput)), for nothing could end the wait. If the system refuses.
    pub fn wait(&mut self) -> io::Result<Key> {
        match self.wait_until(None) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }

    /// Waits until a source is ready, but no longer than `timeout`; `None` if none was by then.
    ///
    /// # Errors
    ///
    /// As [`Select::wait`]; without any source it waits for `timeout`.
    pub fn wait_timeout(&mut self, timeout: Duration) -> io::Result<Option<Key>> {
        self.wait_until(Some(moment_after(timeout)))
    }
}

impl Default for Select<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Select<'_> {
    fn drop(&mut self) {
        let numbers: Vec<u64> = self.entries.keys().copied().collect();
        numbers.into_iter().for_each(|number| {
            self.remove(Key(number));
        });
    }
}

impl AsFd for Select<'_> {
    /// # Panics
    ///
    /// If the system refused its descriptors, which each wait tells.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.poller {
            Ok(poller) => poller.epoll.as_fd(),
            Err((_, text)) => panic!("there is no descriptor to wait for: {text}"),
        }
    }
}

/// For event loops that take numbers; the value keeps it open.
impl AsRawFd for Select<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Select").field("sources", &self.len()).finish_non_exhaustive()
    }
}
