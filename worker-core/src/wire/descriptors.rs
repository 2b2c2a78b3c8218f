//! Descriptors inside values: a value that holds one is sent by its place in a list that goes along.
//! Not here: how the list gets across (`link`), and which values hold descriptors.
//! Layer 2: serde knows no descriptors, so the list is kept by the thread that encodes or decodes.
//!
//! While a message is encoded its thread has a *list*: a `Serialize` implementation puts a descriptor
//! in it with [`attach`] and writes the number that it got. While the message is decoded the
//! other side's thread has what arrived, and `Deserialize` takes it out with [`detach`]. Whatever is
//! not taken is closed; so is a list whose message did not get away. Anything that owns descriptors
//! can travel by these two functions.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sys::socket::DESCRIPTORS_MAX;

/// Descriptors that go along with one message, or came along with it.
///
/// Boxed and optional: a message without descriptors, which is nearly every one, has none.
pub(crate) type Attached = Option<Box<Parcel>>;

/// A list of descriptors on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// In the order of their numbers; one that is taken leaves its place empty. Shared, so that a message which
    /// is sent again, or later, takes no further descriptor.
    places: Vec<Option<Arc<OwnedFd>>>,
    /// How many the sender put in: some may be lost if the receiver may open no more.
    sent_count: usize,
    /// What they belong to moves with the message: it can be sent once, and not again.
    moves: bool,
    /// Who wants to know that the message has left.
    leaving: Vec<Arc<dyn Moves>>,
    /// When everything is to be done that takes waiting to decode the message.
    decoded_until: Option<Instant>,
}

impl Parcel {
    /// What arrived of `sent_count` descriptors.
    pub(crate) fn arrived(descriptors: Vec<OwnedFd>, sent_count: usize) -> Box<Self> {
        let places = descriptors.into_iter().map(|descriptor| Some(Arc::new(descriptor))).collect();
        Box::new(Self { places, sent_count, moves: false, leaving: Vec::new(), decoded_until: None })
    }

    /// What is to be sent.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &OwnedFd> {
        self.places.iter().flatten().map(|descriptor| &**descriptor)
    }

    /// Whether what they belong to would be spent by sending the message.
    pub(crate) fn moves(&self) -> bool {
        self.moves
    }

    /// The message has left: what moves with it is spent here.
    pub(crate) fn note_left(&self) {
        self.leaving.iter().for_each(|value| value.left());
    }

    pub(crate) fn sent_count(&self) -> usize {
        self.sent_count
    }
}

/// A value that is spent once it was sent.
pub(crate) trait Moves: fmt::Debug + Send + Sync {
    /// The message with it has left.
    fn left(&self);
}

/// How deep a thread is in messages inside messages, and how deep the innermost list is that holds something.
///
/// Nearly no message has descriptors: what it costs to ask must be next to nothing, and the lists have destructors, which
/// makes them dear.
struct Depth {
    /// Messages that are being encoded, one inside the other; zero outside of any.
    messages: Cell<u32>,
    /// Of the innermost of [`LISTS`]; zero if there is none.
    list: Cell<u32>,
}

thread_local! {
    static ENCODING: Depth = const { Depth { messages: Cell::new(0), list: Cell::new(0) } };
    /// The lists of the messages that this thread encodes and that have something, each with its depth, the innermost last.
    static LISTS: RefCell<Vec<(u32, Box<Parcel>)>> = const { RefCell::new(Vec::new()) };
    /// Whether anything came along with the message that this thread decodes.
    static HAS_ARRIVED: Cell<bool> = const { Cell::new(false) };
    /// What came along with it.
    static DECODING: RefCell<Attached> = const { RefCell::new(None) };
}

/// The list of the innermost message, made if there is none.
fn with_list<T>(depth: u32, run: impl FnOnce(&mut Parcel) -> T) -> T {
    LISTS.with_borrow_mut(|lists| {
        if ENCODING.with(|encoding| encoding.list.replace(depth)) != depth {
            lists.push((depth, Parcel::arrived(Vec::new(), 0)));
        }
        let (_, parcel) = lists.last_mut().expect("it was pushed, now or before");
        run(parcel)
    })
}

/// Takes the list of a message out, and shows that of the message around it.
#[cold]
fn take_list(depth: u32) -> Attached {
    LISTS.with_borrow_mut(|lists| {
        let parcel = lists.pop_if(|(its_depth, _)| *its_depth == depth).map(|(_, parcel)| parcel);
        let list = lists.last().map_or(0, |&(its_depth, _)| its_depth);
        ENCODING.with(|encoding| encoding.list.set(list));
        parcel
    })
}

