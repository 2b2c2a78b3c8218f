//! The fork server: a small single-threaded copy of the program that forks backends.
//! Not here: what a backend does (`actor::backend`), or the program's view of one (`supervision`).
//! Layer 5: over `sys`.
//!
//! # The six steps, in the one place that orders them
//!
//! 1. plain libraries: the loader brings them in before anything of ours runs (`copy`), and a preload
//!    function whatever else is to be shared (`preloaded`);
//! 2. what processes share with each other: memory, doorbells and sockets are made by the program and
//!    travel as descriptors (`start::spawn`);
//! 3. what a process shares with the program alone: the supervision socket, likewise;
//! 4. fork: here, in a process that has one thread (`server`);
//! 5. libraries that start threads: in the backend, by the user's constructor;
//! 6. event loop: in the backend, after the constructor.

mod client;
mod copy;
mod last_words;
mod preloaded;
pub(super) mod server;
mod spares;

pub use preloaded::ForkServer;

pub(super) use client::{NotOrdered, Server, slot_for};
pub(super) use spares::{Spare, Taken};

/// The variable by which a copy of the program knows what it is to be.
const MARKER: &str = "WORKER_CORE_COPY";
