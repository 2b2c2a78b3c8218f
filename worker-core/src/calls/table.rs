//! The calls in flight, by id.
//! Not here: locks, and who waits for them (`client`).
//! Layer 4: plain data.
//!
//! An id is a sequence number above the index of a slot. It is never given out twice, so a reply
//! that comes late finds a slot with another id, or none, and is thrown away.

use std::thread::Thread;

use crate::wire::descriptors::Attached;
use crate::wire::kind::Kind;

/// Bits of an id that are the index of its slot.
const INDEX_BITS: u32 = 24;

/// What came back for a call.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) kind: Kind,
    pub(crate) payload: Vec<u8>,
    /// Descriptors that came along.
    pub(crate) attached: Attached,
}

#[derive(Debug)]
struct Slot {
    id: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No reply yet; the thread to wake for it, if one sleeps.
    Waiting(Option<Thread>),
    Answered(Reply),
}

/// What a look at a call tells.
#[derive(Debug)]
pub(crate) enum Look {
    Waiting,
    Answered(Reply),
}

/// The calls in flight.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    sequence: u64,
    /// Ids of the calls whose threads sleep, so that finding one is no look at every call in flight.
    asleep: Vec<u64>,
}

impl Table {
    /// Enters a call and gives it an id.
    #[inline]
    pub(crate) fn enter(&mut self) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^24 calls in flight")
        });
        assert!(index < 1 << INDEX_BITS, "more than 2^24 calls in flight on one actor");
        self.sequence += 1;
        let id = self.sequence << INDEX_BITS | u64::from(index);
        self.slots[index as usize] = Some(Slot { id, state: State::Waiting(None) });
        id
    }

    /// Takes the reply of a call, if it has come; the call is over then.
    #[inline]
    pub(crate) fn look(&mut self, id: u64) -> Look {
        match self.slot(id) {
            Some(slot) if matches!(slot.state, State::Answered(_)) => match self.leave(id) {
                Some(State::Answered(reply)) => Look::Answered(reply),
                _ => Look::Waiting,
            },
            _ => Look::Waiting,
        }
    }

    /// Whether the reply of a call has come.
    pub(crate) fn is_answered(&mut self, id: u64) -> bool {
        self.slot(id).is_some_and(|slot| matches!(slot.state, State::Answered(_)))
    }

    /// Whether anybody still waits for this id.
    #[inline]
    pub(crate) fn is_expected(&mut self, id: u64) -> bool {
        self.slot(id).is_some_and(|slot| matches!(slot.state, State::Waiting(_)))
    }

    /// Ends a call, answered or not.
    #[inline]
    pub(crate) fn forget(&mut self, id: u64) {
        self.leave(id);
    }

    /// Notes which thread to wake for a call; `None` once it is awake, whatever woke it.
    pub(crate) fn set_sleeper(&mut self, id: u64, thread: Option<Thread>) {
        self.asleep.retain(|&sleeping| sleeping != id);
        let sleeps = thread.is_some();
        if let Some(Slot { state: State::Waiting(sleeper), .. }) = self.slot(id) {
            *sleeper = thread;
            if sleeps {
                self.asleep.push(id);
            }
        }
    }

    /// Stores a reply; gives the thread to wake. A reply that nobody expects is dropped.
    pub(crate) fn answer(&mut self, id: u64, reply: Reply) -> Option<Thread> {
        let slot = self.slot(id)?;
        match std::mem::replace(&mut slot.state, State::Answered(reply)) {
            State::Waiting(sleeper) => sleeper,
            State::Answered(_) => None,
        }
    }

    /// Some thread that sleeps for its reply.
    pub(crate) fn any_sleeper(&mut self) -> Option<Thread> {
        while let Some(id) = self.asleep.pop() {
            // One that was answered is on its way to wake up.
            if let Some(Slot { state: State::Waiting(sleeper), .. }) = self.slot(id)
                && let Some(thread) = sleeper.take()
            {
                return Some(thread);
            }
        }
        None
    }

    /// All threads that sleep for a reply.
    pub(crate) fn all_sleepers(&mut self) -> Vec<Thread> {
        std::iter::from_fn(|| self.any_sleeper()).collect()
    }

    fn slot(&mut self, id: u64) -> Option<&mut Slot> {
        let index = usize::try_from(id & ((1 << INDEX_BITS) - 1)).ok()?;
        self.slots.get_mut(index)?.as_mut().filter(|slot| slot.id == id)
    }

    fn leave(&mut self, id: u64) -> Option<State> {
        self.slot(id)?;
        let index = u32::try_from(id & ((1 << INDEX_BITS) - 1)).ok()?;
        self.free.push(index);
        self.slots[index as usize].take().map(|slot| slot.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Reply {
        Reply { kind: Kind::Returned, payload: vec![1], attached: None }
    }

    #[test]
    fn a_late_reply_never_reaches_a_later_call() {
        let mut table = Table::default();
        let early = table.enter();
        table.forget(early);
        let later = table.enter();
        assert_eq!(early & 0xFF_FFFF, later & 0xFF_FFFF, "the slot is used again");
        assert!(table.answer(early, reply()).is_none());
        assert!(matches!(table.look(later), Look::Waiting));
        table.answer(later, reply());
        assert!(matches!(table.look(later), Look::Answered(_)));
        assert!(!table.is_expected(later));
    }

    #[test]
    fn each_sleeper_is_found_once_and_only_while_it_sleeps() {
        let mut table = Table::default();
        let me = || Some(std::thread::current());
        let ids: Vec<u64> = (0..5).map(|_| table.enter()).collect();
        assert!(table.any_sleeper().is_none());
        ids.iter().for_each(|&id| table.set_sleeper(id, me()));
        table.set_sleeper(ids[0], None);
        assert!(table.answer(ids[1], reply()).is_some(), "it is woken for its reply");
        table.forget(ids[2]);
        assert!(table.any_sleeper().is_some());
        assert_eq!(table.all_sleepers().len(), 1);
        assert!(table.any_sleeper().is_none());
        table.set_sleeper(ids[3], None);
        table.set_sleeper(ids[3], me());
        assert_eq!(table.all_sleepers().len(), 1, "it may sleep again");
        table.set_sleeper(ids[1], None);
        assert!(matches!(table.look(ids[1]), Look::Answered(_)), "a reply stays until it is taken");
    }

    #[test]
    fn a_second_reply_and_an_unknown_id_are_dropped() {
        let mut table = Table::default();
        let id = table.enter();
        table.answer(id, reply());
        table.look(id);
        assert!(table.answer(id, reply()).is_none());
        assert!(table.answer(u64::MAX, reply()).is_none());
    }
}