/// Puts a descriptor in the list of the message that is being encoded; gives its number there.
///
/// # Errors
///
/// Outside of a message, and if the list is full: text for `reason::not_encoded`.
pub(crate) fn attach(descriptor: OwnedFd) -> Result<u32, String> {
    attach_shared(Arc::new(descriptor))
}

/// Puts what goes along with a message that is encoded already in the list of the one that is being encoded.
///
/// # Errors
///
/// As [`attach`].
pub(crate) fn attach_again(attached: &Attached) -> Result<(), String> {
    let Some(parcel) = attached else { return Ok(()) };
    for descriptor in parcel.places.iter().flatten() {
        attach_shared(Arc::clone(descriptor))?;
    }
    with_own_list(|again| {
        again.moves |= parcel.moves;
        again.leaving.extend(parcel.leaving.iter().map(Arc::clone));
    });
    Ok(())
}

fn attach_shared(descriptor: Arc<OwnedFd>) -> Result<u32, String> {
    let depth = ENCODING.with(|encoding| encoding.messages.get());
    if depth == 0 {
        return Err("it holds a descriptor, so it can only be an argument or a result of a call, or go through a channel".into());
    }
    with_list(depth, |parcel| {
        if parcel.sent_count == DESCRIPTORS_MAX {
            return Err(format!("one message carries at most {DESCRIPTORS_MAX} descriptors"));
        }
        parcel.places.push(Some(descriptor));
        parcel.sent_count += 1;
        Ok(u32::try_from(parcel.sent_count - 1).unwrap_or(u32::MAX))
    })
}

/// Says that the value that is being encoded moves with its message, so that it is not sent again.
pub(crate) fn note_move() {
    with_own_list(|parcel| parcel.moves = true);
}

/// As [`note_move`], for a value that wants to know when its message has left.
pub(crate) fn note_leaving(value: Arc<dyn Moves>) {
    note_move();
    with_own_list(|parcel| parcel.leaving.push(value));
}

/// The list of the message that is being encoded, if something is in it.
fn with_own_list(run: impl FnOnce(&mut Parcel)) {
    let (messages, list) = ENCODING.with(|encoding| (encoding.messages.get(), encoding.list.get()));
    if messages != 0 && messages == list {
        with_list(messages, run);
    }
}

/// Takes a descriptor, by its number, out of the list that came along with the message.
///
/// # Errors
///
/// If it is not there: text for `reason::not_decoded`.
pub(crate) fn detach(number: u32) -> Result<OwnedFd, String> {
    DECODING.with_borrow_mut(|decoding| {
        let absent = || format!("the message brought no descriptor {number}, or it is taken already");
        let index = usize::try_from(number).map_err(|_| absent())?;
        let parcel = decoding.as_mut().ok_or_else(absent)?;
        if index >= parcel.places.len() && index < parcel.sent_count {
            return Err("a descriptor was lost on the way: this process may open no more of them".into());
        }
        let taken = parcel.places.get_mut(index).and_then(Option::take).ok_or_else(absent)?;
        Ok(Arc::into_inner(taken).expect("what arrived is shared with nobody"))
    })
}

/// Until when a value of the message that is being decoded may wait: one moment for all of them, `patience` from the
/// first that asks. However many there are, the message keeps its receiver no longer than one.
pub(crate) fn may_wait_until(patience: Duration) -> Instant {
    DECODING.with_borrow_mut(|decoding| match decoding {
        Some(parcel) => *parcel.decoded_until.get_or_insert_with(|| Instant::now() + patience),
        None => Instant::now() + patience,
    })
}

/// Encodes with a new list, and gives what was put in it.
#[inline]
pub(crate) fn attached_by<T>(encode: impl FnOnce() -> T) -> (T, Attached) {
    /// Goes back to the message around this one, also when the encoding panics.
    struct Restore<'thread>(&'thread Depth, u32);
    impl Drop for Restore<'_> {
        #[inline]
        fn drop(&mut self) {
            let Self(encoding, depth) = *self;
            if encoding.list.get() >= depth {
                drop(take_list(depth));
            }
            encoding.messages.set(depth - 1);
        }
    }
    ENCODING.with(|encoding| {
        let depth = encoding.messages.get() + 1;
        encoding.messages.set(depth);
        let restore = Restore(encoding, depth);
        let result = encode();
        let attached = if encoding.list.get() == depth { take_list(depth) } else { None };
        drop(restore);
        (result, attached)
    })
}

