//! Actors with `async` methods: what runs side by side, what runs alone, and what becomes of it all at the end.
//! Not here: awaiting calls in the program (`async_calls`).
//! Layer: the public surface.

mod support;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use support::executors::one_thread;
use support::{eventually, has_processes, watchdog};
use tokio::sync::Notify;
use worker_core::{Builder, CallError, Context, Link, Registration, Sender, channel, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// An actor that need not be `Send`, with gates at which its methods wait.
pub struct Station {
    gate: Notify,
    waiting: Cell<u32>,
    log: RefCell<Vec<String>>,
    inside: Cell<u32>,
    ticks: Rc<Cell<u32>>,
    timer: Option<Registration>,
}

#[process_actor]
impl Station {
    pub fn new() -> Self {
        // The runtime is there already.
        tokio::runtime::Handle::current();
        tokio::task::spawn_local(async {});
        Self {
            gate: Notify::new(),
            waiting: Cell::new(0),
            log: RefCell::default(),
            inside: Cell::new(0),
            ticks: Rc::default(),
            timer: None,
        }
    }

    /// Waits until the gate is opened.
    pub async fn wait(&self, number: u64) -> u64 {
        self.waiting.set(self.waiting.get() + 1);
        self.gate.notified().await;
        self.waiting.set(self.waiting.get() - 1);
        number
    }

    /// How many wait at the gate.
    pub fn waiting(&self) -> u32 {
        self.waiting.get()
    }

    /// Opens the gate for all who wait at it.
    pub fn open(&self) {
        self.gate.notify_waiters();
    }

    /// Answers after so many milliseconds.
    pub async fn after(&self, milliseconds: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        milliseconds
    }

    /// Runs alone.
    pub async fn alone(&mut self, number: u32) -> u32 {
        let before = self.inside.replace(self.inside.get() + 1);
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        self.inside.set(self.inside.get() - 1);
        self.log.borrow_mut().push(format!("alone {number}"));
        assert_eq!(before, 0, "others ran beside it");
        number
    }

    /// Is beside others of its kind, but never beside one that is alone.
    pub async fn beside(&self, number: u32) -> u32 {
        assert_eq!(self.inside.get(), 0);
        tokio::task::yield_now().await;
        assert_eq!(self.inside.get(), 0);
        self.log.borrow_mut().push(format!("beside {number}"));
        number
    }

    pub fn log(&self) -> Vec<String> {
        self.log.take()
    }

    #[oneway]
    pub async fn note(&self, line: &str) {
        tokio::task::yield_now().await;
        self.log.borrow_mut().push(line.to_owned());
    }

    #[oneway]
    pub async fn tell_after(&self, milliseconds: u64, told: Sender<u64>) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        told.send(milliseconds).unwrap();
    }

    pub async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    pub async fn fail(&self, after_a_while: bool) -> u32 {
        if after_a_while {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("on purpose, after a while: {after_a_while}")
    }

    pub async fn fail_alone(&mut self) {
        tokio::task::yield_now().await;
        panic!("on purpose, alone")
    }

    pub fn repeat<T: serde::Serialize + serde::de::DeserializeOwned>(&mut self, value: T) -> T {
        value
    }

    pub async fn quit(&self, context: &Context<Self>) -> u32 {
        tokio::task::yield_now().await;
        context.stop();
        tokio::time::sleep(Duration::from_millis(5)).await;
        7
    }

    pub fn tick(&mut self, context: &Context<Self>) {
        let ticks = Rc::clone(&self.ticks);
        self.timer = Some(context.every(Duration::from_millis(1), move |_, _| ticks.set(ticks.get() + 1)));
    }

    pub fn ticks(&self) -> u32 {
        self.ticks.get()
    }

    /// Listens to a descriptor besides its calls.
    pub fn listen(&mut self, socket: std::os::fd::OwnedFd, context: &Context<Self>) {
        let socket = Rc::new(UnixStream::from(socket));
        context.watch(Rc::clone(&socket), move |station, _| {
            let mut byte = [0];
            if let Ok(1) = (&*socket).read(&mut byte) {
                station.log.borrow_mut().push(format!("byte {}", byte[0]));
            }
        });
    }

    #[stopped]
    fn say_bye(&mut self) {
        tokio::runtime::Handle::current();
        println!("bye after {} lines", self.log.borrow().len());
    }
}

fn station(link: Link) -> StationFrontend {
    StationFrontend::spawn_with(&Builder::new().link(link)).unwrap()
}

#[test]
fn a_thousand_calls_run_side_by_side_and_answer_as_they_complete() {
    let _watchdog = watchdog();
    for link in LINKS {
        let station = station(link);
        let waiting: Vec<_> = (0..1000).map(|number| station.wait_async(number)).collect();
        eventually("all wait at the gate", || station.waiting().unwrap() == 1000);
        // Later calls are answered while earlier ones wait.
        assert_eq!(station.after(1), Ok(1));
        assert!(waiting.iter().all(|pending| !pending.is_ready()));
        station.open().unwrap();
        for (number, pending) in (0..).zip(waiting) {
            assert_eq!(pending.wait(), Ok(number));
        }
        let late = station.after_async(100_000);
        let (second, first) = (station.after_async(30), station.after_async(1));
        assert_eq!(first.wait(), Ok(1));
        assert_eq!(second.wait(), Ok(30));
        assert!(!late.is_ready());
    }
}

#[test]
fn both_sides_are_async() {
    let _watchdog = watchdog();
    for link in LINKS {
        let station = station(link);
        one_thread().block_on(async {
            let waiting: Vec<_> = (0..1000).map(|number| station.wait_async(number)).collect();
            while station.waiting_async().await.unwrap() < 1000 {}
            station.open_async().await.unwrap();
            for (number, pending) in (0..).zip(waiting) {
                assert_eq!(pending.await, Ok(number));
            }
        });
    }
}

#[test]
fn a_method_that_takes_mut_self_runs_alone_and_in_its_turn() {
    let _watchdog = watchdog();
    for link in LINKS {
        let station = station(link);
        let call = |number| match number % 3 {
            0 => station.alone_async(number),
            _ => station.beside_async(number),
        };
        let calls: Vec<_> = (0..300).map(call).collect();
        for (number, call) in (0..).zip(calls) {
            assert_eq!(call.wait(), Ok(number));
        }
        let log = station.log().unwrap();
        let mut turns: Vec<u32> =
            log.iter().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        // The two between two that run alone may finish in either order.
        turns.chunks_mut(3).for_each(|turn| turn[1..].sort_unstable());
        assert_eq!(turns, (0..300).collect::<Vec<_>>());
    }
}

#[test]
fn one_way_calls_begin_in_order() {
    let _watchdog = watchdog();
    let station = station(Link::SharedMemory);
    (0..100).for_each(|number| station.note(&number.to_string()).unwrap());
    // It runs alone, so all that begun before is finished.
    station.alone(0).unwrap();
    let log = station.log().unwrap();
    let numbers: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(log[..100], numbers);
}

#[test]
fn a_panic_in_a_task_comes_to_its_caller_and_the_actor_lives_on() {
    let _watchdog = watchdog();
    for link in LINKS {
        let station = station(link);
        let waiting = station.wait_async(1);
        for after_a_while in [false, true] {
            match station.fail(after_a_while).unwrap_err() {
                CallError::Panicked(report) => {
                    assert_eq!(report.message, format!("on purpose, after a while: {after_a_while}"));
                    assert!(report.location.contains("async_backend.rs"), "{}", report.location);
                }
                other => panic!("{other:?}"),
            }
        }
        station.open().unwrap();
        assert_eq!(waiting.wait(), Ok(1));
        assert!(matches!(station.fail_alone(), Err(CallError::Panicked(_))));
        assert_eq!(station.alone(2), Ok(2), "its access was given back");
    }
}

#[test]
fn what_has_begun_is_finished_before_the_end() {
    let _watchdog = watchdog();
    for link in LINKS {
        let first = station(link);
        let running = first.after_async(20);
        assert!(first.stop().unwrap().is_clean());
        assert_eq!(running.wait(), Ok(20));

        let second = station(link);
        let running = second.after_async(20);
        assert_eq!(second.quit(), Ok(7), "the method that asked to stop returns, too");
        assert_eq!(running.wait(), Ok(20));
        assert!(second.process().wait().is_clean());

        let third = station(link);
        let process = third.process().clone();
        let running = third.after_async(20);
        drop(third);
        assert_eq!(running.wait(), Ok(20));
        drop(process);

        // Nothing holds this one but its frontend, and that goes while the method sleeps.
        let fourth = station(link);
        let (told, receiver) = channel().unwrap();
        fourth.tell_after(50, told).unwrap();
        drop(fourth);
        assert_eq!(receiver.recv().unwrap(), 50);
        assert!(receiver.recv().is_err(), "and then it ends");
    }
}

#[test]
fn timers_and_watches_are_served_between_requests() {
    let _watchdog = watchdog();
    for link in LINKS {
        let station = station(link);
        station.tick().unwrap();
        eventually("the timer runs", || station.ticks().unwrap() > 3);
        let (ours, theirs) = UnixStream::pair().unwrap();
        station.listen(theirs.into()).unwrap();
        let slow = station.after_async(1);
        (&ours).write_all(&[42]).unwrap();
        eventually("the watch runs", || station.log().unwrap() == ["byte 42"]);
        assert_eq!(slow.wait(), Ok(1));
    }
}

#[test]
fn generic_methods_and_large_values_work_beside() {
    let _watchdog = watchdog();
    for link in LINKS {
        let station = station(link);
        assert_eq!(station.repeat((1_u8, "two".to_owned())), Ok((1, "two".to_owned())));
        for length in [0, 1, 100_000, 256 * 1024, 5_000_000] {
            let bytes = vec![7; length];
            assert_eq!(station.echo(bytes.clone()).unwrap(), bytes);
        }
    }
}

/// Both directions are full at once: replies wait for room while requests go on coming.
#[test]
fn replies_that_wait_for_room_lose_no_request() {
    let _watchdog = watchdog();
    for link in LINKS {
        let station = station(link);
        let bytes = vec![9; 100_000];
        for _ in 0..3 {
            let echoes: Vec<_> = (0..500).map(|_| station.echo_async(bytes.clone())).collect();
            for echo in echoes {
                assert_eq!(echo.wait().unwrap().len(), 100_000);
            }
        }
        assert_eq!(station.alone(1), Ok(1));
    }
}

#[test]
fn a_death_ends_all_that_runs() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let station = station(Link::SharedMemory);
    let waiting: Vec<_> = (0..100).map(|number| station.wait_async(number)).collect();
    eventually("all wait", || station.waiting().unwrap() == 100);
    station.process().kill().unwrap();
    for pending in waiting {
        assert!(matches!(pending.wait(), Err(CallError::Exited(_))));
    }
}
