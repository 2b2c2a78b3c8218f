//! Values of channels in tasks on tokio.
//! Not here: channels in threads (`channels`), and calls in tasks (`async_calls`).
//! Layer: the public surface.

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use support::{has_processes, watchdog};
use worker_core::{Builder, Link, RecvError, Sender, channel, process_actor};

/// Sends from its own process.
pub struct Source;

#[process_actor]
impl Source {
    pub fn new() -> Self {
        Self
    }

    pub fn send(&self, to: Sender<(u64, Vec<u8>)>, count: u64) {
        for number in 0..count {
            let length = if number % 50 == 0 { 50_000 } else { 10 };
            to.send((number, vec![1; length])).unwrap();
        }
    }

    #[oneway]
    pub fn flood(&self, to: Sender<u64>) {
        (0..).take_while(|&number| to.send(number).is_ok()).for_each(drop);
    }
}

fn runtimes() -> [tokio::runtime::Runtime; 2] {
    let build = |mut builder: tokio::runtime::Builder| builder.enable_all().build().unwrap();
    [build(tokio::runtime::Builder::new_current_thread()), build(tokio::runtime::Builder::new_multi_thread())]
}

#[test]
fn tasks_receive_from_many_processes() {
    let _watchdog = watchdog();
    for runtime in runtimes() {
        runtime.block_on(async {
            let mut tasks = Vec::new();
            for link in [Link::SharedMemory, Link::Socket] {
                let source = SourceFrontend::spawn_with(&Builder::new().link(link)).unwrap();
                let (sender, receiver) = channel().unwrap();
                let sent = source.send_async(sender, 700);
                tasks.push(tokio::spawn(async move {
                    let mut values = receiver.into_stream().unwrap();
                    let mut next = 0;
                    while let Some(value) = values.next().await {
                        assert_eq!(value.unwrap().0, next);
                        next += 1;
                    }
                    sent.await.unwrap();
                    next
                }));
            }
            for task in tasks {
                assert_eq!(task.await.unwrap(), 700);
            }
        });
    }
}

#[test]
fn a_fast_sender_lets_other_tasks_run_and_its_death_ends_the_stream() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let [runtime, _] = runtimes();
    runtime.block_on(async {
        let source = SourceFrontend::spawn().unwrap();
        let (sender, receiver) = channel().unwrap();
        source.flood(sender).unwrap();
        let ran = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&ran);
        tokio::spawn(async move { other.store(true, Ordering::Relaxed) });
        let mut values = receiver.into_stream().unwrap();
        let mut next = 0;
        while let Some(value) = values.next().await {
            assert_eq!(value.unwrap(), next);
            next += 1;
            if ran.load(Ordering::Relaxed) && next > 1000 {
                source.process().kill().unwrap();
            }
        }
        assert!(matches!(values.into_inner().recv(), Err(RecvError::Disconnected)));
    });
}

#[test]
fn a_dropped_wait_takes_nothing() {
    let _watchdog = watchdog();
    let [runtime, _] = runtimes();
    runtime.block_on(async {
        let (sender, receiver) = channel::<u32>().unwrap();
        let mut values = receiver.into_stream().unwrap();
        for number in 0..100 {
            {
                let waiting = pin!(values.next());
                assert!(matches!(waiting.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
            }
            sender.send(number).unwrap();
            assert_eq!(values.next().await.unwrap().unwrap(), number);
        }
        let sending = thread::spawn(move || sender.send(7));
        assert_eq!(values.next().await.unwrap().unwrap(), 7);
        sending.join().unwrap().unwrap();
        assert!(values.next().await.is_none());
    });
}
