//! The ring and the rule of sleeping, run by loom through every order that the memory model allows.
//! Not here: the same with real threads and processes (`tests`, `link::conformance`).
//! Layer 2: a model. Run it with `RUSTFLAGS="--cfg worker_model" cargo test -p worker-core --lib --release ring::model`.
#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, fence};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::waiting::{self, MESSAGE_BIT, ROOM_BIT};
use super::{Consumer, Geometry, Header, Memory, Producer};

/// Shared memory as loom sees it: words that are atomics, and beside them plain payload words, of
/// which loom proves that no read and write are concurrent.
struct Words {
    words: Vec<AtomicU64>,
    payload: Vec<UnsafeCell<u64>>,
}

// SAFETY: loom itself checks that the cells are never accessed by two threads at a time.
unsafe impl Sync for Words {}

impl Words {
    fn new(bytes: usize) -> Self {
        let words = (0..bytes / 8).map(|_| AtomicU64::new(0)).collect();
        let payload = (0..bytes / 8).map(|_| UnsafeCell::new(0)).collect();
        Self { words, payload }
    }

    fn write_payload(&self, offset_bytes: usize, value: u64) {
        // SAFETY: loom fails the model if anybody else has access meanwhile.
        self.payload[offset_bytes / 8].with_mut(|word| unsafe { *word = value });
    }

    fn read_payload(&self, offset_bytes: usize) -> u64 {
        // SAFETY: loom fails the model if anybody writes meanwhile.
        self.payload[offset_bytes / 8].with(|word| unsafe { *word })
    }
}

impl Memory for Words {
    fn load(&self, offset_bytes: usize, order: Ordering) -> u64 {
        self.words[offset_bytes / 8].load(order)
    }

    fn store(&self, offset_bytes: usize, value: u64, order: Ordering) {
        self.words[offset_bytes / 8].store(value, order);
    }

    fn swap(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.words[offset_bytes / 8].swap(value, order)
    }

    fn or(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.words[offset_bytes / 8].fetch_or(value, order)
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}

/// Four lines, the smallest ring there is, behind one line for the positions and words.
const SMALL: Geometry = Geometry { base_bytes: 64, capacity_bytes: 256, read_position_offset: 0 };
/// Eight lines, of which a record of three leaves two behind that must be padded.
const PADDED: Geometry = Geometry { base_bytes: 64, capacity_bytes: 512, read_position_offset: 0 };
const CONSUMER_WORD: usize = 8;

fn header(length_bytes: u32) -> Header {
    Header { length_bytes, kind: 1, flags: 0, cpu: 0 }
}

fn push(producer: &mut Producer, memory: &Words, length_bytes: u32, value: u64) -> bool {
    let Ok(reservation) = producer.reserve(memory, length_bytes as usize) else { return false };
    memory.write_payload(reservation.payload_offset, value);
    producer.commit(memory, reservation, header(length_bytes), value);
    true
}

fn pop(consumer: &mut Consumer, memory: &Words) -> Option<u64> {
    let record = consumer.next(memory).expect("nobody breaks the protocol")?;
    let value = memory.read_payload(record.payload_offset);
    assert_eq!(record.id, value, "id and payload belong to one record");
    assert_eq!(record.header, header(record.header.length_bytes));
    consumer.release(memory);
    Some(value)
}

fn records_arrive_whole_and_in_order(geometry: Geometry, length_bytes: u32) {
    // Bounded, because a ring of four lines used again has more orders than anybody can wait for;
    // three preemptions find every known bug of this kind.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        const COUNT: u64 = 5;
        let memory = Arc::new(Words::new(64 + geometry.capacity_bytes));
        let producing = Arc::clone(&memory);
        let producer = thread::spawn(move || {
            let mut producer = Producer::new(geometry);
            for value in 1..=COUNT {
                while !push(&mut producer, &producing, length_bytes, value) {
                    thread::yield_now();
                }
            }
        });
        let mut consumer = Consumer::new(geometry);
        for expected in 1..=COUNT {
            let value = loop {
                match pop(&mut consumer, &memory) {
                    Some(value) => break value,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(value, expected);
        }
        producer.join().unwrap();
    });
}

#[test]
fn lines_are_used_again() {
    records_arrive_whole_and_in_order(SMALL, 8);
}

#[test]
fn the_end_of_the_ring_is_padded() {
    records_arrive_whole_and_in_order(PADDED, 150);
}

/// A doorbell that remembers its rings, as a pipe does.
#[derive(Default)]
struct Doorbell {
    rings: Mutex<u32>,
    changed: Condvar,
}

#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let memory = Arc::new(Words::new(64 + 256));
        let doorbell = Arc::new(Doorbell::default());
        let (producing, ringing) = (Arc::clone(&memory), Arc::clone(&doorbell));
        let producer = thread::spawn(move || {
            assert!(push(&mut Producer::new(SMALL), &producing, 8, 7));
            if waiting::must_ring(&*producing, CONSUMER_WORD, MESSAGE_BIT) {
                *ringing.rings.lock().unwrap() += 1;
                ringing.changed.notify_one();
            }
        });
        let mut consumer = Consumer::new(SMALL);
        while !consumer.has_record(&*memory) {
            waiting::announce(&*memory, CONSUMER_WORD, MESSAGE_BIT);
            if consumer.has_record(&*memory) {
                waiting::end(&*memory, CONSUMER_WORD);
                break;
            }
            // Sleeps for ever if the producer saw nobody asleep: loom reports that as a deadlock.
            let mut rings = doorbell.rings.lock().unwrap();
            while *rings == 0 {
                rings = doorbell.changed.wait(rings).unwrap();
            }
            *rings = 0;
        }
        assert_eq!(pop(&mut consumer, &memory), Some(7));
        producer.join().unwrap();
    });
}

