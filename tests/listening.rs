//! A backend that listens to its calls and to timers, sockets and rings at once.
//! Not here: links from several processes (`travelling`).
//! Layer: the public surface.

mod support;

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use support::{eventually, scratch_file, watchdog};
use worker_core::frames::{self, FrameReader, Layout, Overflow};
use worker_core::{Builder, CallError, Context, Link, Output, Registration, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

fn over(link: Link) -> Builder {
    Builder::new().link(link)
}

/// Listens to whatever it is told to.
#[derive(Default)]
pub struct Listener {
    ticks: u32,
    late: Vec<Duration>,
    registrations: Vec<Registration>,
    bytes: Vec<u8>,
    hung_up: bool,
    events: Vec<&'static str>,
    frames: u32,
    held: Option<Rc<()>>,
}

#[process_actor]
impl Listener {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn tick(&mut self, every: Duration, context: &Context<Self>) {
        let timer = context.every(every, |listener, _| listener.ticks += 1);
        self.registrations.push(timer);
    }

    pub fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Ticks in a rhythm while it sleeps through several of them; says how late each tick was.
    pub fn oversleep(&mut self, every: Duration, context: &Context<Self>) {
        let start = Instant::now();
        let timer = context.every(every, move |listener, _| {
            let since_start = start.elapsed();
            listener.late.push(since_start);
            if listener.late.len() == 1 {
                std::thread::sleep(every * 5);
            }
        });
        self.registrations.push(timer);
    }

    pub fn ticks_at(&self) -> Vec<Duration> {
        self.late.clone()
    }

    pub fn cancel_all(&mut self) {
        self.registrations.drain(..).for_each(|registration| registration.cancel());
    }

    /// A timer that ends itself at its third tick, and starts another one that panics each time.
    pub fn odd_timers(&mut self, context: &Context<Self>) {
        let own: Rc<RefCell<Option<Registration>>> = Rc::default();
        let shared = Rc::clone(&own);
        let registration = context.every(Duration::from_millis(1), move |listener: &mut Self, context| {
            listener.ticks += 1;
            if listener.ticks == 3 {
                shared.borrow().as_ref().unwrap().cancel();
                context.every(Duration::from_millis(1), |listener, _| {
                    listener.events.push("panic");
                    panic!("a tick that fails");
                });
            }
        });
        own.replace(Some(registration));
    }

    pub fn panics(&self) -> usize {
        self.events.len()
    }

    pub fn zero(&mut self, context: &Context<Self>) {
        context.every(Duration::ZERO, |_, _| ());
    }

    pub fn stop_by_timer(&mut self, context: &Context<Self>) {
        context.every(Duration::from_millis(1), |_, context| context.stop());
    }

    pub fn connect(&mut self, path: &Path, whole: bool, context: &Context<Self>) {
        let stream = Rc::new(UnixStream::connect(path).unwrap());
        let watch = context.watch(Rc::clone(&stream), move |listener: &mut Self, _| {
            let mut buffer = [0; 64];
            let buffer = if whole { &mut buffer[..] } else { &mut buffer[..1] };
            match (&*stream).read(buffer).unwrap() {
                0 => {
                    listener.hung_up = true;
                    listener.registrations.drain(..).for_each(|registration| registration.cancel());
                }
                count => {
                    listener.bytes.extend(&buffer[..count]);
                    (&*stream).write_all(&buffer[..count]).unwrap();
                }
            }
        });
        self.registrations.push(watch);
    }

    pub fn bytes(&self) -> (Vec<u8>, bool) {
        (self.bytes.clone(), self.hung_up)
    }

    /// Watches something that is readable at all times, and never reads it.
    pub fn watch_for_ever(&mut self, context: &Context<Self>) {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(b"stays").unwrap();
        let held = Rc::new(());
        self.held = Some(Rc::clone(&held));
        let watch = context.watch(far, move |listener, _| {
            // The near end is kept, or its end would show too.
            let _ = (&near, &held);
            listener.ticks += 1;
            listener.events.push("watch");
        });
        self.registrations.push(watch);
    }

    #[oneway]
    pub fn note(&mut self) {
        self.events.push("call");
    }

    /// Holds everything up until somebody writes a byte.
    #[oneway]
    pub fn hold(&self, path: &Path) {
        UnixStream::connect(path).unwrap().read_exact(&mut [0]).unwrap();
    }

    /// What happened, in order, since the last time.
    pub fn events(&mut self) -> Vec<String> {
        self.events.drain(..).map(str::to_owned).collect()
    }

    /// Whether the callbacks that held it are dropped.
    pub fn is_released(&self) -> bool {
        self.held.as_ref().is_some_and(|held| Rc::strong_count(held) == 1)
    }

    pub fn read_frames(&mut self, frames: FrameReader<u32>, context: &Context<Self>) {
        let frames = Rc::new(frames);
        // What is there already shows on no descriptor.
        while frames.try_recv().unwrap().is_some() {
            self.frames += 1;
        }
        let watch = context.watch(Rc::clone(&frames), move |listener: &mut Self, _| {
            // One a turn: the descriptor stays readable until there is none.
            match frames.try_recv() {
                Ok(Some(_)) => listener.frames += 1,
                Ok(None) => {}
                Err(_) => listener.registrations.drain(..).for_each(|registration| registration.cancel()),
            }
        });
        self.registrations.push(watch);
    }

    /// Comes back when the file is there.
    pub fn hold_until(&self, file: PathBuf) {
        eventually("the file is there", || file.exists());
    }

    pub fn frames(&self) -> (u32, bool) {
        (self.frames, self.registrations.is_empty())
    }
}

#[test]
fn a_control_message_is_served_between_two_frames_while_frames_flow() {
    const SLOTS: u32 = 16;
    let _watchdog = watchdog();
    for link in LINKS {
        let listener = ListenerFrontend::spawn_with(&over(link)).unwrap();
        let layout = Layout::new([4]).slots(SLOTS as usize).overflow(Overflow::Block);
        let (mut writer, reader) = frames::ring::<u32>(layout).unwrap();
        listener.read_frames(reader).unwrap();
        for turn in 0..10 {
            // Frames and messages come while the backend is busy, so that all of them are there when it looks.
            let gate = scratch_file("gate");
            let held = listener.hold_until_async(gate.clone());
            (0..SLOTS).for_each(|_| assert!(writer.write(&[turn; 4]).unwrap().is_some()));
            let answers: Vec<_> = (0..4).map(|_| listener.frames_async()).collect();
            fs::write(&gate, "").unwrap();
            held.wait().unwrap();
            for (passed, answer) in (1..).zip(answers) {
                let (frames, _) = answer.wait().unwrap();
                let since = frames - turn * SLOTS;
                // One for each message; and one more where the turn of the frames came last and comes first again.
                assert!(
                    since <= passed + 1,
                    "{since} frames before the answer to message {passed}, {link:?}"
                );
            }
            fs::remove_file(gate).unwrap();
            eventually("the frames are read", || listener.frames().unwrap().0 == (turn + 1) * SLOTS);
        }
        assert!(listener.stop().unwrap().is_clean());
    }
}

#[test]
fn a_timer_ticks_between_calls_until_it_is_cancelled() {
    let _watchdog = watchdog();
    for link in LINKS {
        let listener = ListenerFrontend::spawn_with(&over(link)).unwrap();
        listener.tick(Duration::from_millis(1)).unwrap();
        eventually("three ticks", || listener.ticks().unwrap() >= 3);
        listener.cancel_all().unwrap();
        let last = listener.ticks().unwrap();
        // Another timer, begun later, must come in vain for the first one.
        listener.oversleep(Duration::from_millis(3)).unwrap();
        eventually("two more", || listener.ticks_at().unwrap().len() >= 2);
        assert_eq!(listener.ticks().unwrap(), last);
        assert!(listener.stop().unwrap().is_clean());
    }
}

#[test]
fn missed_ticks_are_left_out_and_the_rhythm_stays() {
    let _watchdog = watchdog();
    let every = Duration::from_millis(20);
    let listener = ListenerFrontend::spawn().unwrap();
    listener.oversleep(every).unwrap();
    eventually("five ticks", || listener.ticks_at().unwrap().len() >= 5);
    let ticks = listener.ticks_at().unwrap();
    for (n, tick) in ticks.iter().enumerate() {
        let earliest = every * u32::try_from(n + 1).unwrap();
        assert!(*tick >= earliest, "tick {n} came at {tick:?}, before its time");
    }
    // The first one sleeps for five periods. With a burst, the second would come for the second period.
    let periods: Vec<_> = ticks.iter().map(|tick| tick.as_micros() / every.as_micros()).collect();
    assert!(
        periods.windows(2).all(|pair| pair[0] < pair[1]),
        "one tick for each period at most: {periods:?}"
    );
    assert!(periods[1] >= periods[0] + 5, "what was missed is left out: {periods:?}");
}

#[test]
fn a_callback_may_cancel_itself_start_others_panic_and_stop() {
    let _watchdog = watchdog();
    let listener = ListenerFrontend::spawn_with(&Builder::new().stderr(Output::Null)).unwrap();
    listener.odd_timers().unwrap();
    eventually("a timer that panics goes on", || listener.panics().unwrap() >= 3);
    assert_eq!(listener.ticks().unwrap(), 3, "it has cancelled itself");
    match listener.zero() {
        Err(CallError::Panicked(report)) => assert!(report.message.contains("above zero"), "{report}"),
        other => panic!("{other:?}"),
    }
    listener.stop_by_timer().unwrap();
    assert!(listener.process().wait().is_clean());
}

fn socket_at(path: &PathBuf, listener: &ListenerFrontend, whole: bool) -> UnixStream {
    let socket = UnixListener::bind(path).unwrap();
    listener.connect(path, whole).unwrap();
    let (stream, _) = socket.accept().unwrap();
    fs::remove_file(path).unwrap();
    stream
}

#[test]
fn a_socket_is_read_between_calls_until_it_hangs_up() {
    let _watchdog = watchdog();
    for link in LINKS {
        for whole in [true, false] {
            let listener = ListenerFrontend::spawn_with(&over(link)).unwrap();
            let mut stream = socket_at(&scratch_file("listening"), &listener, whole);
            stream.write_all(b"first").unwrap();
            eventually("the first bytes", || listener.bytes().unwrap().0 == b"first");
            stream.write_all(b", second").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            eventually("the rest, and the end", || {
                listener.bytes().unwrap() == (b"first, second".to_vec(), true)
            });
            assert!(listener.stop().unwrap().is_clean());
        }
    }
}

#[test]
fn a_backend_is_woken_by_what_it_watches_while_nobody_calls() {
    let _watchdog = watchdog();
    for link in LINKS {
        let listener = ListenerFrontend::spawn_with(&over(link)).unwrap();
        let mut stream = socket_at(&scratch_file("woken"), &listener, true);
        stream.write_all(b"alone").unwrap();
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"alone");
    }
}

