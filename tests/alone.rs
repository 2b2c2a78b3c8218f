//! A thread that has an actor to itself, and those who come while it calls: at each step of its call.
//! Not here: every order of the steps of the one word that tells (`calls::seat`), and many threads at once (`order`).
//! Layer: the public surface.

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::{has_processes, processes, watchdog};
use worker_core::{Backoff, Builder, CallError, Link, Restart, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
const MIB: usize = 1 << 20;

/// Does what takes as long as its frontends want.
pub struct Clerk {
    noted: u64,
    gate: File,
    reached: File,
}

#[process_actor]
impl Clerk {
    /// `gate` is what [`Clerk::wait_at_gate`] reads from, and `reached` what it writes to before.
    pub fn new(gate: File, reached: File) -> Self {
        Self { noted: 0, gate, reached }
    }

    /// Returns when a byte comes through the gate.
    pub fn wait_at_gate(&mut self) -> u64 {
        self.reached.write_all(&[1]).expect("the test holds the other end");
        self.gate.read_exact(&mut [0]).expect("the test holds the other end");
        self.noted
    }

    pub fn add(&self, left: u64, right: u64) -> u64 {
        left + right
    }

    pub fn length(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    #[oneway]
    pub fn note(&mut self, bytes: &[u8]) {
        self.noted += bytes.len() as u64;
    }

    pub fn noted(&self) -> u64 {
        self.noted
    }

    pub fn refuse(&self) -> Result<(), String> {
        Err("no".to_owned())
    }
}

/// A clerk, and the test's ends of its pipes.
struct Office {
    clerk: ClerkFrontend,
    opener: File,
    reached: File,
}

impl Office {
    fn new(builder: &Builder) -> Self {
        let ((gate, opener), (reached, reaching)) = (pipe(), pipe());
        Self { clerk: ClerkFrontend::spawn_with(builder, gate, reaching).unwrap(), opener, reached }
    }

    fn open(&self) {
        (&self.opener).write_all(&[1]).unwrap();
    }

    /// Returns when the clerk waits at its gate.
    fn await_reached(&self) {
        (&self.reached).read_exact(&mut [0]).unwrap();
    }
}

fn pipe() -> (File, File) {
    let (reader, writer) = std::io::pipe().unwrap();
    (OwnedFd::from(reader).into(), OwnedFd::from(writer).into())
}

/// Runs `others` while a thread that came alone waits for its reply; gives what that one got.
fn while_one_waits<T>(link: Link, others: impl FnOnce(&Office) -> T) -> (u64, T) {
    let office = Office::new(&Builder::new().link(link));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| office.clerk.wait_at_gate().unwrap());
        office.await_reached();
        let came = others(&office);
        (waiting.join().unwrap(), came)
    })
}

#[test]
fn a_call_that_comes_meanwhile_has_its_own_reply() {
    let _watchdog = watchdog();
    for link in LINKS {
        let (_, sums) = while_one_waits(link, |office| {
            thread::scope(|scope| {
                let calls: Vec<_> = (0..4).map(|n| scope.spawn(move || office.clerk.add(n, 1))).collect();
                office.open();
                calls.into_iter().map(|call| call.join().unwrap().unwrap()).collect::<Vec<_>>()
            })
        });
        assert_eq!(sums, [1, 2, 3, 4]);
    }
}

#[test]
fn a_call_that_comes_meanwhile_may_give_up() {
    let _watchdog = watchdog();
    for link in LINKS {
        let (_, late) = while_one_waits(link, |office| {
            let late = office.clerk.with_timeout(Duration::from_millis(20)).add(1, 1);
            office.open();
            late
        });
        assert!(matches!(late, Err(CallError::TimedOut { killed: false })), "{late:?}");
    }
}

#[test]
fn one_that_came_alone_may_give_up_and_its_late_reply_is_nobody_elses() {
    let _watchdog = watchdog();
    for link in LINKS {
        let office = Office::new(&Builder::new().link(link));
        let clerk = &office.clerk;
        for n in 0..50 {
            let late = clerk.with_timeout(Duration::from_millis(1)).wait_at_gate();
            assert!(matches!(late, Err(CallError::TimedOut { killed: false })), "{late:?}");
            office.open();
            assert_eq!(clerk.add(n, n).unwrap(), 2 * n);
        }
    }
}

