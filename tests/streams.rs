//! Methods that yield: what arrives, what is never made, and how a stream ends.
//! Not here: channels between processes in general.
//! Layer: the public surface.

mod support;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use support::executors::one_thread;
use support::streams::{Even, ends_at_the_sixth, panics_after};
use support::{has_processes, watchdog};
use worker_core::{Builder, CallError, Link, OnTimeout, Receiver, Sender, channel, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// Yields numbers, in several ways.
pub struct Source {
    made: u64,
    dropped: Cell<u64>,
}

/// Counts its own end.
struct Numbers<'source> {
    source: &'source mut Source,
    next: u64,
    end: u64,
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.source.made += 1;
        self.next += 1;
        (self.next <= self.end).then_some(self.next - 1)
    }
}

impl Drop for Numbers<'_> {
    fn drop(&mut self) {
        self.source.dropped.set(self.source.dropped.get() + 1);
    }
}

#[process_actor]
impl Source {
    pub fn new() -> Self {
        Self { made: 0, dropped: Cell::new(0) }
    }

    pub fn numbers(&mut self, end: u64) -> impl Iterator<Item = u64> + '_ {
        Numbers { source: self, next: 0, end }
    }

    /// Of a `&self`, with a borrowed argument and long items.
    pub fn repeated(&self, text: &str, times: usize) -> impl Iterator<Item = String> {
        let text = text.to_owned();
        (0..times).map(move |times| text.repeat(times))
    }

    pub fn failing(&self, after: u64) -> impl Iterator<Item = u64> {
        (0..).inspect(move |&number| assert!(number < after, "no more than {after}"))
    }

    pub fn evens(&self) -> impl Iterator<Item = Even> {
        (0..).map(Even::until_the_sixth)
    }

    pub fn dying(&self, after: u64) -> impl Iterator<Item = u64> {
        (0..).inspect(move |&number| {
            if number == after {
                std::process::abort()
            }
        })
    }

    pub fn slow(&self) -> impl Iterator<Item = u64> {
        (0..).inspect(|&number| {
            if number == 3 {
                thread::sleep(Duration::from_secs(100_000))
            }
        })
    }

    pub fn refuse(&self) -> impl Iterator<Item = u64> {
        if self.made == 0 {
            panic!("before the first");
        }
        0..1
    }

    /// What comes through a channel.
    pub fn gated(&self, gate: Receiver<u64>) -> impl Iterator<Item = u64> {
        gate.into_iter()
    }

    /// Numbers from two threads at a time, through a channel.
    pub fn send(&self, to: Sender<u64>, end: u64) {
        thread::scope(|scope| {
            for _ in 0..2 {
                let to = to.clone();
                scope.spawn(move || (0..end).for_each(|number| to.send(number).unwrap()));
            }
        });
    }

    pub fn made(&self) -> u64 {
        self.made
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }
}

fn source(link: Link) -> SourceFrontend {
    SourceFrontend::spawn_with(&Builder::new().link(link)).unwrap()
}

#[test]
fn every_item_arrives_once_and_in_order() {
    let _watchdog = watchdog();
    for link in LINKS {
        let source = source(link);
        for end in [0, 1, 1000, 100_000] {
            let numbers: Result<Vec<u64>, CallError> = source.numbers(end).unwrap().collect();
            assert_eq!(numbers.unwrap(), (0..end).collect::<Vec<_>>());
        }
        let texts = source.repeated("ab", 2000).unwrap().map(Result::unwrap);
        assert!(texts.enumerate().all(|(times, text)| text == "ab".repeat(times)));
        let mut ended = source.numbers(1).unwrap();
        assert_eq!((ended.next(), ended.next(), ended.next()), (Some(Ok(0)), None, None));
        assert!(source.stop().unwrap().is_clean());
    }
}

