//! Many threads, many calls in flight, many actors; and no thread that the user did not start.
//! Not here: what happens when a backend ends meanwhile (`death`).
//! Layer: the public surface.

mod support;

use std::alloc::{Layout, alloc, dealloc};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::processes;
use support::{eventually, rerun, watchdog};
use worker_core::{Builder, Link, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

/// Answers what it is asked, and keeps who asked in which order.
pub struct Clerk {
    last: Vec<u64>,
}

#[process_actor]
impl Clerk {
    pub fn new() -> Self {
        Self { last: vec![0; 64] }
    }

    pub fn answer(&self, question: u64) -> u64 {
        !question
    }

    pub fn long_answer(&self, question: u64, length: usize) -> Vec<u64> {
        vec![!question; length]
    }

    /// Notes a number of one thread; says whether it follows the one before.
    pub fn note(&mut self, thread: usize, number: u64) -> bool {
        let follows = number == self.last[thread] + 1;
        self.last[thread] = number;
        follows
    }

    #[oneway]
    pub fn note_later(&mut self, thread: usize, number: u64) {
        assert_eq!(number, self.last[thread] + 1);
        self.last[thread] = number;
    }

    pub fn last(&self, thread: usize) -> u64 {
        self.last[thread]
    }

    pub fn sleep(&self, milliseconds: u64) {
        thread::sleep(Duration::from_millis(milliseconds));
    }

    pub fn threads(&self) -> usize {
        processes::threads()
    }
}

/// Spawns actors of its own.
pub struct Manager {
    clerks: Vec<ClerkFrontend>,
    below: Option<ManagerFrontend>,
}

#[process_actor]
impl Manager {
    pub fn new(depth: u32, clerks: u32) -> Self {
        let clerks = (0..clerks).map(|_| ClerkFrontend::spawn().unwrap()).collect();
        let below = (depth > 0).then(|| ManagerFrontend::spawn(depth - 1, 1).unwrap());
        Self { clerks, below }
    }

    pub fn ask(&self, question: u64) -> u64 {
        self.clerks.iter().map(|clerk| clerk.answer(question).unwrap()).sum()
    }

    pub fn ask_below(&self, question: u64) -> u64 {
        match &self.below {
            Some(below) => below.ask_below(question).unwrap(),
            None => self.ask(question),
        }
    }

    pub fn pids(&self) -> Vec<u32> {
        let own = [std::process::id()];
        let clerks = self.clerks.iter().map(|clerk| clerk.process().pid());
        let below = self.below.iter().flat_map(|below| below.pids().unwrap());
        own.into_iter().chain(clerks).chain(below).collect()
    }
}

fn over_links(test: impl Fn(&Builder)) {
    let _watchdog = watchdog();
    for link in LINKS {
        test(&Builder::new().link(link).stop_timeout(Duration::from_secs(60)));
    }
}

#[test]
fn eight_threads_get_their_own_answers() {
    over_links(|builder| {
        let clerk = ClerkFrontend::spawn_with(builder).unwrap();
        thread::scope(|scope| {
            for thread in 0..8_u64 {
                let clerk = &clerk;
                scope.spawn(move || {
                    for n in 0..3000 {
                        let question = thread << 32 | n;
                        assert_eq!(clerk.answer(question).unwrap(), !question);
                        if n % 100 == 0 {
                            assert_eq!(clerk.long_answer(question, 20_000).unwrap(), vec![!question; 20_000]);
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn calls_of_each_thread_keep_their_order() {
    over_links(|builder| {
        let clerk = ClerkFrontend::spawn_with(builder).unwrap();
        thread::scope(|scope| {
            for thread in 0..8 {
                let clerk = clerk.clone();
                scope.spawn(move || {
                    let mut pending = Vec::new();
                    for number in 1..=2000 {
                        match number % 3 {
                            0 => assert!(clerk.note(thread, number).unwrap()),
                            1 => pending.push(clerk.note_async(thread, number)),
                            _ => clerk.note_later(thread, number).unwrap(),
                        }
                    }
                    assert!(pending.into_iter().all(|pending| pending.wait().unwrap()));
                    assert_eq!(clerk.last(thread).unwrap(), 2000);
                });
            }
        });
    });
}

#[test]
fn pendings_are_waited_for_in_any_order_from_any_thread() {
    over_links(|builder| {
        let clerk = ClerkFrontend::spawn_with(builder).unwrap();
        let mut pending: Vec<_> = (0..2000).map(|n| (n, clerk.answer_async(n))).collect();
        // Backwards, and then the even and the odd ones, in two threads.
        for _ in 0..1000 {
            let (n, answer) = pending.pop().unwrap();
            assert_eq!(answer.wait().unwrap(), !n);
        }
        let (even, odd): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(n, _)| n % 2 == 0);
        thread::scope(|scope| {
            for half in [even, odd] {
                scope.spawn(|| {
                    half.into_iter().for_each(|(n, answer)| assert_eq!(answer.wait().unwrap(), !n))
                });
            }
        });
    });
}

#[test]
fn a_pending_call_may_be_looked_at_and_waited_for_again() {
    over_links(|builder| {
        let clerk = ClerkFrontend::spawn_with(builder).unwrap();
        let _asleep = clerk.sleep_async(50);
        let mut pending = clerk.answer_async(7);
        assert!(pending.wait_timeout(Duration::ZERO).is_none());
        assert!(pending.wait_timeout(Duration::from_millis(1)).is_none());
        assert!(format!("{pending:?}").contains("in_flight: true"));
        eventually("the reply is there without anybody waiting", || pending.is_ready());
        assert_eq!(pending.wait_timeout(Duration::ZERO).unwrap().unwrap(), !7);
        assert!(pending.is_ready());
        assert!(pending.wait_timeout(Duration::ZERO).is_none(), "a result is given once");
    });
}

#[test]
fn a_look_takes_in_the_replies_of_others() {
    over_links(|builder| {
        let clerk = ClerkFrontend::spawn_with(builder).unwrap();
        let first = clerk.answer_async(1);
        let second = clerk.answer_async(2);
        eventually("the second is ready", || second.is_ready());
        assert!(first.is_ready());
        assert_eq!((second.wait().unwrap(), first.wait().unwrap()), (!2, !1));
    });
}

#[test]
fn dropped_pendings_disturb_nobody() {
    over_links(|builder| {
        let clerk = ClerkFrontend::spawn_with(builder).unwrap();
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let clerk = &clerk;
                scope.spawn(move || {
                    for n in 0..1000 {
                        let question = thread << 32 | n;
                        drop(clerk.long_answer_async(question, 500));
                        let kept = clerk.answer_async(question);
                        drop(clerk.answer_async(!question));
                        assert_eq!(kept.wait().unwrap(), !question);
                    }
                });
            }
        });
    });
}

#[test]
fn deadlines_of_some_threads_leave_the_others_alone() {
    over_links(|builder| {
        let clerk = ClerkFrontend::spawn_with(builder).unwrap();
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (patient, hasty) =
                    (clerk.clone(), clerk.with_timeout(Duration::from_micros(50 * thread)));
                scope.spawn(move || {
                    for n in 0..500 {
                        let question = thread << 32 | n;
                        // Either way, and a late reply must not be taken for that of another call.
                        if let Ok(answer) = hasty.answer(question) {
                            assert_eq!(answer, !question);
                        }
                        assert_eq!(patient.answer(question + 1).unwrap(), !(question + 1));
                    }
                });
            }
        });
        assert!(clerk.stop().unwrap().is_clean());
    });
}

#[test]
fn an_actor_outlives_the_thread_that_spawned_it() {
    over_links(|builder| {
        let builder = builder.clone();
        let clerk = thread::spawn(move || ClerkFrontend::spawn_with(&builder).unwrap()).join().unwrap();
        eventually("its spawner is gone", || clerk.process().is_alive());
        for n in 0..100 {
            assert_eq!(clerk.answer(n).unwrap(), !n);
        }
    });
}

#[test]
fn the_very_first_spawn_may_be_in_a_thread_that_ends_at_once() {
    let _watchdog = watchdog();
    rerun::alone("the_very_first_spawn_may_be_in_a_thread_that_ends_at_once", || {
        // The fork server's parent is this thread, and a parent-death signal would follow it.
        let clerk = thread::spawn(|| ClerkFrontend::spawn().unwrap()).join().unwrap();
        thread::sleep(Duration::from_millis(50));
        assert_eq!(clerk.answer(1).unwrap(), !1);
        assert_eq!(ClerkFrontend::spawn().unwrap().answer(2).unwrap(), !2);
    });
}

#[test]
fn many_threads_spawn_at_once() {
    let _watchdog = watchdog();
    rerun::alone("many_threads_spawn_at_once", || {
        let clerks: Vec<_> = thread::scope(|scope| {
            let spawns: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| (0..5).map(|_| ClerkFrontend::spawn().unwrap()).collect::<Vec<_>>()))
                .collect();
            spawns.into_iter().flat_map(|spawn| spawn.join().unwrap()).collect()
        });
        for (clerk, n) in clerks.iter().zip(0..) {
            assert_eq!(clerk.answer(n).unwrap(), !n);
        }
        let servers = processes::descendants(std::process::id());
        let servers = servers.iter().filter(|entry| entry.comm.starts_with("fork-server")).count();
        assert_eq!(servers, 1, "the threads share one fork server");
    });
}

#[test]
fn spawns_while_others_hold_every_lock() {
    let _watchdog = watchdog();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // In the arenas of the allocator most of the time.
                    let layout = Layout::from_size_align(96 * 1024, 16).unwrap();
                    // SAFETY: the layout is not of size zero.
                    let block = unsafe { alloc(layout) };
                    // SAFETY: just allocated with this layout, or null, which is not.
                    unsafe {
                        if !block.is_null() {
                            dealloc(block, layout)
                        }
                    }
                }
            });
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let mut output = std::io::stdout().lock();
                    output.flush().unwrap();
                }
            });
        }
        for n in 0..100 {
            let clerk = ClerkFrontend::spawn().unwrap();
            assert_eq!(clerk.answer(n).unwrap(), !n);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn actors_spawn_actors_and_all_end_together() {
    let _watchdog = watchdog();
    let manager = ManagerFrontend::spawn(3, 4).unwrap();
    assert_eq!(manager.ask(u64::MAX).unwrap(), 0);
    assert_eq!(manager.ask_below(5).unwrap(), !5);
    let pids = manager.pids().unwrap();
    assert_eq!(pids.len(), 5 + 3 * 2);
    assert!(pids.iter().all(|&pid| processes::runs(pid)));
    assert!(manager.stop().unwrap().is_clean());
    for pid in pids {
        eventually("the whole family is gone", || processes::Entry::of(pid).is_none());
    }
}

#[test]
fn a_killed_manager_takes_its_family_along() {
    let _watchdog = watchdog();
    let manager = ManagerFrontend::spawn(2, 2).unwrap();
    let pids = manager.pids().unwrap();
    manager.process().kill().unwrap();
    for pid in pids {
        eventually("the whole family is gone", || !processes::runs(pid));
    }
}

#[test]
fn no_thread_is_started_here_or_there() {
    let _watchdog = watchdog();
    rerun::alone("no_thread_is_started_here_or_there", || {
        let before = processes::threads();
        let clerks: Vec<_> = (0..4).map(|_| ClerkFrontend::spawn().unwrap()).collect();
        let pending: Vec<_> =
            clerks.iter().flat_map(|clerk| (0..50).map(|n| clerk.answer_async(n))).collect();
        assert_eq!(processes::threads(), before);
        for pending in pending {
            pending.wait().unwrap();
        }
        for clerk in &clerks {
            assert_eq!(clerk.threads().unwrap(), 1);
            assert_eq!(clerk.process().usage().threads, 1);
        }
        let server = processes::fork_server_of(std::process::id()).unwrap();
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid)).unwrap().count();
        assert_eq!(tasks, 1, "the fork server has one thread");
        assert_eq!(processes::threads(), before);
    });
}
