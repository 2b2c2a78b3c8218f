//! Rings in one process: what the model cannot show.
//! Not here: interleavings (`model`), and other processes (the package `tests`).
//! Layer 6: tests.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::memory::{Mapped, Purpose};
use super::*;
use crate::sys::doorbell::wait_readable;
use crate::sys::memory::{Object, SharedMemory};
use crate::wire::codec;
use crate::wire::descriptors::{Attached, attached_by, with_arrived};
use crate::wire::writer::Writer;

fn send<T: serde::Serialize>(value: &T) -> (Vec<u8>, Attached) {
    let mut bytes = Vec::new();
    let (result, attached) = attached_by(|| codec::encode(value, &mut Writer::to_heap(&mut bytes)));
    result.unwrap();
    (bytes, attached)
}

fn receive<T: serde::de::DeserializeOwned>(sent: (Vec<u8>, Attached)) -> Result<T, String> {
    with_arrived(sent.1, || codec::decode(&sent.0)).map_err(|error| error.to_string())
}

/// A frame whose every element says which frame it is.
fn fill(claim: &mut [u64], number: u64) {
    claim.fill(number);
}

fn number_of(frame: &[u64]) -> u64 {
    let number = frame[0];
    assert!(frame.iter().all(|&element| element == number), "a torn frame");
    number
}

#[test]
fn a_slow_and_a_fast_reader_never_see_a_torn_frame() {
    let frames = if cfg!(debug_assertions) { 3_000 } else { 100_000 };
    for overflow in Overflow::ALL {
        let layout = Layout::new([64, 16]).slots(4).overflow(overflow);
        let (mut writer, fast) = ring_with_metadata::<u64, u64>(layout).unwrap();
        let slow = fast.try_clone().unwrap();
        let readers = [(fast, 0), (slow, 200)].map(|(reader, turns)| {
            thread::spawn(move || {
                let mut last = 0;
                for frame in reader.iter() {
                    let number = number_of(&frame);
                    for _ in 0..turns {
                        thread::yield_now();
                    }
                    assert_eq!((number_of(&frame), frame.metadata()), (number, number));
                    assert!(number > last);
                    last = number;
                }
                (last, reader.taken(), reader.lost())
            })
        });
        let mut written = 0;
        for number in 1..=frames {
            let Some(mut claim) = writer.claim().unwrap() else { continue };
            fill(&mut claim, number);
            *claim.metadata_mut() = number;
            assert_eq!(claim.commit(), number, "dropped frames have numbers too");
            written += 1;
        }
        let counts = writer.counts();
        assert_eq!((counts.published, counts.published + counts.dropped), (written, frames));
        drop(writer);
        for reader in readers {
            let (last, taken, lost) = reader.join().unwrap();
            assert_eq!(taken + lost, last, "{overflow:?}: each frame is taken or counted");
            if overflow == Overflow::Block {
                assert_eq!((taken, counts.overwritten), (frames, 0));
            }
        }
    }
}

#[test]
fn each_policy_loses_the_frames_that_it_says() {
    for (overflow, expected, dropped, overwritten) in [
        (Overflow::DropNewest, vec![1, 2, 3, 6], 2, 0),
        (Overflow::DropOldest, vec![3, 4, 5, 6], 0, 2),
        (Overflow::LatestOnly, vec![5, 6], 0, 2),
    ] {
        let (mut writer, reader) = ring::<u64>(Layout::new([8]).slots(3).overflow(overflow)).unwrap();
        let mut taken = Vec::new();
        for number in 1..=6 {
            if number == 6 {
                taken.extend(reader.try_recv().unwrap().map(|frame| number_of(&frame)));
            }
            writer.write(&[number; 8]).unwrap();
        }
        while let Some(frame) = reader.try_recv().unwrap() {
            assert_eq!(number_of(&frame), frame.sequence());
            taken.push(frame.sequence());
        }
        assert_eq!(taken, expected, "{overflow:?}");
        let counts = reader.counts();
        assert_eq!((counts.dropped, counts.overwritten), (dropped, overwritten), "{overflow:?}");
        assert_eq!(reader.lost(), 6 - taken.len() as u64);
        assert_eq!((writer.lost(), writer.counts()), (reader.lost(), counts));
        assert_eq!(writer.readers()[0].taken, taken.len() as u64);
        drop(reader);
        assert_eq!(writer.lost(), 6 - taken.len() as u64, "what a reader lost stays counted");
    }
}

