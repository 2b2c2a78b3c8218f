//! One wait for many sources of every sort: which is told, when, and how often.
//! Not here: what comes of a source itself.
//! Layer: the public surface.

mod support;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use support::{eventually, has_processes, processes, watchdog};
use worker_core::frames::{self, Layout, Overflow, RecvError as FrameError};
use worker_core::select::Key;
use worker_core::{
    Builder, CallError, Link, Receiver, RecvError, Restart, Select, Sender, StartMethod, channel,
    process_actor,
};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(120);

/// Answers when it is told to.
pub struct Slow {
    gate: Option<Receiver<u32>>,
    frames: Option<frames::FrameWriter<u8>>,
}

#[process_actor]
impl Slow {
    pub fn new() -> Self {
        Self { gate: None, frames: None }
    }

    pub fn set_gate(&mut self, gate: Receiver<u32>) {
        self.gate = Some(gate);
    }

    pub fn set_frames(&mut self, writer: frames::FrameWriter<u8>) {
        self.frames = Some(writer);
    }

    /// The next number that comes through the gate.
    pub fn next(&self) -> u32 {
        self.gate.as_ref().expect("a gate").recv().unwrap_or(u32::MAX)
    }

    pub fn double(&self, number: u32) -> u32 {
        number * 2
    }

    pub fn long(&self, number: u32) -> Vec<u8> {
        vec![u8::try_from(number % 251).unwrap(); 200_000]
    }

    pub fn tell(&self, to: Sender<u32>, count: u32) {
        (0..count).for_each(|number| to.send(number).unwrap());
    }

    pub fn film(&mut self, count: u8) {
        let writer = self.frames.as_mut().expect("a writer");
        for number in 0..count {
            writer.write(&[number; 16]).unwrap();
        }
    }

    pub fn stop_filming(&mut self) {
        self.frames = None;
    }
}

fn builders() -> impl Iterator<Item = Builder> {
    let links = LINKS.into_iter().map(|link| Builder::new().link(link));
    links.chain([Builder::new().start(StartMethod::Thread)])
}

fn nothing(select: &mut Select<'_>) {
    assert_eq!(select.wait_timeout(SOON).unwrap(), None);
}

fn next(select: &mut Select<'_>) -> Key {
    select.wait_timeout(LONG).unwrap().expect("something is ready")
}

/// Keys that are told in so many waits.
fn told(select: &mut Select<'_>, waits: usize) -> BTreeSet<Key> {
    (0..waits).map(|_| next(select)).collect()
}

#[test]
fn receivers_are_told_for_as_long_as_they_have_something() {
    let _watchdog = watchdog();
    let (first_sender, first) = channel::<u32>().unwrap();
    let (second_sender, second) = channel::<u32>().unwrap();
    let mut select = Select::new();
    let (first_key, second_key) = (select.add(&first), select.add(&second));
    nothing(&mut select);
    first_sender.send(1).unwrap();
    first_sender.send(2).unwrap();
    assert_eq!((next(&mut select), next(&mut select)), (first_key, first_key), "left alone it is told again");
    assert_eq!(first.try_recv().unwrap(), Some(1));
    assert_eq!(next(&mut select), first_key, "one more is there");
    second_sender.send(3).unwrap();
    assert_eq!(told(&mut select, 2), BTreeSet::from([first_key, second_key]), "in turn");
    assert_eq!((first.try_recv().unwrap(), second.try_recv().unwrap()), (Some(2), Some(3)));
    nothing(&mut select);
    drop(first_sender);
    assert_eq!(next(&mut select), first_key);
    assert!(matches!(first.try_recv(), Err(RecvError::Disconnected)));
    assert!(select.remove(first_key) && !select.remove(first_key));
    nothing(&mut select);
    assert_eq!(select.len(), 1);
}

