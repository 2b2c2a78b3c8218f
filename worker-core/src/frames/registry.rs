//! Which reading ends there are: they come, change hands and go, in any process, and die anywhere.
//! Not here: how a death is noticed (`writer`).
//! Layer 6: pure steps over `Words`, so that a model can run them.
//!
//! A reading end has a *token*, a name never given twice. Its state is `{ token: 62 bits, stage: 2 }`,
//! or zero where there is none.

use std::sync::atomic::Ordering;

use super::control::{Control, Words};

/// What stage of its life a reading end is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its words are being filled in.
    Preparing = 1,
    Attached = 2,
    /// It is inside of a message.
    Travelling = 3,
}

/// Where a new reading end begins: behind the frames that the one it is made from has passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) next: u64,
    pub(super) last_sequence: u64,
}

impl Start {
    /// At the first frame of all.
    pub(super) const FIRST: Self = Self { next: 1, last_sequence: 0 };
}

fn state(token: u64, stage: Stage) -> u64 {
    token << 2 | stage as u64
}

/// The token in a state; zero where there is none.
fn token_in(state: u64) -> u64 {
    state >> 2
}

/// Gives out a token.
pub(super) fn new_token(control: &Control, words: &impl Words) -> u64 {
    // Relaxed: only that nobody else gets the same matters.
    words.add(control.tokens(), 1, Ordering::Relaxed) + 1
}

/// Enters a reading end; gives its index, or `None` if there are as many as there can be.
///
/// L1: the writing end was sent what it needs to see this end die *before* this is called. So there
/// is no moment at which a dead reading end is entered for good.
pub(super) fn enter(control: &Control, words: &impl Words, token: u64, start: Start) -> Option<usize> {
    let index = (0..control.readers_max()).find(|&index| {
        // SYNC: seat (acquire, with the release of whoever had it before).
        words.exchange(control.reader(index).state, 0, state(token, Stage::Preparing), Ordering::Acquire)
    })?;
    let at = control.reader(index);
    // Relaxed, all four: the release below publishes them.
    words.store(at.next, start.next, Ordering::Relaxed);
    words.store(at.last_sequence, start.last_sequence, Ordering::Relaxed);
    words.store(at.lost, 0, Ordering::Relaxed);
    words.store(at.taken, 0, Ordering::Relaxed);
    // Relaxed: the addition below publishes it.
    words.store(at.state, state(token, Stage::Attached), Ordering::Relaxed);
    words.or(control.attached(), 1 << index, Ordering::Relaxed);
    // SYNC: attached (release).
    words.add(control.attachments(), 1, Ordering::Release);
    Some(index)
}

/// Position of the first frame that some reading end has not passed.
///
/// F3: a reading end is made from another one, which stays where it is until the new one is entered.
/// So either we see the new one, or the old one where it was; or the count of attachments changes
/// while we look, and we look again.
pub(super) fn passed_by_all(control: &Control, words: &impl Words) -> u64 {
    loop {
        // SYNC: attached (acquire).
        let attachments = words.load(control.attachments(), Ordering::Acquire);
        // Relaxed: acquired with the line above, and checked with the one below.
        let mut attached = words.load(control.attached(), Ordering::Relaxed);
        let mut lowest = u64::MAX;
        while attached != 0 {
            let index = attached.trailing_zeros() as usize;
            attached &= attached - 1;
            if index < control.readers_max() {
                // SYNC: passed (acquire).
                lowest = lowest.min(words.load(control.reader(index).next, Ordering::Acquire));
            }
        }
        // SYNC: attached (acquire).
        if words.load(control.attachments(), Ordering::Acquire) == attachments {
            return lowest;
        }
    }
}

/// Marks a reading end as being inside of a message. Again and again is fine.
pub(super) fn send_off(control: &Control, words: &impl Words, index: usize, token: u64) {
    // Relaxed: the message that it travels in orders everything before it.
    words.store(control.reader(index).state, state(token, Stage::Travelling), Ordering::Relaxed);
}

/// Takes a reading end out of a message; says whether nobody had done so before.
pub(super) fn receive(control: &Control, words: &impl Words, index: usize, token: u64) -> bool {
    let (from, to) = (state(token, Stage::Travelling), state(token, Stage::Attached));
    // Relaxed: as in `send_off`; atomicity is what counts.
    words.exchange(control.reader(index).state, from, to, Ordering::Relaxed)
}

/// Ends a reading end, by itself or, once it is dead, by the writing end; what it borrowed comes back.
///
/// Does nothing if the seat is not this end's (any more).
pub(super) fn leave(control: &Control, words: &impl Words, index: usize, token: u64) {
    let at = control.reader(index);
    // Relaxed: nobody but the caller acts for this end.
    if token_in(words.load(at.state, Ordering::Relaxed)) != token {
        return;
    }
    for slot in 0..control.slots() {
        // SYNC: slot (release).
        words.and(control.slot(slot).word, !(1 << index), Ordering::Release);
    }
    // Relaxed, all four: the release below is after them.
    words.add(control.departed_lost(), words.load(at.lost, Ordering::Relaxed), Ordering::Relaxed);
    words.and(control.sleepers(), !(1 << index), Ordering::Relaxed);
    words.and(control.attached(), !(1 << index), Ordering::Relaxed);
    // SYNC: seat (release).
    words.store(at.state, 0, Ordering::Release);
}

/// The seat of a token, if it has one.
pub(super) fn seat_of(control: &Control, words: &impl Words, token: u64) -> Option<usize> {
    // Relaxed: a token that is told to the writing end has entered by then, or enters later.
    (0..control.readers_max())
        .find(|&index| token_in(words.load(control.reader(index).state, Ordering::Relaxed)) == token)
}

/// The token that sits at an index.
#[inline]
pub(super) fn token_at(control: &Control, words: &impl Words, index: usize) -> u64 {
    // Relaxed: it is compared with tokens that were told by message.
    token_in(words.load(control.reader(index).state, Ordering::Relaxed))
}