/// C9 of `calls::client`: a leader that sees no reply owed does not look at who waits for the room it has freed; a
/// request that another thread sends brings the word of that room along.
#[test]
fn room_that_nobody_is_told_of_is_seen_by_whoever_needs_it() {
    const POSITION: usize = 0;
    const BACKEND_WORD: usize = 8;
    const REQUEST: usize = 16;
    loom::model(|| {
        let memory = Arc::new(Words::new(64));
        let doorbell = Arc::new(Doorbell::default());
        // One reply is in the ring, and fills it.
        let owed = Arc::new(Mutex::new(1));
        let (sending, entering) = (Arc::clone(&memory), Arc::clone(&owed));
        let sender = thread::spawn(move || {
            *entering.lock().unwrap() += 1;
            sending.store(REQUEST, 1, Ordering::Release);
        });
        let (leading, ringing, leaving) = (Arc::clone(&memory), Arc::clone(&doorbell), Arc::clone(&owed));
        let leader = thread::spawn(move || {
            leading.store(POSITION, 64, Ordering::Release);
            let mut owed = leaving.lock().unwrap();
            *owed -= 1;
            if *owed > 0 && waiting::must_ring(&*leading, BACKEND_WORD, ROOM_BIT) {
                *ringing.rings.lock().unwrap() += 1;
                ringing.changed.notify_one();
            }
        });
        while memory.load(REQUEST, Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        while memory.load(POSITION, Ordering::Acquire) < 64 {
            waiting::announce(&*memory, BACKEND_WORD, ROOM_BIT);
            if memory.load(POSITION, Ordering::Acquire) >= 64 {
                break;
            }
            // Sleeps for ever if the leader saw nobody asleep: loom reports that as a deadlock.
            let mut rings = doorbell.rings.lock().unwrap();
            while *rings == 0 {
                rings = doorbell.changed.wait(rings).unwrap();
            }
            *rings = 0;
        }
        sender.join().unwrap();
        leader.join().unwrap();
    });
}