#[test]
fn what_is_dropped_or_sent_away_takes_itself_out() {
    let _watchdog = watchdog();
    let mut select = Select::new();
    let (sender, receiver) = channel::<u32>().unwrap();
    select.add(&receiver);
    let (mover, moved) = channel::<Receiver<u32>>().unwrap();
    mover.send(receiver).unwrap();
    // Its socket is open, in a message, and readable. That is no news of ours any more.
    sender.send(1).unwrap();
    nothing(&mut select);
    assert!(select.is_empty());
    let receiver = moved.recv().unwrap();
    let key = select.add(&receiver);
    assert_eq!(next(&mut select), key);
    let waiting = thread::spawn(move || {
        assert_eq!(receiver.recv().unwrap(), 1);
        drop(receiver);
    });
    // Dropped in another thread while this one waits, with nothing else to wait for.
    let error = loop {
        match select.wait() {
            Ok(told) => assert_eq!(told, key),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("no source"), "{error}");
    waiting.join().unwrap();
    assert!(sender.send(2).is_err());
    let receivers: Vec<_> = (0..10).map(|_| channel::<u8>().unwrap().1).collect();
    let mut other = Select::new();
    for receiver in &receivers {
        select.add(receiver);
        other.add(receiver);
    }
    drop(select);
    drop(receivers);
    nothing(&mut other);
    assert!(other.is_empty());
}

#[test]
fn results_are_told_in_the_order_in_which_they_come() {
    let _watchdog = watchdog();
    for builder in builders() {
        let slow = [(); 3].map(|()| SlowFrontend::spawn_with(&builder).unwrap());
        let gates: Vec<Sender<u32>> = slow
            .iter()
            .map(|slow| {
                let (gate, receiver) = channel().unwrap();
                slow.set_gate(receiver).unwrap();
                gate
            })
            .collect();
        let mut select = Select::new();
        let mut pendings: HashMap<Key, (usize, _)> = HashMap::new();
        for (index, slow) in slow.iter().enumerate() {
            // Two on each, on one link.
            for _ in 0..2 {
                let pending = slow.next_async();
                pendings.insert(select.add(&pending), (index, pending));
            }
        }
        nothing(&mut select);
        for (round, index) in [2, 0, 1, 1, 2, 0].into_iter().enumerate() {
            let number = u32::try_from(round).unwrap();
            gates[index].send(number).unwrap();
            let key = next(&mut select);
            assert_eq!(next(&mut select), key, "told again until it is taken");
            let (of, pending) = pendings.remove(&key).unwrap();
            assert_eq!((of, pending.wait().unwrap()), (index, number));
            nothing(&mut select);
        }
        assert!(select.is_empty(), "whose result was taken takes itself out");
    }
}

#[test]
fn a_thousand_calls_on_one_link_and_long_results() {
    let _watchdog = watchdog();
    for builder in builders() {
        let slow = SlowFrontend::spawn_with(&builder).unwrap();
        let mut select = Select::new();
        let mut short = HashMap::new();
        let mut long = HashMap::new();
        for number in 0..500 {
            let pending = slow.double_async(number);
            short.insert(select.add(&pending), (number, pending));
            if number % 25 == 0 {
                let pending = slow.long_async(number);
                long.insert(select.add(&pending), (number, pending));
            }
        }
        while !(short.is_empty() && long.is_empty()) {
            let key = next(&mut select);
            if let Some((number, pending)) = short.remove(&key) {
                assert_eq!(pending.wait().unwrap(), number * 2);
            }
            if let Some((number, pending)) = long.remove(&key) {
                assert!(pending.wait().unwrap() == vec![u8::try_from(number % 251).unwrap(); 200_000]);
            }
        }
        nothing(&mut select);
    }
}

#[test]
fn calls_that_are_dropped_ready_or_waited_for_elsewhere() {
    let _watchdog = watchdog();
    let slow = SlowFrontend::spawn().unwrap();
    let (gate, receiver) = channel().unwrap();
    slow.set_gate(receiver).unwrap();
    let mut select = Select::new();
    let dropped = slow.next_async();
    select.add(&dropped);
    drop(dropped);
    gate.send(1).unwrap();
    let ready = slow.double_async(4);
    while !ready.is_ready() {
        thread::yield_now();
    }
    let key = select.add(&ready);
    assert_eq!(next(&mut select), key);
    assert_eq!(ready.wait().unwrap(), 8);
    nothing(&mut select);
    // Another thread leads on the same link while this one waits.
    let pending = slow.next_async();
    let key = select.add(&pending);
    let other = slow.clone();
    let blocking = thread::spawn(move || other.next().unwrap());
    gate.send(10).unwrap();
    assert_eq!(next(&mut select), key);
    assert_eq!(pending.wait().unwrap(), 10);
    gate.send(11).unwrap();
    assert_eq!(blocking.join().unwrap(), 11);
    // The thread takes in the result of the call that is selected, and its own comes later.
    let pending = slow.next_async();
    let key = select.add(&pending);
    let other = slow.clone();
    let blocking = thread::spawn(move || other.next().unwrap());
    gate.send(20).unwrap();
    assert_eq!(next(&mut select), key);
    gate.send(21).unwrap();
    assert_eq!((pending.wait().unwrap(), blocking.join().unwrap()), (20, 21));
    slow.stop().unwrap();
}

#[test]
fn no_result_is_lost_however_it_falls_together_with_values() {
    let _watchdog = watchdog();
    for builder in builders() {
        let slow = SlowFrontend::spawn_with(&builder).unwrap();
        for round in 0..500 {
            let (sender, receiver) = channel().unwrap();
            let pending = slow.tell_async(sender, round % 4);
            let mut select = Select::new();
            let (values, done) = (select.add(&receiver), select.add(&pending));
            loop {
                if next(&mut select) == done {
                    break pending.wait().unwrap();
                }
                if receiver.try_recv().is_err() {
                    select.remove(values);
                }
            }
        }
    }
}

#[test]
fn ends_are_told_of_processes_and_of_their_calls() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let slow = SlowFrontend::spawn_with(&Builder::new().link(link)).unwrap();
        let (_gate, receiver) = channel().unwrap();
        slow.set_gate(receiver).unwrap();
        let pending = slow.next_async();
        let mut select = Select::new();
        let died = select.add(slow.process());
        let done = select.add(&pending);
        nothing(&mut select);
        slow.process().kill().unwrap();
        let mut seen = BTreeSet::new();
        while seen.len() < 2 {
            seen.insert(next(&mut select));
        }
        assert_eq!(seen, BTreeSet::from([died, done]));
        assert!(matches!(pending.wait(), Err(CallError::Exited(_))));
        assert_eq!(next(&mut select), died, "it stays so");
        assert!(select.remove(died));
        nothing(&mut select);
    }
}