#[test]
fn borrowed_frames_stay_and_the_others_move_on() {
    let (mut writer, reader) = ring::<u64>(Layout::new([8]).slots(3).overflow(Overflow::DropOldest)).unwrap();
    writer.write(&[1; 8]).unwrap();
    let first = reader.recv().unwrap();
    for number in 2..=20 {
        assert_eq!(writer.write(&[number; 8]).unwrap(), Some(number));
        assert_eq!(number_of(&first), 1);
    }
    let second = reader.recv().unwrap();
    let third = reader.recv().unwrap();
    assert_eq!((number_of(&second), number_of(&third)), (19, 20));
    // Each slot is borrowed: there is none to write to, and none of them is touched.
    assert_eq!(writer.write(&[21; 8]).unwrap(), None);
    assert_eq!([&first, &second, &third].map(|frame| number_of(frame)), [1, 19, 20]);
    drop(second);
    assert_eq!(writer.write(&[22; 8]).unwrap(), Some(22));
    assert_eq!(number_of(&reader.recv().unwrap()), 22);
    assert_eq!((reader.taken(), reader.lost()), (4, 18));
}

#[test]
fn a_claim_that_is_dropped_was_never_there() {
    let (mut writer, reader) = ring::<u8>(Layout::new([4]).slots(2)).unwrap();
    for _ in 0..10 {
        drop(writer.claim().unwrap());
    }
    assert_eq!(writer.write(b"abcd").unwrap(), Some(1));
    let frame = reader.recv().unwrap();
    assert_eq!((&*frame, frame.sequence(), reader.lost()), (&b"abcd"[..], 1, 0));
}

#[test]
fn a_blocked_writer_goes_on_when_a_frame_comes_back_or_a_reader_goes() {
    let (mut writer, reader) = ring::<u64>(Layout::new([1]).slots(2)).unwrap();
    let lazy = reader.try_clone().unwrap();
    let now = Duration::ZERO;
    for number in 1..=2 {
        writer.write(&[number]).unwrap();
    }
    assert!(matches!(writer.claim_timeout(now), Err(WriteError::TimedOut)));
    let frame = reader.recv().unwrap();
    assert!(matches!(writer.claim_timeout(now), Err(WriteError::TimedOut)), "the other one has not read it");
    thread::scope(|scope| {
        let writing = scope.spawn(|| writer.write(&[3]).unwrap());
        drop(lazy);
        drop(frame);
        assert_eq!(writing.join().unwrap(), Some(3));
    });
    assert_eq!(writer.counts().dropped, 0);
    drop(reader);
    assert!(matches!(writer.claim(), Err(WriteError::NoReaders)));
    assert!(matches!(writer.claim(), Err(WriteError::NoReaders)), "and it stays so");
}

#[test]
fn a_reader_waits_until_a_frame_or_a_deadline_or_the_end() {
    let (mut writer, reader) = ring::<u8>(Layout::new([1])).unwrap();
    assert!(reader.recv_timeout(Duration::from_millis(5)).unwrap().is_none());
    thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let byte = reader.recv().unwrap()[0];
            (byte, reader)
        });
        writer.write(&[7]).unwrap();
        let (byte, reader) = reading.join().unwrap();
        assert_eq!(byte, 7);
        writer.write(&[8]).unwrap();
        let end = scope.spawn(move || {
            assert_eq!(reader.recv().unwrap()[0], 8);
            matches!(reader.recv(), Err(RecvError::WriterGone))
        });
        drop(writer);
        assert!(end.join().unwrap());
    });
}

#[test]
fn the_descriptor_is_readable_when_there_may_be_a_frame() {
    let (mut writer, reader) = ring::<u8>(Layout::new([1])).unwrap();
    let is_readable = |reader: &FrameReader<u8>| wait_readable(reader.as_fd(), Some(Instant::now())).unwrap();
    for _ in 0..3 {
        assert!(reader.try_recv().unwrap().is_none());
        assert!(!is_readable(&reader));
        writer.write(&[1]).unwrap();
        writer.write(&[2]).unwrap();
        assert!(is_readable(&reader));
        assert!(reader.try_recv().unwrap().is_some());
        assert!(reader.try_recv().unwrap().is_some());
    }
    assert!(reader.try_recv().unwrap().is_none());
    drop(writer);
    assert!(is_readable(&reader));
    assert!(matches!(reader.try_recv(), Err(RecvError::WriterGone)));
}

