//! Payloads that no two calls share, and what is made of one, so that every reply can be checked.
//! Not here: sending them.
//! Layer: bottom.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::peers::Outcome;

/// Before the first of a run of 2^40 numbers that nobody else has.
pub fn numbers() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed) << 40
}

/// Bytes of which no two pages are alike.
pub fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// Writes the number of a call at both ends of its payload.
#[inline]
pub fn stamp(payload: &mut [u8], number: u64) {
    let bytes = number.to_le_bytes();
    if let Some(first) = payload.first_chunk_mut() {
        *first = bytes;
    }
    if let Some(last) = payload.last_chunk_mut() {
        *last = bytes;
    }
}

/// What the other side makes of a payload: its length and both ends. Of up to 16 bytes that is all of it.
#[inline]
pub fn digest(payload: &[u8]) -> u64 {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (first, last) = (word(payload.first_chunk()), word(payload.last_chunk()));
    (payload.len() as u64).wrapping_add(first).wrapping_add(last.rotate_left(17))
}

/// Whether a reply is the one that was asked for.
#[inline]
pub fn check(name: &str, found: u64, expected: u64) -> Outcome<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{name} answered {found} instead of {expected}").into())
    }
}