#[test]
fn each_life_of_a_restarted_actor_is_told_once_it_ended() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Builder::new().restart(Restart::on_crash().backoff(Duration::ZERO).max(10));
    let slow = SlowFrontend::spawn_with(&builder).unwrap();
    let mut select = Select::new();
    let died = select.add(slow.process());
    for life in 0..4 {
        nothing(&mut select);
        slow.process().kill().unwrap();
        assert_eq!(next(&mut select), died);
        assert_eq!(next(&mut select), died, "until there is another life");
        slow.process().wait();
        assert_eq!(slow.double(life).unwrap(), life * 2);
        assert_eq!(slow.process().restarts(), u64::from(life) + 1);
        // The end that was told may be told once more; then it is the new life that counts.
        while select.wait_timeout(SOON).unwrap().is_some() {}
    }
}

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
fn timers_ring_in_their_order_and_never_early() {
    let _watchdog = watchdog();
    let mut select = Select::new();
    let start = Instant::now();
    let late = select.after(Duration::from_millis(30));
    let early = select.at(start + Duration::from_millis(10));
    let at_once = select.after(Duration::ZERO);
    let never = select.after(Duration::MAX);
    let removed = select.after(Duration::from_millis(5));
    assert!(select.remove(removed));
    assert_eq!(next(&mut select), at_once);
    assert_eq!(next(&mut select), early);
    assert!(start.elapsed() >= Duration::from_millis(10));
    assert_eq!(next(&mut select), late);
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert_eq!(select.len(), 1, "each is told once");
    assert!(select.remove(never));
    let start = Instant::now();
    let tick = select.every(Duration::from_millis(3));
    for count in 1..=10 {
        assert_eq!(next(&mut select), tick);
        assert!(start.elapsed() >= 3 * count * SOON);
    }
    // Missed ticks are one.
    let begun = Instant::now();
    let other = select.after(Duration::from_millis(50));
    // Counted from here: on a busy machine the ticks before may have taken any time.
    while begun.elapsed() < Duration::from_millis(60) {
        thread::yield_now();
    }
    assert_eq!(told(&mut select, 2), BTreeSet::from([tick, other]));
    let start = Instant::now();
    assert_eq!(Select::new().wait_timeout(Duration::from_millis(20)).unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(20), "without sources it waits all the same");
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

/// What says that it is the receiving end of a channel, and is any file.
struct Forged {
    file: Option<File>,
    end: Option<Receiver<u32>>,
}

impl serde::Serialize for Forged {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        worker_core::descriptor::serialize(self.file.as_ref().unwrap(), serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Forged {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Receiver::deserialize(deserializer).map(|end| Self { file: None, end: Some(end) })
    }
}

#[test]
fn what_only_says_that_it_is_an_end_of_a_channel_is_refused() {
    let _watchdog = watchdog();
    let (sender, receiver) = channel().unwrap();
    sender.send(Forged { file: Some(File::open("/proc/self/exe").unwrap()), end: None }).unwrap();
    let forged = receiver.recv().unwrap().end.unwrap();
    let mut select = Select::new();
    let key = select.add(&forged);
    // Taken in, it would never be told, whatever becomes of it.
    let error = select.wait_timeout(LONG).unwrap_err();
    assert!(error.to_string().contains("of a sort that cannot be waited for"), "{error}");
    assert!(!select.remove(key));
    nothing(&mut select);
}

#[test]
fn what_is_told_without_end_and_means_nothing_keeps_nobody_from_the_clock() {
    let _watchdog = watchdog();
    let mut select = Select::new();
    let trigger = select.trigger();
    assert!(select.remove(trigger.key()));
    let (_sender, receiver) = channel::<u32>().unwrap();
    select.add(&receiver);
    let goes_on = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on.load(Ordering::Relaxed) {
                trigger.pull();
            }
        });
        for _ in 0..100 {
            assert_eq!(select.wait_timeout(SOON).unwrap(), None);
        }
        goes_on.store(false, Ordering::Relaxed);
    });
    nothing(&mut select);
}

