//! Methods that return `impl Stream`, and iterators of actors with `async` methods: what is served beside them.
//! Not here: streams of actors without a runtime (`streams`).
//! Layer: the public surface.

mod support;

use std::thread;
use std::time::Duration;

use feed::FeedFrontend;
use support::executors::one_thread;
use support::streams::{all, ends_at_the_sixth, panics_after};
use support::{has_processes, watchdog};
use worker_core::{Builder, CallError, Link};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// In a room of its own, where nobody has an iterator that is a stream too.
mod feed {
    use std::cell::Cell;
    use std::convert::identity;
    use std::rc::Rc;

    use futures_util::stream::{self, Stream, StreamExt};
    use tokio::sync::Notify;
    use worker_core::process_actor;

    use crate::support::streams::Even;

    /// Yields, polled and unpolled.
    pub struct Feed {
        made: Rc<Cell<u64>>,
        ended: Rc<Cell<u32>>,
        news: Notify,
    }

    /// Counts its own end.
    struct Ending(Rc<Cell<u32>>);

    impl Drop for Ending {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[process_actor]
    impl Feed {
        pub fn new() -> Self {
            Self { made: Rc::default(), ended: Rc::default(), news: Notify::new() }
        }

        /// Always ready.
        pub fn numbers(&self, end: u64) -> impl Stream<Item = u64> + '_ {
            let ending = Ending(Rc::clone(&self.ended));
            stream::iter(0..end).inspect(move |_| {
                identity(&ending);
                self.made.set(self.made.get() + 1);
            })
        }

        /// Gives its turn away between two items.
        pub fn hesitant(&self, end: u64) -> impl Stream<Item = u64> + use<> {
            stream::iter(0..end).then(async |number| {
                tokio::task::yield_now().await;
                number
            })
        }

        /// One item, and then another at each piece of news.
        pub fn news(&self) -> impl Stream<Item = u64> + '_ {
            let ending = Ending(Rc::clone(&self.ended));
            stream::unfold((0, ending), async |(number, ending)| {
                if number > 0 {
                    self.news.notified().await;
                }
                Some((number, (number + 1, ending)))
            })
        }

        /// Is awaited itself, before it yields; and borrows its argument until then.
        pub async fn words(&self, text: &str) -> impl Stream<Item = String> + use<> {
            tokio::task::yield_now().await;
            stream::iter(text.split(' ').map(str::to_owned).collect::<Vec<_>>())
        }

        /// An iterator: polled by nobody, but what waits for its room lets others run.
        pub fn iterated(&self, end: u64) -> impl Iterator<Item = u64> + '_ {
            let ending = Ending(Rc::clone(&self.ended));
            (0..end).inspect(move |_| {
                identity(&ending);
                self.made.set(self.made.get() + 1);
            })
        }

        /// Alone with the actor.
        pub fn alone(&mut self, end: u64) -> impl Stream<Item = u64> + '_ {
            let made = &self.made;
            stream::iter(0..end).inspect(move |_| made.set(made.get() + 1))
        }

        pub fn failing(&self, after: u64) -> impl Stream<Item = u64> {
            stream::iter(0..).inspect(move |&number| assert!(number < after, "no more than {after}"))
        }

        pub async fn refuse(&self, after_a_while: bool) -> impl Stream<Item = u64> {
            if after_a_while {
                tokio::task::yield_now().await;
            }
            assert!(self.made.get() == u64::MAX, "before the first");
            stream::iter(0..1)
        }

        pub fn evens(&self) -> impl Stream<Item = Even> {
            stream::iter(0..).map(Even::until_the_sixth)
        }

        pub fn dying(&self, after: u64) -> impl Stream<Item = u64> {
            stream::iter(0..).inspect(move |&number| {
                if number == after {
                    std::process::abort()
                }
            })
        }

        pub fn tell(&self) {
            self.news.notify_one();
        }

        pub fn made(&self) -> u64 {
            self.made.get()
        }

        /// Runs when all streams have ended.
        pub fn ended(&mut self) -> u32 {
            self.ended.get()
        }
    }
}

fn feed(link: Link) -> FeedFrontend {
    FeedFrontend::spawn_with(&Builder::new().link(link)).unwrap()
}

#[test]
fn every_item_arrives_once_and_in_order() {
    let _watchdog = watchdog();
    for link in LINKS {
        let feed = feed(link);
        for end in [0, 1, 1000, 50_000] {
            let expected: Vec<u64> = (0..end).collect();
            assert_eq!(all(feed.numbers(end)), expected);
            assert_eq!(all(feed.iterated(end)), expected);
            assert_eq!(all(feed.hesitant(end)), expected);
            assert_eq!(all(feed.alone(end)), expected);
        }
        assert_eq!(all(feed.words("one two three")), ["one", "two", "three"]);
        assert!(feed.stop().unwrap().is_clean());
    }
}

#[test]
fn both_sides_are_async() {
    let _watchdog = watchdog();
    let runtime = one_thread();
    for link in LINKS {
        let feed = feed(link);
        runtime.block_on(async {
            let sums = (0..50).map(|_| async {
                let mut numbers = feed.numbers(1000).unwrap();
                let mut sum = 0;
                while let Some(number) = numbers.next_async().await {
                    sum += number.unwrap();
                }
                sum
            });
            assert_eq!(futures_util::future::join_all(sums).await, [499_500; 50]);
            // Each side waits for the other, item by item.
            let mut news = feed.news().unwrap();
            for number in 0..100 {
                assert_eq!(news.next_async().await, Some(Ok(number)));
                feed.tell_async().await.unwrap();
            }
        });
    }
}

