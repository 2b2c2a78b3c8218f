//! Many stopped at once, and what an actor that takes its time to stop does to others.
//! Not here: the end of one alone (`death`), and groups, which stop one after the other (`groups`).
//! Layer: the public surface.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::{eventually, has_processes, scratch_file, watchdog};
use worker_core::{Builder, CallError, Exit, ExitReason, Link, process_actor, stop_all};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(50);

/// What a guest does before it ends.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub enum Manner {
    /// Waits until so many are on their way out.
    Together(usize),
    /// Waits until it is let go.
    LetGo,
    /// Stays.
    Never,
}

/// Leaves in its own manner.
pub struct Guest {
    hall: PathBuf,
    manner: Manner,
    noted: u64,
}

#[process_actor]
impl Guest {
    pub fn new(hall: &Path, manner: Manner) -> Self {
        Self { hall: hall.to_owned(), manner, noted: 0 }
    }

    pub fn answer(&self) -> u64 {
        42
    }

    #[oneway]
    pub fn wait_at_work(&self) {
        self.note("working");
        self.wait_for(|hall| hall.join("go").exists());
    }

    #[oneway]
    pub fn write_down(&mut self, what: &[u8]) {
        self.noted += what.len() as u64;
    }

    fn note(&self, what: &str) {
        fs::write(self.hall.join(format!("{what}-{}", std::process::id())), "").unwrap();
    }

    fn wait_for(&self, seen: impl Fn(&Path) -> bool) {
        while !seen(&self.hall) {
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    #[stopped]
    fn leave(&mut self) {
        self.note("leaving");
        fs::write(self.hall.join(format!("noted-{}", std::process::id())), self.noted.to_string()).unwrap();
        match self.manner {
            Manner::Together(count) => self.wait_for(|hall| leaving(hall) >= count),
            Manner::LetGo => self.wait_for(|hall| hall.join("go").exists()),
            Manner::Never => self.wait_for(|_| false),
        }
    }
}

fn leaving(hall: &Path) -> usize {
    let names = fs::read_dir(hall).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("leaving")).count()
}

/// A folder where guests and the test see what the others do.
struct Hall(PathBuf);

impl Hall {
    fn new() -> Self {
        let path = scratch_file("hall");
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn guest(&self, builder: &Builder, manner: Manner) -> GuestFrontend {
        GuestFrontend::spawn_with(builder, &self.0, manner).unwrap()
    }

    fn let_go(&self) {
        fs::write(self.0.join("go"), "").unwrap();
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Both links, and what is said of each.
fn over_links(test: impl Fn(&Builder)) {
    let _watchdog = watchdog();
    // What a thread does at its end, and that it can be forced, is not what these are about.
    if has_processes() {
        [Link::SharedMemory, Link::Socket].into_iter().for_each(|link| test(&Builder::new().link(link)));
    }
}

fn stop_together(guests: &[GuestFrontend]) -> Vec<Exit> {
    stop_all(guests.iter().map(|guest| &**guest)).into_iter().map(Result::unwrap).collect()
}

#[test]
fn all_are_asked_before_any_is_waited_for() {
    over_links(|builder| {
        // One that is waited for before the last is asked waits for that one, and so for ever. Many rounds: it
        // takes a guest that is on its way out before its asker has looked up.
        for _ in 0..30 {
            let hall = Hall::new();
            let builder = builder.clone().stop_timeout(LONG);
            let guests: Vec<_> = (0..6).map(|_| hall.guest(&builder, Manner::Together(6))).collect();
            assert!(stop_together(&guests).iter().all(Exit::is_clean));
        }
    });
}

#[test]
fn who_hangs_in_the_last_hook_gets_sigterm_first_alone_and_among_many() {
    over_links(|builder| {
        let hall = Hall::new();
        let builder = builder.clone().stop_timeout(SHORT);
        let by_sigterm = |exit: &Exit| {
            let is_it = |signal| signal == Signal::SIGTERM as i32;
            assert!(matches!(exit.reason, ExitReason::Signal { signal, .. } if is_it(signal)), "{exit}");
        };
        by_sigterm(&hall.guest(&builder, Manner::Never).stop().unwrap());
        let guests: Vec<_> = (0..6).map(|_| hall.guest(&builder, Manner::Never)).collect();
        stop_together(&guests).iter().for_each(by_sigterm);
    });
}

#[test]
fn a_deadline_holds_also_while_the_actor_takes_its_time_to_stop() {
    over_links(|builder| {
        let hall = Hall::new();
        let guest = hall.guest(&builder.clone().stop_timeout(LONG), Manner::LetGo);
        let stopping = thread::spawn({
            let guest = guest.clone();
            move || guest.stop()
        });
        eventually("it is on its way out", || leaving(&hall.0) == 1);
        // It would end only after these, so they must not wait for that.
        for _ in 0..3 {
            match guest.with_timeout(SHORT).answer() {
                Err(CallError::TimedOut { killed: false } | CallError::NotSentInTime { killed: false }) => {}
                other => panic!("{other:?}"),
            }
        }
        let patient = thread::spawn({
            let guest = guest.clone();
            move || guest.answer()
        });
        hall.let_go();
        assert!(stopping.join().unwrap().unwrap().is_clean());
        assert!(matches!(patient.join().unwrap(), Err(CallError::Exited(_) | CallError::NotSent(_))));
    });
}

#[test]
fn who_has_no_room_for_the_request_to_stop_is_asked_once_there_is_some() {
    over_links(|builder| {
        let hall = Hall::new();
        let builder = builder.clone().stop_timeout(LONG);
        let (full, other) = (hall.guest(&builder, Manner::LetGo), hall.guest(&builder, Manner::LetGo));
        full.wait_at_work().unwrap();
        eventually("it is at work", || fs::read_dir(&hall.0).unwrap().count() > 0);
        let impatient = full.with_timeout(Duration::from_millis(1));
        let mut sent = 0;
        while impatient.write_down(&[7; 100]).is_ok() {
            sent += 100;
        }
        let stopping = thread::spawn(move || stop_together(&[full, other]));
        // The other one is asked although there is no room at the first.
        eventually("the other one is on its way out", || leaving(&hall.0) == 1);
        hall.let_go();
        let exits = stopping.join().unwrap();
        assert!(exits.iter().all(Exit::is_clean), "{exits:?}");
        let noted = fs::read_to_string(hall.0.join(format!("noted-{}", exits[0].pid))).unwrap();
        assert_eq!(noted, sent.to_string(), "what was sent before was done before");
    });
}
