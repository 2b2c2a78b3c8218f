//! The calls in flight, by id, and who sleeps for each: a thread, or a task.
//! Not here: locks, and how they sleep (`client`).
//! Layer 4: plain data.
//!
//! To drop a waker may run code of the user, which may make calls. So what leaves the table is given
//! to the caller, who drops it without a lock in hand.
//!
//! An id is a sequence number above the index of a slot. It is never given out twice, so a reply
//! that comes late finds a slot with another id, or none, and is thrown away.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::thread::Thread;

use crate::sys::clock::Moment;
use crate::wire::descriptors::Attached;
use crate::wire::kind::Kind;

/// Bits of an id that are the index of its slot.
const INDEX_BITS: u32 = 24;

/// Slot of the one call that a thread that is alone can have (C10 of `client`). The slot before is nobody's, so that no id is
/// zero however many there have been.
const INDEX_OF_ALONE: usize = 1;

/// Id of the call of a thread that is alone; `message` is a number that no other message of its client has.
#[inline]
pub(crate) fn alone_id(message: u64) -> u64 {
    message << INDEX_BITS | INDEX_OF_ALONE as u64
}

/// What came back for a call.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) kind: Kind,
    pub(crate) payload: Vec<u8>,
    /// Descriptors that came along.
    pub(crate) attached: Attached,
}

/// Who sleeps for a reply, or for something else that the leader sees.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A parked thread, which could lead.
    Thread(Thread),
    /// A suspended task, for which a watcher leads.
    Task(Waker),
}

impl Waiter {
    pub(crate) fn wake(self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            // A waker is somebody's code. Whoever runs it holds what all others wait for, and a panic would take that
            // along; the panic hook has told of it.
            Self::Task(waker) => drop(catch_unwind(AssertUnwindSafe(|| waker.wake()))),
        }
    }
}

