//! The listener: one thread that waits for all signals and runs their callbacks.
//! Not here: what the signals are.
//! Layer: over `Select`.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use serde::de::DeserializeOwned;
use worker_core::select::{Key, Trigger};
use worker_core::{Process, Receiver, RecvError, Select};

/// Runs callbacks, on a thread of its own, for as long as it lives.
pub struct Listener {
    wishes: mpsc::Sender<Wish>,
    trigger: Trigger,
    thread: JoinHandle<u64>,
}

/// Names what was connected.
#[derive(Clone, Copy, Debug)]
pub struct Connection(Key);

/// What the thread is asked for.
enum Wish {
    Connect(Box<dyn Slot>, mpsc::Sender<Connection>),
    Disconnect(Connection),
    Stop,
}

/// Something with a callback.
trait Slot: Send {
    /// Adds it to the select.
    fn enter(&self, select: &mut Select<'static>) -> Key;
    /// Runs the callback for what came; `false` when nothing more will come.
    fn run(&mut self) -> bool;
}

struct Signals<T, F>(Receiver<T>, F);

impl<T: DeserializeOwned + 'static, F: FnMut(Option<T>) + Send> Slot for Signals<T, F> {
    fn enter(&self, select: &mut Select<'static>) -> Key {
        select.add(&self.0)
    }

    fn run(&mut self) -> bool {
        match self.0.try_recv() {
            Ok(Some(value)) => (self.1)(Some(value)),
            Ok(None) => {}
            Err(RecvError::Decode(error)) => eprintln!("a signal made no sense: {error}"),
            Err(_) => {
                (self.1)(None);
                return false;
            }
        }
        true
    }
}

struct End<F>(Process, F);

impl<F: FnMut() + Send> Slot for End<F> {
    fn enter(&self, select: &mut Select<'static>) -> Key {
        select.add(&self.0)
    }

    fn run(&mut self) -> bool {
        (self.1)();
        false
    }
}

impl Listener {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let (wishes, taken) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let thread = thread::Builder::new().name("listener".to_owned()).spawn(move || {
            // A select belongs to the thread that waits; others reach it by its trigger.
            let mut select = Select::new();
            let trigger = select.trigger();
            if tell.send(trigger.clone()).is_err() {
                return 0;
            }
            listen(select, trigger.key(), &taken)
        })?;
        let trigger = told.recv().map_err(io::Error::other)?;
        Ok(Self { wishes, trigger, thread })
    }

    /// Has `callback` run for each value, and once with `None` when no more will come.
    pub fn connect<T: DeserializeOwned + 'static>(
        &self,
        receiver: Receiver<T>,
        callback: impl FnMut(Option<T>) + Send + 'static,
    ) -> io::Result<Connection> {
        self.enter(Box::new(Signals(receiver, callback)))
    }

    /// Has `callback` run once, when the process has ended.
    pub fn on_end(
        &self,
        process: &Process,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<Connection> {
        self.enter(Box::new(End(process.clone(), callback)))
    }

    fn enter(&self, slot: Box<dyn Slot>) -> io::Result<Connection> {
        let (tell, told) = mpsc::channel();
        self.ask(Wish::Connect(slot, tell))?;
        told.recv().map_err(io::Error::other)
    }

    /// Drops a receiver and its callback; whoever sends to it is told.
    pub fn disconnect(&self, connection: Connection) -> io::Result<()> {
        self.ask(Wish::Disconnect(connection))
    }

    /// Ends the thread; gives how many callbacks it ran.
    pub fn stop(self) -> u64 {
        let _ = self.ask(Wish::Stop);
        self.thread.join().unwrap_or(0)
    }

    fn ask(&self, wish: Wish) -> io::Result<()> {
        self.wishes.send(wish).map_err(|_| io::Error::other("the listener has ended"))?;
        self.trigger.pull();
        Ok(())
    }
}

/// Waits and runs callbacks until it is asked to stop.
fn listen(mut select: Select<'static>, wished: Key, wishes: &mpsc::Receiver<Wish>) -> u64 {
    let mut slots: HashMap<Key, Box<dyn Slot>> = HashMap::new();
    let mut count = 0;
    loop {
        let key = match select.wait() {
            Ok(key) => key,
            Err(error) => {
                eprintln!("the listener cannot wait for something: {error}");
                continue;
            }
        };
        if key == wished {
            for wish in wishes.try_iter() {
                match wish {
                    Wish::Connect(slot, tell) => {
                        let key = slot.enter(&mut select);
                        slots.insert(key, slot);
                        let _ = tell.send(Connection(key));
                    }
                    // A receiver that is dropped takes itself out of the select.
                    Wish::Disconnect(Connection(key)) => drop(slots.remove(&key)),
                    Wish::Stop => return count,
                }
            }
        } else if let Some(slot) = slots.get_mut(&key) {
            count += 1;
            if !slot.run() {
                select.remove(key);
                slots.remove(&key);
            }
        }
    }
}