#[test]
fn ends_travel_and_go_on_where_they_were() {
    let (mut writer, reader) = ring::<u64>(Layout::new([2]).slots(4)).unwrap();
    writer.write(&[1; 2]).unwrap();
    writer.write(&[2; 2]).unwrap();
    assert_eq!(number_of(&reader.recv().unwrap()), 1);
    let arrived: FrameReader<u64> = receive(send(&reader)).unwrap();
    assert!(matches!(reader.try_recv(), Err(RecvError::Sent)) && reader.try_clone().is_err());
    drop(reader);
    assert_eq!((number_of(&arrived.recv().unwrap()), arrived.taken()), (2, 2));
    let mut moved: FrameWriter<u64> = receive(send(&writer)).unwrap();
    assert!(matches!(writer.write(&[0; 2]), Err(WriteError::Sent)));
    drop(writer);
    assert_eq!(moved.write(&[3; 2]).unwrap(), Some(3));
    let cloned = arrived.try_clone().unwrap();
    let again: FrameWriter<u64> = receive(send(&moved)).unwrap();
    drop(moved);
    assert_eq!([&arrived, &cloned].map(|reader| number_of(&reader.recv().unwrap())), [3, 3]);
    drop(again);
    assert!(matches!(arrived.recv(), Err(RecvError::WriterGone)));
}

#[test]
fn an_end_is_received_once() {
    let (writer, reader) = ring::<u8>(Layout::new([1])).unwrap();
    let (first, second) = (send(&writer), send(&writer));
    let received: FrameWriter<u8> = receive(first).unwrap();
    assert!(receive::<FrameWriter<u8>>(second).unwrap_err().contains("has one writer"));
    let (first, second) = (send(&reader), send(&reader));
    let kept: FrameReader<u8> = receive(first).unwrap();
    assert!(receive::<FrameReader<u8>>(second).unwrap_err().contains("received by another"));
    drop((received, kept));
}