/// What was in the table and is no more: to be dropped without a lock in hand.
#[derive(Debug)]
#[must_use = "it may hold a waker, which must not be dropped under a lock"]
pub(crate) struct Left(#[allow(dead_code, reason = "it is there to be dropped")] Option<State>);

#[derive(Debug)]
struct Slot {
    /// Zero where there is no call: then `state` is that of a new one.
    id: u64,
    /// When a task began to wait for it.
    awaited_since: Option<Moment>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No reply yet; who is to be woken for it, if somebody sleeps.
    Waiting(Option<Waiter>),
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
    slots: Vec<Slot>,
    free: Vec<u32>,
    sequence: u64,
    /// Ids of the calls whose threads sleep, so that finding one is no look at every call in flight.
    asleep: Vec<u64>,
    /// How many calls have a task that sleeps.
    task_count: usize,
    /// How many replies are to come still, also to calls that nobody waits for any more.
    owed_count: u64,
}

impl Table {
    /// Enters a call and gives it an id.
    #[inline]
    pub(crate) fn enter(&mut self) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| self.add_slot());
        self.sequence += 1;
        self.owed_count += 1;
        let id = self.sequence << INDEX_BITS | u64::from(index);
        self.slots[index as usize].id = id;
        id
    }

    /// Enters a call that has its id already: one of a thread that was alone ([`alone_id`]).
    pub(crate) fn enter_alone(&mut self, id: u64) {
        self.owed_count += 1;
        self.have_slot_of_alone();
        let slot = &mut self.slots[INDEX_OF_ALONE];
        assert!(slot.id == 0, "a thread was alone while a call of such a thread was in flight");
        slot.id = id;
    }

    /// Whether no call is in flight, or has a reply that nobody has taken.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // The slot of a thread alone is not among the free ones, nor is the one before.
        self.slots
            .get(INDEX_OF_ALONE)
            .is_none_or(|slot| slot.id == 0 && self.free.len() + INDEX_OF_ALONE + 1 == self.slots.len())
    }

    fn have_slot_of_alone(&mut self) {
        while self.slots.len() <= INDEX_OF_ALONE {
            self.slots.push(Slot { id: 0, awaited_since: None, state: State::Waiting(None) });
        }
    }

    #[cold]
    fn add_slot(&mut self) -> u32 {
        self.have_slot_of_alone();
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        assert!(index < 1 << INDEX_BITS, "more than 2^24 calls in flight on one actor");
        self.slots.push(Slot { id: 0, awaited_since: None, state: State::Waiting(None) });
        index
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

    /// Notes that the reply with this id has come; says whether anybody still waits for it.
    pub(crate) fn expects(&mut self, id: u64) -> bool {
        self.owed_count = self.owed_count.saturating_sub(1);
        self.slot(id).is_some_and(|slot| matches!(slot.state, State::Waiting(_)))
    }

    /// Whether a call is there, answered or not.
    pub(crate) fn holds(&mut self, id: u64) -> bool {
        self.slot(id).is_some()
    }

    /// Ends a call, answered or not.
    #[inline]
    pub(crate) fn forget(&mut self, id: u64) -> Left {
        Left(self.leave(id))
    }

    /// Ends a call whose reply has come just now, and went to its caller past this table.
    #[inline]
    pub(crate) fn forget_answered(&mut self, id: u64) -> Left {
        self.owed_count = self.owed_count.saturating_sub(1);
        self.forget(id)
    }

    /// Ends a call that has not left after all: it will have no reply.
    pub(crate) fn withdraw(&mut self, id: u64) -> Left {
        self.owed_count = self.owed_count.saturating_sub(1);
        self.forget(id)
    }

    /// Whether a reply to any call is to come still. Never fewer than there are: one too many costs a look.
    #[inline]
    pub(crate) fn owes_replies(&self) -> bool {
        self.owed_count > 0
    }

    /// Notes which thread to wake for a call; `None` once it is awake, whatever woke it.
    pub(crate) fn set_sleeper(&mut self, id: u64, thread: Option<Thread>) -> Left {
        self.asleep.retain(|&sleeping| sleeping != id);
        let sleeps = thread.is_some();
        let left = self.set_waiter(id, thread.map(Waiter::Thread));
        if sleeps {
            self.asleep.push(id);
        }
        left
    }

    /// Notes which task to wake for a call.
    pub(crate) fn set_task(&mut self, id: u64, waker: &Waker) -> Left {
        match self.slot(id) {
            Some(Slot { state: State::Waiting(Some(Waiter::Task(known))), .. }) if known.will_wake(waker) => {
                Left(None)
            }
            Some(slot) => {
                slot.awaited_since.get_or_insert_with(Moment::now);
                self.set_waiter(id, Some(Waiter::Task(waker.clone())))
            }
            None => Left(None),
        }
    }

    /// The task of a call sleeps no more, whatever woke it.
    pub(crate) fn unset_task(&mut self, id: u64) -> Left {
        match self.slot(id) {
            Some(Slot { state: State::Waiting(Some(Waiter::Task(_))), .. }) => self.set_waiter(id, None),
            _ => Left(None),
        }
    }

    fn set_waiter(&mut self, id: u64, waiter: Option<Waiter>) -> Left {
        let is_task = matches!(waiter, Some(Waiter::Task(_)));
        let Some(Slot { state: State::Waiting(place), .. }) = self.slot(id) else {
            return Left(Some(State::Waiting(waiter)));
        };
        let before = std::mem::replace(place, waiter);
        self.task_count += usize::from(is_task);
        self.task_count -= usize::from(matches!(before, Some(Waiter::Task(_))));
        Left(Some(State::Waiting(before)))
    }

    /// When a task first waited for a call, if one has.
    pub(crate) fn awaited_since(&mut self, id: u64) -> Option<Moment> {
        self.slot(id)?.awaited_since
    }

    /// Whether any task sleeps for its reply.
    #[inline]
    pub(crate) fn has_tasks(&self) -> bool {
        self.task_count > 0
    }

    /// Stores a reply; gives who is to be woken. A reply that nobody expects is dropped.
    pub(crate) fn answer(&mut self, id: u64, reply: Reply) -> Option<Waiter> {
        let slot = self.slot(id)?;
        match std::mem::replace(&mut slot.state, State::Answered(reply)) {
            State::Waiting(waiter) => {
                self.task_count -= usize::from(matches!(waiter, Some(Waiter::Task(_))));
                waiter
            }
            State::Answered(_) => None,
        }
    }

    /// Some thread that sleeps for its reply.
    pub(crate) fn any_sleeper(&mut self) -> Option<Thread> {
        while let Some(id) = self.asleep.pop() {
            // One that was answered is on its way to wake up.
            if let Some(Slot { state: State::Waiting(place), .. }) = self.slot(id) {
                match place.take() {
                    Some(Waiter::Thread(thread)) => return Some(thread),
                    task => *place = task,
                }
            }
        }
        None
    }

    /// All who sleep for a reply.
    pub(crate) fn all_waiters(&mut self) -> Vec<Waiter> {
        self.asleep.clear();
        self.task_count = 0;
        let waiting = self.slots.iter_mut().filter_map(|slot| match &mut slot.state {
            State::Waiting(waiter) => waiter.take(),
            State::Answered(_) => None,
        });
        waiting.collect()
    }

    #[inline]
    fn slot(&mut self, id: u64) -> Option<&mut Slot> {
        let index = usize::try_from(id & ((1 << INDEX_BITS) - 1)).ok()?;
        // No call has the id zero, whatever the other side sends.
        self.slots.get_mut(index).filter(|slot| slot.id == id && id != 0)
    }

    #[inline]
    fn leave(&mut self, id: u64) -> Option<State> {
        let index = u32::try_from(id & ((1 << INDEX_BITS) - 1)).ok()?;
        let slot = self.slot(id)?;
        slot.id = 0;
        let state = match slot.state {
            // Nobody sleeps for it: the place is as it was.
            State::Waiting(None) if slot.awaited_since.is_none() => None,
            _ => {
                slot.awaited_since = None;
                Some(std::mem::replace(&mut slot.state, State::Waiting(None)))
            }
        };
        if index as usize != INDEX_OF_ALONE {
            self.free.push(index);
        }
        self.task_count -= usize::from(matches!(state, Some(State::Waiting(Some(Waiter::Task(_))))));
        state
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
        let _ = table.forget(early);
        let later = table.enter();
        assert_eq!(early & 0xFF_FFFF, later & 0xFF_FFFF, "the slot is used again");
        assert!(table.answer(early, reply()).is_none());
        assert!(matches!(table.look(later), Look::Waiting));
        table.answer(later, reply());
        assert!(matches!(table.look(later), Look::Answered(_)));
        assert!(!table.expects(later));
    }

    #[test]
    fn each_sleeper_is_found_once_and_only_while_it_sleeps() {
        let mut table = Table::default();
        let me = || Some(std::thread::current());
        let ids: Vec<u64> = (0..5).map(|_| table.enter()).collect();
        assert!(table.any_sleeper().is_none());
        ids.iter().for_each(|&id| drop(table.set_sleeper(id, me())));
        drop(table.set_sleeper(ids[0], None));
        assert!(table.answer(ids[1], reply()).is_some(), "it is woken for its reply");
        drop(table.forget(ids[2]));
        assert!(table.any_sleeper().is_some());
        assert_eq!(table.all_waiters().len(), 1);
        assert!(table.any_sleeper().is_none());
        drop(table.set_sleeper(ids[3], None));
        drop(table.set_sleeper(ids[3], me()));
        assert_eq!(table.all_waiters().len(), 1, "it may sleep again");
        drop(table.set_sleeper(ids[1], None));
        assert!(matches!(table.look(ids[1]), Look::Answered(_)), "a reply stays until it is taken");
    }

    #[test]
    fn tasks_are_counted_however_they_leave() {
        let mut table = Table::default();
        let ids: Vec<u64> = (0..6).map(|_| table.enter()).collect();
        for &id in &ids {
            drop(table.set_task(id, Waker::noop()));
            drop(table.set_task(id, Waker::noop()));
        }
        assert!(table.has_tasks() && table.any_sleeper().is_none(), "a task cannot lead");
        drop(table.unset_task(ids[0]));
        drop(table.forget(ids[1]));
        assert!(matches!(table.answer(ids[2], reply()), Some(Waiter::Task(_))));
        drop(table.set_sleeper(ids[3], Some(std::thread::current())));
        assert!(table.any_sleeper().is_some(), "a thread took the place of the task");
        assert!(table.has_tasks());
        assert_eq!(table.all_waiters().len(), 2);
        assert!(!table.has_tasks());
        drop(table.forget(ids[4]));
        assert!(!table.has_tasks() && table.awaited_since(ids[5]).is_some());
    }

    #[test]
    fn replies_are_owed_until_they_come_or_cannot() {
        let mut table = Table::default();
        let ids: Vec<u64> = (0..4).map(|_| table.enter()).collect();
        drop(table.forget(ids[0]));
        assert!(
            table.expects(ids[1]) && !table.expects(ids[0]),
            "the reply to a forgotten call comes all the same"
        );
        assert!(table.owes_replies());
        drop(table.forget_answered(ids[2]));
        assert!(table.owes_replies());
        drop(table.withdraw(ids[3]));
        assert!(!table.owes_replies());
    }

    #[test]
    fn the_call_of_a_thread_that_was_alone_has_its_own_slot() {
        let mut table = Table::default();
        assert!(table.is_empty());
        for message in [7, 1 << (64 - INDEX_BITS)] {
            let alone = alone_id(message);
            assert_ne!(alone, 0);
            table.enter_alone(alone);
            let other = table.enter();
            assert!(table.expects(alone) && table.expects(other) && !table.is_empty());
            table.answer(alone, reply());
            assert!(matches!(table.look(alone), Look::Answered(_)));
            assert!(!table.is_empty(), "there is the other one");
            drop(table.forget(other));
            assert!(table.is_empty() && !table.owes_replies());
        }
    }

    #[test]
    fn a_second_reply_and_an_unknown_id_are_dropped() {
        let mut table = Table::default();
        let id = table.enter();
        table.answer(id, reply());
        table.look(id);
        assert!(table.answer(id, reply()).is_none());
        assert!(table.answer(u64::MAX, reply()).is_none());
        assert!(table.answer(0, reply()).is_none() && !table.expects(0) && !table.holds(0));
    }
}