#[test]
fn the_backend_runs_ahead_by_so_much_and_a_dropped_stream_ends_it() {
    let _watchdog = watchdog();
    for link in LINKS {
        let source = source(link);
        let mut numbers = source.numbers(u64::MAX).unwrap();
        for number in 0..10 {
            assert_eq!(numbers.next(), Some(Ok(number)));
        }
        drop(numbers);
        // It is answered, so the endless iterator has ended: dropped over there, once.
        let made = source.made().unwrap();
        assert!((10..10_000).contains(&made), "{made}");
        assert_eq!(source.dropped(), Ok(1));
        drop(source.numbers(u64::MAX).unwrap());
        assert_eq!(source.dropped(), Ok(2));
    }
}

#[test]
fn errors_come_last_and_once() {
    let _watchdog = watchdog();
    for link in LINKS {
        let source = source(link);
        panics_after(300, "no more than 300", source.failing(300).unwrap());
        panics_after(0, "before the first", source.refuse().unwrap());
        ends_at_the_sixth(source.evens().unwrap());
        assert_eq!(source.numbers(3).unwrap().count(), 3, "the actor lives on");
    }
}

#[test]
fn a_death_ends_the_stream_with_its_reason() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        for after in [0, 1, 10, 1000, 5000] {
            let source = source(link);
            let mut dying = source.dying(after).unwrap();
            let mut last = None;
            for (number, item) in (0..).zip(&mut dying) {
                match item {
                    Ok(item) => assert_eq!(item, number),
                    Err(error) => last = Some(error),
                }
            }
            assert!(matches!(last, Some(CallError::Exited(_))), "{last:?}");
            assert_eq!(dying.next(), None);
            assert!(matches!(source.numbers(1), Err(CallError::NotSent(_))));
        }
        // Killed from outside, with many items under way.
        let source = source(link);
        let mut numbers = source.numbers(u64::MAX).unwrap();
        assert_eq!(numbers.next(), Some(Ok(0)));
        source.process().kill().unwrap();
        let last = numbers.last().unwrap();
        assert!(matches!(last, Err(CallError::Exited(_))), "{last:?}");
    }
}

#[test]
fn an_item_that_takes_too_long_is_an_error() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Builder::new().on_timeout(OnTimeout::Kill);
    let source = SourceFrontend::spawn_with(&builder).unwrap();
    let mut slow = source.with_timeout(Duration::from_secs(1)).slow().unwrap();
    assert!((0..3).all(|number| slow.next() == Some(Ok(number))));
    assert_eq!(slow.next(), Some(Err(CallError::TimedOut { killed: true })));
    assert_eq!(slow.next(), None);
    assert!(!source.process().is_alive());
}

#[test]
fn threads_stream_from_one_actor_in_turn() {
    let _watchdog = watchdog();
    for link in LINKS {
        let source = source(link);
        thread::scope(|scope| {
            for thread in 0..8 {
                let source = &source;
                scope.spawn(move || {
                    for _ in 0..20 {
                        let numbers: Result<Vec<u64>, _> = source.numbers(thread * 100).unwrap().collect();
                        assert_eq!(numbers.unwrap(), (0..thread * 100).collect::<Vec<_>>());
                    }
                });
            }
        });
    }
}

#[test]
fn a_stream_is_awaited() {
    let _watchdog = watchdog();
    let runtime = one_thread();
    for link in LINKS {
        let source = source(link);
        runtime.block_on(async {
            let mut numbers = source.numbers(10_000).unwrap();
            for number in 0..10_000 {
                assert_eq!(numbers.next_async().await, Some(Ok(number)));
            }
            assert_eq!(numbers.next_async().await, None);
            assert_eq!(numbers.next_async().await, None);
            let mut failing = source.failing(2).unwrap();
            assert_eq!(failing.next_async().await, Some(Ok(0)));
            assert_eq!(failing.next_async().await, Some(Ok(1)));
            assert!(matches!(failing.next_async().await, Some(Err(CallError::Panicked(_)))));
            if !has_processes() {
                return;
            }
            // Given up in the middle of a wait for an item.
            let mut slow = source.slow().unwrap();
            assert!((0..3).all(|_| slow.next().is_some()));
            let late = tokio::time::timeout(Duration::from_millis(5), slow.next_async()).await;
            assert!(late.is_err());
        });
        let _ = source.process().kill();
    }
}

