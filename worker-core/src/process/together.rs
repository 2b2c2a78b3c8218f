//! Many ends at once: the times to end run side by side, not one after the other.
//! Not here: asking for an end, and one end alone (`life`).
//! Layer 5: above `calls`.

use std::sync::Arc;
use std::time::Instant;

use super::body::TERM_GRACE;
use super::life::Life;
use super::lives::Lives;

/// Sees processes gone that were asked to end, each forced at the end of its own stop timeout.
///
/// What could not be forced (a thread) is left as it is, for whoever stops it alone to say so.
pub(crate) fn end_together(lives: &[&Lives]) {
    let start = Instant::now();
    let mut left: Vec<Arc<Life>> = lives.iter().map(|lives| lives.current()).collect();
    // In the order of their times, so that none waits for the time of another.
    left.sort_by_key(|life| life.body.stop_timeout());
    left.retain(|life| {
        let until = start.checked_add(life.body.stop_timeout());
        life.client.wait_death(until).is_none() && life.body.terminate().is_ok()
    });
    let until = Instant::now() + TERM_GRACE;
    left.retain(|life| life.client.wait_death(Some(until)).is_none() && life.body.kill().is_ok());
    for life in left {
        life.body.wait();
    }
}
