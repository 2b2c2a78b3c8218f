//! The ring on ordinary memory: every length, every position, and a consumer that meets garbage.
//! Not here: memory orderings (`model`).
//! Layer 2: tests.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use super::geometry::record_bytes;
use super::{Consumer, Geometry, Header, KIND_PADDING, LINE_BYTES, Memory, Producer};

struct Words(Vec<AtomicU64>);

impl Memory for Words {
    fn load(&self, offset_bytes: usize, order: Ordering) -> u64 {
        self.0[offset_bytes / 8].load(order)
    }

    fn store(&self, offset_bytes: usize, value: u64, order: Ordering) {
        self.0[offset_bytes / 8].store(value, order);
    }

    fn swap(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.0[offset_bytes / 8].swap(value, order)
    }

    fn or(&self, offset_bytes: usize, value: u64, order: Ordering) -> u64 {
        self.0[offset_bytes / 8].fetch_or(value, order)
    }

    fn fence(&self) {}
}

const CAPACITY_BYTES: usize = 1024;
const GEOMETRY: Geometry =
    Geometry { base_bytes: 64, capacity_bytes: CAPACITY_BYTES, read_position_offset: 0 };

fn memory() -> Words {
    Words((0..(64 + CAPACITY_BYTES) / 8).map(|_| AtomicU64::new(0)).collect())
}

fn header(length_bytes: usize) -> Header {
    Header { length_bytes: u32::try_from(length_bytes).unwrap(), kind: 1, flags: 0, cpu: 0 }
}

/// Fills the whole room of a record with words that no header may be taken for.
fn commit(producer: &mut Producer, memory: &Words, length_bytes: usize, id: u64) -> bool {
    let Ok(reservation) = producer.reserve(memory, length_bytes) else { return false };
    let room = record_bytes(length_bytes) - super::PAYLOAD_OFFSET_BYTES;
    for offset in (0..room).step_by(8) {
        memory.store(reservation.payload_offset + offset, u64::MAX, Ordering::Relaxed);
    }
    producer.commit(memory, reservation, header(length_bytes), id);
    true
}

/// A sequence of numbers that is the same in every run and on every machine.
fn pseudo_random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 40).unwrap()
}

#[test]
fn any_mixture_of_lengths_arrives_in_order() {
    let (memory, mut producer, mut consumer) = (memory(), Producer::new(GEOMETRY), Consumer::new(GEOMETRY));
    let mut in_flight = VecDeque::new();
    let (mut state, mut id) = (1, 0);
    for _ in 0..100_000 {
        if pseudo_random(&mut state).is_multiple_of(2) {
            let length_bytes = pseudo_random(&mut state) % (GEOMETRY.payload_max_bytes() + 1);
            if commit(&mut producer, &memory, length_bytes, id) {
                in_flight.push_back((id, length_bytes));
                id += 1;
            } else {
                assert!(!in_flight.is_empty(), "an empty ring has room for every length");
            }
        } else {
            let record = consumer.next(&memory).unwrap();
            let expected = in_flight.pop_front();
            assert_eq!(record.map(|record| (record.id, record.header.length_bytes as usize)), expected);
            if record.is_some() {
                consumer.release(&memory);
            }
        }
    }
    assert!(id > 10_000, "most of it was accepted");
}

#[test]
fn what_was_written_and_given_up_is_never_taken_for_a_record() {
    let (memory, mut producer, mut consumer) = (memory(), Producer::new(GEOMETRY), Consumer::new(GEOMETRY));
    for id in 0..100 {
        let reservation = producer.reserve_some(&memory, GEOMETRY.payload_max_bytes()).unwrap();
        let room = reservation.payload_room_bytes;
        for offset in (0..room & !7).step_by(8) {
            memory.store(reservation.payload_offset + offset, u64::MAX, Ordering::Relaxed);
        }
        // The reservation is dropped, which does nothing.
        assert!(commit(&mut producer, &memory, 0, id));
        assert_eq!(consumer.next(&memory).unwrap().unwrap().id, id);
        consumer.release(&memory);
        assert!(consumer.next(&memory).unwrap().is_none(), "the line behind it is zero (R1)");
    }
}

#[test]
fn a_full_ring_says_what_it_waits_for() {
    let (memory, mut producer, mut consumer) = (memory(), Producer::new(GEOMETRY), Consumer::new(GEOMETRY));
    let mut count = 0;
    while commit(&mut producer, &memory, 0, count) {
        count += 1;
    }
    assert_eq!(count, (CAPACITY_BYTES / LINE_BYTES - 1) as u64, "one line stays free (R1)");
    let full = producer.reserve(&memory, 100).unwrap_err();
    let mut read_position = 0;
    while read_position < full.until_position {
        assert!(producer.reserve(&memory, 100).is_err());
        let record = consumer.next(&memory).unwrap().unwrap();
        consumer.release(&memory);
        read_position += record_bytes(record.header.length_bytes as usize) as u64;
    }
    assert!(producer.reserve(&memory, 100).is_ok());
}

#[test]
fn a_consumer_meets_garbage_and_survives() {
    let mut state = 7;
    for _ in 0..200_000 {
        let memory = memory();
        let word = pseudo_random(&mut state) as u64 | (pseudo_random(&mut state) as u64) << 24;
        memory.store(64, word, Ordering::Relaxed);
        let mut consumer = Consumer::new(GEOMETRY);
        if let Ok(Some(record)) = consumer.next(&memory) {
            assert_ne!(record.header.kind, KIND_PADDING);
            let end = record.payload_offset + record.header.length_bytes as usize;
            assert!(end <= 64 + CAPACITY_BYTES, "the payload lies inside the ring");
        }
    }
}

#[test]
fn a_ring_full_of_padding_is_broken_not_endless() {
    for padding_bytes in [LINE_BYTES, CAPACITY_BYTES / 2, CAPACITY_BYTES] {
        let memory = memory();
        let length_bytes = u32::try_from(padding_bytes - super::PAYLOAD_OFFSET_BYTES).unwrap();
        let padding = Header { length_bytes, kind: KIND_PADDING, ..Header::default() };
        for offset in (0..CAPACITY_BYTES).step_by(LINE_BYTES) {
            memory.store(64 + offset, padding.to_word(), Ordering::Relaxed);
        }
        assert!(Consumer::new(GEOMETRY).next(&memory).is_err(), "padding of {padding_bytes} bytes");
    }
}

#[test]
fn a_producer_does_not_believe_a_consumer_that_is_ahead_of_it() {
    let (memory, mut producer) = (memory(), Producer::new(GEOMETRY));
    while commit(&mut producer, &memory, 0, 0) {}
    memory.store(GEOMETRY.read_position_offset, u64::MAX, Ordering::Relaxed);
    assert!(producer.reserve(&memory, 0).is_err());
    memory.store(GEOMETRY.read_position_offset, 64, Ordering::Relaxed);
    assert!(producer.reserve(&memory, 0).is_ok());
}
