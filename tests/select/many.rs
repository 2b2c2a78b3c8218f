//! Many sources at once: each in its turn, coming and going; and the wait as a descriptor of its own.
//! Not here: a single sort of source (the other files).
//! Layer: tests only, through the public surface.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use worker_core::frames::{self, Layout};
use worker_core::select::Key;
use worker_core::{Receiver, Select, Sender, channel};

use super::{SOON, SlowFrontend, next, nothing};
use crate::support::{eventually, has_processes, processes, watchdog};

#[test]
fn a_thousand_sources_each_in_its_turn_above_any_number() {
    let _watchdog = watchdog();
    const COUNT: usize = 1000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let soft = (COUNT as u64 * 3).max(4096).min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    let ends: Vec<(Sender<usize>, Receiver<usize>)> = (0..COUNT).map(|_| channel().unwrap()).collect();
    assert!(ends.iter().any(|(_, receiver)| receiver.as_fd().as_raw_fd() > 1024));
    let mut select = Select::new();
    let keys: HashMap<Key, usize> =
        ends.iter().enumerate().map(|(index, (_, receiver))| (select.add(receiver), index)).collect();
    nothing(&mut select);
    // One at a time finds its own.
    for index in (0..COUNT).step_by(97) {
        ends[index].0.send(index).unwrap();
        assert_eq!(keys[&next(&mut select)], index);
        assert_eq!(ends[index].1.try_recv().unwrap(), Some(index));
    }
    // All at once, and one that never ends: each is told as often as any other.
    ends.iter().enumerate().for_each(|(index, (sender, _))| sender.send(index).unwrap());
    let mut counts = vec![0; COUNT];
    (0..COUNT * 3).for_each(|_| counts[keys[&next(&mut select)]] += 1);
    assert!(counts.iter().all(|&count| count == 3), "{counts:?}");
    for round in 0..COUNT {
        let index = keys[&next(&mut select)];
        assert_eq!(ends[index].1.try_recv().unwrap(), Some(index), "in round {round}");
    }
    nothing(&mut select);
}

#[test]
fn sorts_take_turns_whatever_else_is_always_ready() {
    let _watchdog = watchdog();
    let (sender, receiver) = channel::<u32>().unwrap();
    sender.send(1).unwrap();
    let (mut writer, reader) = frames::ring::<u8>(Layout::new([4])).unwrap();
    writer.write(&[1; 4]).unwrap();
    let (mut other_writer, other_reader) = frames::ring::<u8>(Layout::new([4])).unwrap();
    other_writer.write(&[1; 4]).unwrap();
    let files = [File::open("/proc/self/exe").unwrap(), File::open("/proc/self/exe").unwrap()];
    let slow = SlowFrontend::spawn().unwrap();
    let pending = slow.double_async(1);
    while !pending.is_ready() {
        thread::yield_now();
    }
    let mut select = Select::new();
    let mut keys =
        vec![select.add(&receiver), select.add(&reader), select.add(&other_reader), select.add(&pending)];
    keys.extend(files.iter().map(|file| select.add_fd(file)));
    let tick = select.every(Duration::from_nanos(1));
    keys.push(tick);
    let mut counts: HashMap<Key, usize> = HashMap::new();
    for _ in 0..900 {
        *counts.entry(next(&mut select)).or_default() += 1;
    }
    for key in &keys {
        assert!(counts.get(key).is_some_and(|&count| count >= 30), "{key:?} of {keys:?}: {counts:?}");
    }
}

#[test]
fn sources_come_and_go_while_it_runs() {
    let _watchdog = watchdog();
    let mut select = Select::new();
    let (fixed_sender, fixed) = channel::<u32>().unwrap();
    let fixed_key = select.add(&fixed);
    let mut live: HashMap<Key, (Sender<u32>, Receiver<u32>)> = HashMap::new();
    for round in 0..300_u32 {
        let (sender, receiver) = channel().unwrap();
        sender.send(round).unwrap();
        live.insert(select.add(&receiver), (sender, receiver));
        if round % 3 == 0 {
            fixed_sender.send(round).unwrap();
            let mut seen = false;
            for _ in 0..=live.len() {
                let key = next(&mut select);
                if key == fixed_key {
                    seen = true;
                } else {
                    assert!(live.contains_key(&key), "it is one that is there");
                }
            }
            assert!(seen);
            assert_eq!(fixed.try_recv().unwrap(), Some(round));
        }
        if live.len() > 20 {
            let key = next(&mut select);
            if round % 2 == 0 {
                assert!(select.remove(key));
            }
            live.remove(&key).unwrap();
        }
    }
    // Each that is there still has its value, and is told until it goes.
    while !live.is_empty() {
        live.remove(&next(&mut select)).expect("it is one that is there");
    }
    nothing(&mut select);
    assert_eq!(select.len(), 1);
}

#[test]
fn it_is_a_descriptor_itself_and_leaves_none() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let slow = SlowFrontend::spawn().unwrap();
    let (gate, receiver) = channel().unwrap();
    slow.set_gate(receiver).unwrap();
    let readable = |select: &Select<'_>| {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        poll(&mut [PollFd::new(select.as_fd(), PollFlags::POLLIN)], PollTimeout::from(1_u8)).unwrap() > 0
    };
    let mut select = Select::new();
    let pending = slow.next_async();
    let key = select.add(&pending);
    while select.wait_timeout(Duration::ZERO).unwrap().is_some() {}
    assert!(!readable(&select));
    gate.send(1).unwrap();
    eventually("the outer loop is woken", || readable(&select));
    // It may have to look more than once, as the contract says.
    eventually("and finds the result", || select.wait_timeout(Duration::ZERO).unwrap() == Some(key));
    assert_eq!(pending.wait().unwrap(), 1);
    let timer = select.after(SOON);
    while select.wait_timeout(Duration::ZERO).unwrap().is_some_and(|told| told != timer) {}
    drop(select);
    let before = epolls();
    for _ in 0..20 {
        let mut select = Select::new();
        let pending = slow.double_async(1);
        select.add(&pending);
        select.add(slow.process());
        select.wait().unwrap();
    }
    eventually("none is left", || epolls() <= before);
    assert_eq!(slow.double(4).unwrap(), 8, "and the actor is as before");
}

fn epolls() -> usize {
    processes::descriptors().iter().filter(|(_, target)| target.contains("eventpoll")).count()
}