#[test]
fn calls_and_a_descriptor_that_is_always_ready_take_turns() {
    let _watchdog = watchdog();
    for link in LINKS {
        let listener = ListenerFrontend::spawn_with(&over(link)).unwrap();
        listener.watch_for_ever().unwrap();
        eventually("the watch runs", || listener.ticks().unwrap() > 10);
        // The watch never makes a call wait for more than one turn of it ...
        let path = scratch_file("turns");
        let gate = UnixListener::bind(&path).unwrap();
        listener.hold(&path).unwrap();
        let (mut held, _) = gate.accept().unwrap();
        fs::remove_file(&path).unwrap();
        for _ in 0..100 {
            listener.note().unwrap();
        }
        held.write_all(b".").unwrap();
        // ... nor do calls that keep coming shut the watch out.
        let before = listener.ticks().unwrap();
        let mut calls = 0;
        while listener.ticks().unwrap() < before + 100 {
            calls += 1;
            assert!(calls < 1_000_000, "calls shut the watch out");
        }
        let events = listener.events().unwrap();
        let first_call = events.iter().position(|event| event == "call").unwrap();
        let last_call = events.iter().rposition(|event| event == "call").unwrap();
        let between = events[first_call..=last_call].iter().filter(|event| *event == "watch").count();
        assert!(between <= 100, "{between} turns of the watch between 100 calls that were there");
        listener.cancel_all().unwrap();
        eventually("what the watch held is dropped", || listener.is_released().unwrap());
        assert!(listener.stop().unwrap().is_clean());
    }
}