#[test]
fn requests_without_a_reply_that_fill_the_link_meanwhile_all_arrive() {
    let _watchdog = watchdog();
    const NOTES: u64 = 200;
    for link in LINKS {
        let bytes = vec![1; MIB];
        let (waited, noted) = while_one_waits(link, |office| {
            thread::scope(|scope| {
                // More than there is room for, so this one waits, and the one that came alone leads for it.
                let noting = scope.spawn(|| (0..NOTES).for_each(|_| office.clerk.note(&bytes).unwrap()));
                office.open();
                noting.join().unwrap();
                office.clerk.noted().unwrap()
            })
        });
        assert!(waited <= noted);
        assert_eq!(noted, NOTES * MIB as u64);
    }
}

#[test]
fn a_request_too_long_to_leave_at_once_goes_on_among_those_who_come() {
    let _watchdog = watchdog();
    for link in LINKS {
        let office = Office::new(&Builder::new().link(link));
        let clerk = &office.clerk;
        let long = vec![7; 90 * MIB];
        thread::scope(|scope| {
            let long = scope.spawn(|| clerk.length(&long).unwrap());
            for n in 0..100 {
                assert_eq!(clerk.add(n, 3).unwrap(), n + 3);
            }
            assert_eq!(long.join().unwrap(), 90 * MIB);
        });
        assert_eq!(clerk.length(&vec![7; 90 * MIB]).unwrap(), 90 * MIB, "and of one that stays alone");
    }
}

#[test]
fn a_call_that_is_waited_for_later_is_company() {
    let _watchdog = watchdog();
    for link in LINKS {
        let office = Office::new(&Builder::new().link(link));
        let clerk = &office.clerk;
        let pending = clerk.wait_at_gate_async();
        let forgotten = clerk.add_async(1, 1);
        office.open();
        assert_eq!(clerk.add(2, 3).unwrap(), 5);
        drop(forgotten);
        assert_eq!(pending.wait().unwrap(), 0);
        assert_eq!(clerk.add(3, 3).unwrap(), 6, "alone once more");
        assert!(matches!(clerk.refuse(), Err(CallError::Actor(text)) if text == "no"));
        assert_eq!(clerk.add(4, 3).unwrap(), 7);
    }
}

#[test]
fn a_value_that_panics_while_it_is_encoded_leaves_the_actor_to_others() {
    struct Bomb;
    impl serde::Serialize for Bomb {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("it does not let itself be encoded");
        }
    }
    impl<'de> serde::Deserialize<'de> for Bomb {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    struct Target;
    #[process_actor]
    impl Target {
        pub fn new() -> Self {
            Self
        }
        pub fn take(&self, bomb: Bomb) -> bool {
            let Bomb = bomb;
            true
        }
        pub fn echo(&self, n: u64) -> u64 {
            n
        }
    }
    let _watchdog = watchdog();
    let target = TargetFrontend::spawn().unwrap();
    for n in 0..3 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target.take(Bomb)));
        assert!(panicked.is_err());
        assert_eq!(target.echo(n).unwrap(), n);
        assert_eq!(thread::scope(|scope| scope.spawn(|| target.echo(n)).join().unwrap()).unwrap(), n);
    }
}

/// Kills at every step: of calls that are alone, and of those who come.
#[test]
fn whoever_waits_is_told_of_the_death_alone_or_not() {
    if !has_processes() {
        return;
    }
    let _watchdog = watchdog();
    for link in LINKS {
        let restart = Restart::always().max(u32::MAX).backoff(Backoff::none());
        let builder = Builder::new().link(link).restart(restart);
        let office = Office::new(&builder);
        let (done, is_done) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let clerk = &office.clerk;
            let killer = scope.spawn(move || {
                let mut kills = 0;
                while matches!(is_done.try_recv(), Err(mpsc::TryRecvError::Empty)) {
                    processes::signal(clerk.process().pid(), Signal::SIGKILL);
                    kills += 1;
                    // Until the next life has answered something.
                    while clerk.add(1, 1).is_err() {}
                }
                kills
            });
            let callers: Vec<_> = (0..2_u64)
                .map(|who| {
                    scope.spawn(move || {
                        let mut answers = 0;
                        for n in 0..5_000 {
                            match clerk.add(n, who) {
                                Ok(sum) => {
                                    assert_eq!(sum, n + who);
                                    answers += 1;
                                }
                                Err(CallError::Exited(_)) => {}
                                Err(error) => panic!("{error:?}"),
                            }
                        }
                        answers
                    })
                })
                .collect();
            let answers: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
            drop(done);
            assert!(killer.join().unwrap() > 0 && answers > 0);
        });
    }
}