/// Decodes with what came along; what is left of it is closed.
#[inline]
pub(crate) fn with_arrived<T>(attached: Attached, decode: impl FnOnce() -> T) -> T {
    match attached {
        // Nothing came, and there is nothing that this message must not see.
        None if !HAS_ARRIVED.get() => decode(),
        attached => with_parcel(attached, decode),
    }
}

#[cold]
fn with_parcel<T>(attached: Attached, decode: impl FnOnce() -> T) -> T {
    /// Puts what came along with the message around this one back.
    struct Restore(Attached);
    impl Drop for Restore {
        fn drop(&mut self) {
            HAS_ARRIVED.set(self.0.is_some());
            DECODING.set(self.0.take());
        }
    }
    HAS_ARRIVED.set(attached.is_some());
    let _restore = Restore(DECODING.replace(attached));
    decode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn descriptor() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn a_descriptor_goes_by_its_number_and_is_taken_once() {
        let ((), attached) = attached_by(|| {
            assert_eq!(attach(descriptor()), Ok(0));
            assert_eq!(attach(descriptor()), Ok(1));
        });
        with_arrived(attached, || {
            assert!(detach(1).is_ok());
            assert!(detach(1).unwrap_err().contains("taken already"));
            assert!(detach(2).is_err());
            assert!(detach(0).is_ok());
        });
        assert!(detach(0).is_err());
    }

    #[test]
    fn outside_of_a_message_and_beyond_the_most_it_is_refused() {
        assert!(attach(descriptor()).unwrap_err().contains("argument or a result"));
        let (last, attached) = attached_by(|| {
            for _ in 0..DESCRIPTORS_MAX {
                attach(descriptor()).unwrap();
            }
            attach(descriptor())
        });
        assert!(last.unwrap_err().contains("at most 253"));
        assert_eq!(attached.unwrap().descriptors().count(), DESCRIPTORS_MAX);
    }

    #[test]
    fn messages_inside_messages_have_lists_of_their_own() {
        let (inner, outer) = attached_by(|| {
            attach(descriptor()).unwrap();
            let ((), inner) = attached_by(|| assert_eq!(attach(descriptor()), Ok(0)));
            assert_eq!(attach(descriptor()), Ok(1));
            inner
        });
        assert_eq!((inner.unwrap().sent_count(), outer.unwrap().sent_count()), (1, 2));
        let panicked = std::panic::catch_unwind(|| attached_by(|| panic!("in the middle")));
        assert!(panicked.is_err() && attach(descriptor()).is_err());
    }

    #[test]
    fn a_message_that_is_sent_again_takes_no_further_descriptor_and_what_moves_is_told_of_it() {
        #[derive(Debug, Default)]
        struct Moved(std::sync::atomic::AtomicBool);
        impl Moves for Moved {
            fn left(&self) {
                self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let moved = Arc::new(Moved::default());
        let (number, first) = attached_by(|| {
            let descriptor = descriptor();
            let number = std::os::fd::AsRawFd::as_raw_fd(&descriptor);
            attach(descriptor).unwrap();
            note_leaving(Arc::<Moved>::clone(&moved));
            number
        });
        let (again, second) = attached_by(|| attach_again(&first));
        again.unwrap();
        let second = second.unwrap();
        let numbers: Vec<_> = second.descriptors().map(std::os::fd::AsRawFd::as_raw_fd).collect();
        assert_eq!((numbers, second.moves()), (vec![number], true));
        second.note_left();
        assert!(moved.0.load(std::sync::atomic::Ordering::Relaxed));
    }

    #[test]
    fn all_values_of_a_message_wait_until_the_same_moment() {
        let long = Duration::from_secs(1000);
        let first = with_arrived(Some(Parcel::arrived(Vec::new(), 0)), || {
            let first = may_wait_until(long);
            with_arrived(Some(Parcel::arrived(Vec::new(), 0)), || assert!(may_wait_until(2 * long) > first));
            assert_eq!(may_wait_until(3 * long), first);
            first
        });
        assert!(may_wait_until(long) >= first, "another message");
    }

    #[test]
    fn what_was_lost_on_the_way_is_told_apart() {
        with_arrived(Some(Parcel::arrived(vec![descriptor()], 3)), || {
            assert!(detach(0).is_ok());
            assert!(detach(2).unwrap_err().contains("lost on the way"));
            assert!(detach(3).unwrap_err().contains("brought no descriptor"));
        });
    }
}