#[test]
fn a_full_channel_shows_when_it_has_room() {
    let _watchdog = watchdog();
    let (sender, receiver) = channel::<u32>().unwrap();
    while sender.try_send(1).is_ok() {}
    let mut select = Select::new();
    let room = select.add_fd_writable(&sender);
    nothing(&mut select);
    assert!(receiver.try_iter().count() > 100);
    assert_eq!(next(&mut select), room);
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
fn signals_end_no_wait_early() {
    let _watchdog = watchdog();
    extern "C" fn nothing_to_do(_: i32) {}
    // Without SA_RESTART, and of a kind that no other test here uses.
    let action = SigAction::new(SigHandler::Handler(nothing_to_do), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR2, &action) }.unwrap();
    let (sender, receiver) = channel::<u32>().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    // SAFETY: a look at the own thread.
    let me = unsafe { libc::pthread_self() };
    let until = Arc::clone(&done);
    let shooting = thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            // SAFETY: that thread waits for this one before it ends.
            unsafe { libc::pthread_kill(me, libc::SIGUSR2) };
            thread::yield_now();
        }
    });
    let mut select = Select::new();
    let key = select.add(&receiver);
    let start = Instant::now();
    assert_eq!(select.wait_timeout(Duration::from_millis(50)).unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(50));
    let sending = thread::spawn(move || (0..100).try_for_each(|number| sender.send(number)));
    let mut count = 0;
    while count < 100 {
        assert_eq!(next(&mut select), key);
        count += u32::from(receiver.try_recv().unwrap().is_some());
    }
    sending.join().unwrap().unwrap();
    done.store(true, Ordering::Relaxed);
    shooting.join().unwrap();
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
