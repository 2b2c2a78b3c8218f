//! The runtime of process actors.