#[test]
fn a_message_that_never_arrives_leaves_nothing_behind() {
    let (mut writer, reader) = ring::<u64>(Layout::new([1]).slots(2)).unwrap();
    let traveller = reader.try_clone().unwrap();
    let message = send(&traveller);
    drop(traveller);
    writer.write(&[1]).unwrap();
    writer.write(&[2]).unwrap();
    drop(reader.recv().unwrap());
    let now = Duration::ZERO;
    assert!(matches!(writer.claim_timeout(now), Err(WriteError::TimedOut)), "the one on its way counts");
    drop(message);
    // The drop of the message was the end of that reader, which the writer notices by itself.
    assert_eq!(writer.write(&[3]).unwrap(), Some(3));
    assert_eq!(writer.readers().len(), 1);
    let message = send(&writer);
    drop((writer, message));
    assert_eq!(reader.iter().map(|frame| frame[0]).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_reader_with_a_borrowed_frame_stays() {
    let (mut writer, reader) = ring::<u8>(Layout::new([1])).unwrap();
    writer.write(&[1]).unwrap();
    let frame = reader.recv().unwrap();
    let mut bytes = Vec::new();
    let (result, attached) = attached_by(|| codec::encode(&reader, &mut Writer::to_heap(&mut bytes)));
    assert!(result.is_err() && attached.is_none());
    drop(frame);
    assert!(reader.try_recv().unwrap().is_none(), "it was not sent");
}

#[test]
fn another_type_is_refused_by_name() {
    let (_writer, reader) = ring_with_metadata::<u8, u64>(Layout::new([4])).unwrap();
    let error = receive::<FrameReader<f32, u64>>(send(&reader)).unwrap_err();
    assert!(error.contains("type `u8` (1 bytes), not `f32` (4 bytes)"), "{error}");
    let error = receive::<FrameReader<u8>>(send(&reader)).unwrap_err();
    assert!(error.contains("metadata of type `u64` (8 bytes), not `()` (0 bytes)"), "{error}");
    assert!(receive::<FrameReader<u8, u64>>(send(&reader)).is_ok());
}

/// What attaching says to the memory of a ring in which one word of the header is another.
fn attach_with(word: usize, value: u64) -> io::Error {
    let (writer, _reader) = ring::<u32>(Layout::new([4])).unwrap();
    let object = writer.mapped.object.try_clone().unwrap();
    writer.mapped.words.word(word * 8).store(value, Ordering::Relaxed);
    Mapped::<u32, ()>::attach(object, Purpose::Read).unwrap_err()
}

#[test]
fn another_version_and_a_header_that_makes_no_sense_are_refused() {
    for (word, value, reason) in [
        (0, 0x77_63_66_00_00_00_00_02, "speaks version 2 of the protocol, this program version 1"),
        (0, 0, "holds no ring of frames"),
        (1, 1, "should take"),
        (2, 0, "2 to 65536 slots"),
        (2, 5000, "should take"),
        (2, u64::MAX, "2 to 65536 slots"),
        (3, 77, "overflow policy"),
        (9, 0, "dimensions"),
        (9, u64::MAX, "dimensions"),
        (10, 5000, "should take"),
        (10, u64::MAX, "more bytes than there are addresses"),
    ] {
        let text = attach_with(word, value).to_string();
        assert!(text.contains(reason), "word {word} = {value}: {text}");
    }
}

#[test]
fn memory_that_could_shrink_is_refused() {
    let file: OwnedFd = std::fs::File::open("/proc/self/exe").unwrap().into();
    let text = Mapped::<u8, ()>::attach(file, Purpose::Read).unwrap_err().to_string();
    assert!(text.contains("no sealed shared memory"), "{text}");
    let small = Object::create("small", 8, false).unwrap();
    assert!(Mapped::<u8, ()>::attach(small, Purpose::Read).is_err());
}

#[test]
fn too_little_memory_is_an_error_with_figures() {
    let error = ring::<u8>(Layout::new([1 << 40]).slots(4)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("take 43980465"), "{error}");
}

#[test]
fn the_33rd_reader_is_refused_until_another_one_goes() {
    let (_writer, reader) = ring::<u8>(Layout::new([1])).unwrap();
    let mut readers: Vec<_> = (1..32).map(|_| reader.try_clone().unwrap()).collect();
    assert!(reader.try_clone().unwrap_err().to_string().contains("at most 32 readers"));
    readers.pop();
    assert!(reader.try_clone().is_ok());
}

#[cfg(feature = "ndarray")]
#[test]
fn frames_are_arrays_of_their_shape() {
    let (mut writer, reader) = ring::<usize>(Layout::new([2, 3])).unwrap();
    let mut claim = writer.claim().unwrap().unwrap();
    claim.view_mut().indexed_iter_mut().for_each(|(at, element)| *element = at[0] * 10 + at[1]);
    claim.commit();
    let frame = reader.recv().unwrap();
    assert_eq!((frame.view()[[1, 2]], &*frame), (12, &[0, 1, 2, 10, 11, 12][..]));
}

#[test]
fn a_frame_of_another_length_is_refused() {
    let (mut writer, _reader) = ring::<u8>(Layout::new([2, 3])).unwrap();
    let error = writer.write(&[0; 5]).unwrap_err();
    assert_eq!(error.to_string(), "a frame of this ring has 6 elements, not 5");
}

#[test]
fn garbage_in_the_words_makes_no_more_than_wrong_frames() {
    // Whoever holds an end may write anything here; nothing of it may reach outside of the slots.
    for value in [0, 1, 7, 1 << 16, 1 << 32, u64::MAX >> 1, u64::MAX] {
        let (mut writer, reader) =
            ring::<u8>(Layout::new([1]).slots(2).overflow(Overflow::DropOldest)).unwrap();
        writer.write(&[1]).unwrap();
        let control = writer.mapped.sizes.control;
        let words: &SharedMemory = &reader.mapped.words;
        for offset in (control.newest()..control.end_bytes()).step_by(8) {
            let before = words.word(offset).load(Ordering::Relaxed);
            words.word(offset).store(value, Ordering::Relaxed);
            let _ = reader.try_recv();
            let _ = writer.readers();
            let _ = writer.lost();
            words.word(offset).store(before, Ordering::Relaxed);
        }
        drop(writer);
        while reader.try_recv().is_ok() {}
    }
}
