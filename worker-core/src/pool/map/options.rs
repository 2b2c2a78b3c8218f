//! What a user may choose about one map, and what it tells while it runs.
//! Not here: acting on it (`run`).
//! Layer 7: plain data.

use std::time::Duration;

/// How far a map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Inputs that are finished, with or without a result.
    pub done: usize,
    /// Those of them that have none.
    pub failed: usize,
    /// Processes that died with an input, also where another one had a result for it.
    pub deaths: usize,
    /// Number of inputs, if their iterator knows it.
    pub total: Option<usize>,
}

/// Whoever asked to be told.
type ProgressListener = Box<dyn FnMut(&Progress) + Send>;

#[derive(Default)]
pub(super) struct RunOptions {
    pub(super) in_flight: Option<usize>,
    pub(super) look_ahead: Option<usize>,
    pub(super) deadline: Option<Duration>,
    /// How many more processes may begin an input whose process died of it.
    pub(super) idempotent: u32,
    pub(super) kill_on_drop: bool,
    pub(super) on_progress: Option<ProgressListener>,
}
