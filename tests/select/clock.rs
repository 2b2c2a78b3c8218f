//! Timers, and waits that end neither early nor never.
//! Not here: sources that are told (the other files).
//! Layer: tests only, through the public surface.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use worker_core::{Select, channel};

use super::{SOON, next, nothing, told};
use crate::support::watchdog;

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
