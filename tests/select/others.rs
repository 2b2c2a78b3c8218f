//! Frames, descriptors and triggers as sources.
//! Not here: channels (`channels`), and calls (`calls`).
//! Layer: tests only, through the public surface.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use worker_core::frames::{self, Layout, Overflow, RecvError as FrameError};
use worker_core::select::Key;
use worker_core::{Select, channel};

use super::{LONG, SOON, SlowFrontend, builders, next, nothing, told};
use crate::support::watchdog;

#[test]
fn frames_of_several_rings_beside_values_and_no_wake_up_is_lost() {
    let _watchdog = watchdog();
    for builder in builders() {
        let slow = [(); 2].map(|()| SlowFrontend::spawn_with(&builder).unwrap());
        let mut readers = Vec::new();
        for slow in &slow {
            let (writer, reader) =
                frames::ring::<u8>(Layout::new([16]).slots(4).overflow(Overflow::Block)).unwrap();
            slow.set_frames(writer).unwrap();
            readers.push(Rc::new(reader));
        }
        let (sender, receiver) = channel().unwrap();
        let mut select = Select::new();
        let keys: Vec<Key> = readers.iter().map(|reader| select.add(Rc::clone(reader))).collect();
        let values = select.add(&receiver);
        nothing(&mut select);
        // More than there are slots, so that the writers wait for us, and we for them, again and again.
        let filming = slow.each_ref().map(|slow| slow.film_async(200));
        let telling = SlowFrontend::spawn_with(&builder).unwrap();
        let told = telling.tell_async(sender, 100);
        let (mut counts, mut value_count) = ([0_u8; 2], 0);
        while counts != [200; 2] || value_count < 100 {
            let key = next(&mut select);
            if key == values {
                value_count += u32::from(receiver.try_recv().is_ok_and(|value| value.is_some()));
                if value_count == 100 {
                    select.remove(values);
                }
                continue;
            }
            let index = keys.iter().position(|&frames| frames == key).unwrap();
            // One at a time: what is left is told again.
            if let Some(frame) = readers[index].try_recv().unwrap() {
                assert_eq!(frame[..], [counts[index]; 16]);
                counts[index] += 1;
            }
        }
        filming.into_iter().for_each(|filming| filming.wait().unwrap());
        told.wait().unwrap();
        nothing(&mut select);
        slow[1].stop_filming().unwrap();
        assert_eq!(next(&mut select), keys[1]);
        assert!(matches!(readers[1].try_recv(), Err(FrameError::WriterGone)));
        assert_eq!(next(&mut select), keys[1], "it stays so");
        select.remove(keys[1]);
        nothing(&mut select);
    }
}

#[test]
fn any_descriptor_and_files_and_refusals() {
    let _watchdog = watchdog();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (reader, mut writer) = pipe().unwrap();
    let file = File::open("/proc/self/exe").unwrap();
    let ours = Arc::new(ours);
    let mut select = Select::new();
    let (socket, piped) = (select.add_fd(Arc::clone(&ours)), select.add_fd(&reader));
    nothing(&mut select);
    theirs.write_all(b"x").unwrap();
    assert_eq!(next(&mut select), socket);
    writer.write_all(b"y").unwrap();
    assert_eq!(told(&mut select, 2), BTreeSet::from([socket, piped]));
    let always = select.add_fd(&file);
    assert_eq!(
        told(&mut select, 6),
        BTreeSet::from([socket, piped, always]),
        "a file can be read at any time"
    );
    (&*ours).read_exact(&mut [0]).unwrap();
    assert_eq!(told(&mut select, 4), BTreeSet::from([piped, always]));
    select.remove(always);
    drop(writer);
    (&reader).read_exact(&mut [0]).unwrap();
    assert_eq!(next(&mut select), piped, "its end is told too");
    select.remove(piped);
    let writable = select.add_fd_writable(&theirs);
    assert_eq!(next(&mut select), writable);
    select.remove(writable);

    let twice = select.add_fd(Arc::clone(&ours));
    let error = select.wait_timeout(LONG).unwrap_err();
    assert!(error.to_string().contains("could not be added"), "{error}");
    assert!(!select.remove(twice));
    nothing(&mut select);
    assert_eq!(Select::new().wait().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn another_thread_pulls_a_trigger() {
    let _watchdog = watchdog();
    let mut select = Select::new();
    let trigger = select.trigger();
    nothing(&mut select);
    (0..5).for_each(|_| trigger.pull());
    assert_eq!(next(&mut select), trigger.key());
    nothing(&mut select);
    let (key, pulling) = (trigger.key(), trigger.clone());
    let thread = thread::spawn(move || (0..10_000).for_each(|_| pulling.pull()));
    assert_eq!(next(&mut select), key);
    thread.join().unwrap();
    trigger.pull();
    assert_eq!(next(&mut select), key, "what is pulled after it was told is told anew");
    while select.wait_timeout(SOON).unwrap().is_some() {}
    drop(select);
    trigger.pull();
}