#[test]
fn an_unread_stream_is_bounded_and_calls_are_served_beside_it() {
    let _watchdog = watchdog();
    for link in LINKS {
        let feed = feed(link);
        let mut unread = [feed.numbers(u64::MAX).unwrap(), feed.iterated(u64::MAX).unwrap()];
        // By the very thread that holds them; and streams too.
        for _ in 0..100 {
            assert!(feed.made().unwrap() < 20_000);
        }
        assert_eq!(all(feed.hesitant(1000)).len(), 1000);
        for unread in &mut unread {
            assert!((0..1000).eq(unread.take(1000).map(Result::unwrap)));
        }
        assert!((2000..20_000).contains(&feed.made().unwrap()));
        drop(unread);
        assert_eq!(feed.ended(), Ok(2), "an endless stream that nobody wants has ended");
    }
}

#[test]
fn a_dropped_stream_ends_at_once_also_while_it_waits_for_its_next_item() {
    let _watchdog = watchdog();
    for link in LINKS {
        let feed = feed(link);
        for dropped in 1..=20 {
            let mut news = feed.news().unwrap();
            assert_eq!(news.next(), Some(Ok(0)));
            // There will be no more news, so only the drop can end it.
            drop(news);
            assert_eq!(feed.ended(), Ok(dropped));
        }
        // Without having been read at all.
        drop(feed.news().unwrap());
        assert_eq!(feed.ended(), Ok(21));
    }
}

#[test]
fn one_that_is_always_ready_keeps_nobody_from_running() {
    let _watchdog = watchdog();
    for link in LINKS {
        let feed = feed(link);
        let numbers = [feed.numbers(u64::MAX).unwrap(), feed.iterated(u64::MAX).unwrap()];
        thread::scope(|scope| {
            for numbers in numbers {
                let feed = feed.clone();
                scope.spawn(move || {
                    // Read as fast as it goes, until a hundred calls have been answered beside it.
                    let caller = thread::spawn(move || (0..100).for_each(|_| assert!(feed.made().is_ok())));
                    let read = numbers.take_while(|number| number.is_ok() && !caller.is_finished()).count();
                    caller.join().unwrap();
                    assert!(read > 0);
                });
            }
        });
        assert_eq!(feed.ended(), Ok(2));
    }
}

#[test]
fn a_stream_of_the_whole_actor_is_alone_with_it() {
    let _watchdog = watchdog();
    for link in LINKS {
        let feed = feed(link);
        let numbers = feed.alone(20_000).unwrap();
        // Waits until the stream has ended, by another thread's reading.
        let made = feed.made_async();
        let other = thread::spawn(|| numbers.map(Result::unwrap).sum::<u64>());
        assert_eq!(made.wait(), Ok(20_000));
        assert_eq!(other.join().unwrap(), 199_990_000);
    }
}

#[test]
fn errors_come_last_and_once() {
    let _watchdog = watchdog();
    for link in LINKS {
        let feed = feed(link);
        panics_after(300, "no more than 300", feed.failing(300).unwrap());
        for after_a_while in [false, true] {
            panics_after(0, "before the first", feed.refuse(after_a_while).unwrap());
        }
        ends_at_the_sixth(feed.evens().unwrap());
        assert_eq!(all(feed.numbers(3)), [0, 1, 2], "the actor lives on");
    }
}

#[test]
fn a_death_ends_every_stream_with_its_reason() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        for after in [0, 1, 1000] {
            let feed = feed(link);
            let mut beside = feed.news().unwrap();
            assert_eq!(beside.next(), Some(Ok(0)));
            let mut dying = feed.dying(after).unwrap();
            let items = dying.by_ref().take_while(Result::is_ok).map(Result::unwrap);
            assert!(items.eq(0..after));
            assert_eq!(dying.next(), None);
            assert!(matches!(beside.next(), Some(Err(CallError::Exited(_)))));
            assert_eq!(beside.next(), None);
        }
    }
}

#[test]
fn a_stream_holds_its_actor() {
    let _watchdog = watchdog();
    for link in LINKS {
        let numbers = feed(link).numbers(100_000).unwrap();
        assert_eq!(numbers.map(Result::unwrap).sum::<u64>(), 4_999_950_000);
    }
}

#[test]
fn a_stop_ends_what_nobody_reads_after_its_grace() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let builder = Builder::new().link(link).stop_timeout(Duration::from_millis(100));
        let feed = FeedFrontend::spawn_with(&builder).unwrap();
        let mut unread =
            [feed.numbers(u64::MAX).unwrap(), feed.iterated(u64::MAX).unwrap(), feed.news().unwrap()];
        assert!(!feed.stop().unwrap().is_clean());
        for unread in &mut unread {
            // What had come is there still, and then the reason.
            let last = unread.find(Result::is_err);
            assert!(matches!(last, Some(Err(CallError::Exited(_)))), "{last:?}");
            assert_eq!(unread.next(), None);
        }
        // One that is read to its end is no reason to wait.
        let feed = FeedFrontend::spawn_with(&builder).unwrap();
        assert_eq!(all(feed.numbers(1000)).len(), 1000);
        assert!(feed.stop().unwrap().is_clean());
    }
}