#[test]
fn a_timer_runs_while_calls_keep_coming() {
    let _watchdog = watchdog();
    let listener = ListenerFrontend::spawn().unwrap();
    listener.tick(Duration::from_millis(1)).unwrap();
    let pending: Vec<_> = (0..20_000).map(|_| listener.ticks_async()).collect();
    let ticks: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap()).collect();
    assert!(ticks.is_sorted() && ticks[0] < ticks[ticks.len() - 1], "it ticked among queued calls");
}

#[test]
fn frames_and_calls_are_served_at_once() {
    let _watchdog = watchdog();
    let (mut writer, reader) =
        frames::ring::<u32>(Layout::new([16]).slots(4).overflow(Overflow::Block)).unwrap();
    let listener = ListenerFrontend::spawn().unwrap();
    listener.read_frames(reader).unwrap();
    for n in 0..200_u32 {
        writer.write(&[n; 16]).unwrap();
        if n % 50 == 0 {
            assert!(listener.frames().unwrap().0 <= n + 1);
        }
    }
    eventually("every frame", || listener.frames().unwrap().0 == 200);
    drop(writer);
    eventually("the end of the writer", || listener.frames().unwrap().1);
}

#[test]
fn timers_and_watches_keep_no_backend_alive() {
    let _watchdog = watchdog();
    if !support::has_processes() {
        return;
    }
    // Long after this test it would be forced; so it ends by itself, or not in time.
    let patient = Builder::new().stop_timeout(Duration::from_secs(3600));
    let listener = ListenerFrontend::spawn_with(&patient).unwrap();
    listener.tick(Duration::from_millis(1)).unwrap();
    listener.watch_for_ever().unwrap();
    let pid = listener.process().pid();
    drop(listener);
    eventually("it ends with its last frontend", || !support::processes::runs(pid));
}