#[test]
fn a_task_that_always_has_an_item_lets_others_run() {
    let _watchdog = watchdog();
    let runtime = one_thread();
    for link in LINKS {
        let source = source(link);
        runtime.block_on(async {
            let mut numbers = source.numbers(200).unwrap();
            // Answered behind the stream: all of it is here.
            assert_eq!(source.made(), Ok(201));
            let turns = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&turns);
            let other = tokio::spawn(async move {
                loop {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
            for number in 0..200 {
                assert_eq!(numbers.next_async().await, Some(Ok(number)));
            }
            let turns = turns.load(Ordering::Relaxed);
            other.abort();
            assert!(turns > 0, "the other task had no turn between 200 items");
        });
    }
}

#[test]
fn a_stream_goes_on_in_another_runtime_when_the_first_is_gone_or_rests() {
    let _watchdog = watchdog();
    let moment = Duration::from_millis(5);
    for first_is_gone in [true, false] {
        let source = source(Link::SharedMemory);
        let (sender, gate) = channel().unwrap();
        let mut gated = source.gated(gate).unwrap();
        let first = one_thread();
        first.block_on(async {
            // Registered there, for there is nothing yet.
            assert!(tokio::time::timeout(moment, gated.next_async()).await.is_err());
        });
        let _rests = (!first_is_gone).then_some(first);
        one_thread().block_on(async {
            assert!(tokio::time::timeout(moment, gated.next_async()).await.is_err());
            for number in 0..10 {
                let (item, sent) = tokio::join!(gated.next_async(), async {
                    tokio::task::yield_now().await;
                    sender.send(number)
                });
                sent.unwrap();
                assert_eq!(item, Some(Ok(number)));
            }
            drop(sender);
            assert_eq!(gated.next_async().await, None);
        });
    }
}

/// The items that a stream and a channel are counted by: far more than any buffer in between holds.
const MANY: u64 = 1_000_000;

#[test]
fn a_million_items_come_through_a_stream() {
    let _watchdog = watchdog();
    let source = source(Link::SharedMemory);
    let (mut count, mut sum) = (0, 0);
    for number in source.numbers(MANY).unwrap() {
        count += 1;
        sum += number.unwrap();
    }
    assert_eq!((count, sum), (MANY, MANY * (MANY - 1) / 2));
    assert_eq!((source.made(), source.dropped()), (Ok(MANY + 1), Ok(1)));
}

#[test]
fn a_million_items_of_a_stream_are_awaited() {
    let _watchdog = watchdog();
    let runtime = one_thread();
    let source = source(Link::SharedMemory);
    let (mut count, mut sum) = (0, 0);
    runtime.block_on(async {
        let mut numbers = source.numbers(MANY).unwrap();
        while let Some(number) = numbers.next_async().await {
            count += 1;
            sum += number.unwrap();
        }
    });
    assert_eq!((count, sum), (MANY, MANY * (MANY - 1) / 2));
}

#[test]
fn a_million_values_come_through_a_channel() {
    let _watchdog = watchdog();
    // From four threads of two backends at a time.
    let sources = [source(Link::SharedMemory), source(Link::SharedMemory)];
    let (sender, receiver) = channel().unwrap();
    let sent: Vec<_> = sources.iter().map(|source| source.send_async(sender.clone(), MANY / 4)).collect();
    drop(sender);
    let (mut count, mut sum) = (0, 0);
    for number in &receiver {
        count += 1;
        sum += number;
    }
    sent.into_iter().for_each(|sent| sent.wait().unwrap());
    assert_eq!((count, sum), (MANY, 4 * (MANY / 4 * (MANY / 4 - 1) / 2)));
}
