//! Restarts and deadlines: what becomes of an actor, and of the calls to it, when its process ends.
//! Not here: groups (`groups`), and actors that stay dead (`death`).
//! Layer: the public surface.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::{eventually, scratch_file, watchdog};
use worker_core::{
    Builder, CallError, Context, Exit, ExitReason, OnTimeout, Restart, SpawnError, StartMethod, process_actor,
};

/// Long enough to be sure that a request has left, short enough to wait for.
const GRACE: Duration = Duration::from_millis(100);

pub struct Worker {
    start: i64,
    total: i64,
}

#[process_actor]
impl Worker {
    pub fn new(start: i64) -> Self {
        Self { start, total: start }
    }

    /// Fails, in each of these ways, as long as there is a file with its name.
    pub fn unless(file: PathBuf) -> Result<Self, String> {
        match fs::read_to_string(&file).as_deref() {
            Ok("error") => Err("the file says so".to_owned()),
            Ok("panic") => panic!("the file says so"),
            Ok("exit") => process::exit(3),
            Ok("hang") => loop {
                thread::park();
            },
            _ => Ok(Self { start: 0, total: 0 }),
        }
    }

    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }

    pub fn start(&self) -> i64 {
        self.start
    }

    #[oneway]
    pub fn spin(&self, begun: PathBuf) {
        fs::write(begun, "").unwrap();
        loop {
            thread::park();
        }
    }

    #[oneway]
    pub fn note(&self, file: &Path, _filler: &[u8]) {
        fs::write(file, "").unwrap();
    }

    pub fn abort(&self) {
        process::abort()
    }

    pub fn finish(&self, context: &Context<Self>) {
        context.stop();
    }
}

fn restarting() -> Builder {
    Builder::new()
        .restart(Restart::on_crash().max(100).within(Duration::from_secs(60)).backoff(Duration::ZERO))
}

fn kill(worker: &WorkerFrontend) -> Exit {
    worker.process().kill().unwrap();
    worker.process().wait()
}

#[test]
fn a_new_life_has_the_same_constructor_arguments_and_frontends() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting().name("again"), 40).unwrap();
    let clone = worker.clone();
    assert_eq!(worker.add(2).unwrap(), 42);
    let first = worker.process().pid();
    assert_eq!(kill(&worker).pid, first);
    assert!(!worker.process().is_alive());
    assert_eq!(worker.process().restarts(), 0, "nobody has asked for it yet");
    assert_eq!(clone.add(1).unwrap(), 41, "what the first life had added is gone with it");
    assert_eq!((worker.process().restarts(), clone.process().restarts()), (1, 1));
    assert_ne!(worker.process().pid(), first);
    assert!(worker.process().is_alive());
    assert_eq!((worker.process().name(), worker.start().unwrap()), ("again", 40));
    assert!(worker.stop().unwrap().is_clean());
}

#[test]
fn fresh_images_are_restarted_as_forks_are() {
    let _watchdog = watchdog();
    if std::env::var_os("WORKER_START").is_some() {
        return;
    }
    let worker =
        WorkerFrontend::spawn_with(&restarting().start(StartMethod::Exec).name("fresh"), 40).unwrap();
    for lives in 1..=3 {
        assert_eq!(worker.add(2).unwrap(), if lives == 1 { 42 } else { 43 });
        let dead = kill(&worker).pid;
        assert_eq!(worker.add(1).unwrap(), 41);
        assert_eq!((worker.process().restarts(), worker.process().name()), (lives, "fresh"));
        // A fresh image, as the first one was: its own arguments are the title.
        let pid = worker.process().pid();
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert_ne!(pid, dead);
        assert_eq!(arguments.trim_end_matches(['\0', ' ']), "fresh");
    }
    assert!(worker.stop().unwrap().is_clean());
}

#[test]
fn a_call_in_flight_at_the_end_is_not_made_again() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting(), 0).unwrap();
    let pid = worker.process().pid();
    match worker.abort() {
        Err(CallError::Exited(exit)) => {
            assert_eq!(exit.pid, pid);
            assert!(
                matches!(exit.reason, ExitReason::Signal { signal, .. } if signal == Signal::SIGABRT as i32)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(worker.add(1).unwrap(), 1);
    assert_eq!(worker.process().restarts(), 1);
}

#[test]
fn a_pending_call_belongs_to_the_life_that_it_was_sent_to() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting(), 0).unwrap();
    let begun = scratch_file("begun");
    worker.spin(begun.clone()).unwrap();
    eventually("the backend is stuck", || begun.exists());
    let pending: Vec<_> = (0..10).map(|n| worker.add_async(n)).collect();
    let exit = kill(&worker);
    assert_eq!(worker.add(7).unwrap(), 7, "none of the ten reached the new life");
    for pending in pending {
        match pending.wait() {
            Err(CallError::Exited(of) | CallError::NotSent(of)) => assert_eq!(of, exit),
            other => panic!("{other:?}"),
        }
    }
    fs::remove_file(begun).unwrap();
}

#[test]
fn a_request_that_waits_for_room_goes_to_the_next_life() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting(), 0).unwrap();
    let begun = scratch_file("begun");
    worker.spin(begun.clone()).unwrap();
    eventually("the backend is stuck", || begun.exists());
    fill(&worker);
    let late = scratch_file("late");
    let waiting = {
        let (worker, late) = (worker.clone(), late.clone());
        thread::Builder::new()
            .name("waits-for-room".to_owned())
            .spawn(move || worker.note(&late, &[0; 1 << 20]))
            .unwrap()
    };
    // There is no room, and nothing else in a call that a thread could sleep for again and again.
    eventually("the request waits for room", || {
        (0..20).all(|_| {
            thread::sleep(Duration::from_millis(1));
            sleeps("waits-for-room")
        })
    });
    kill(&worker);
    waiting.join().unwrap().unwrap();
    eventually("the request is done in the new life", || late.exists());
    assert_eq!(worker.process().restarts(), 1);
    fs::remove_file(begun).unwrap();
    fs::remove_file(late).unwrap();
}

/// Whether the thread of this process that has this name sleeps.
fn sleeps(name: &str) -> bool {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let state = |stat: &str| stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
    let mut ours = stats.filter(|stat| stat.contains(&format!("({name})")));
    ours.next().is_some_and(|stat| state(&stat) == Some('S'))
}

/// Sends to a backend that takes nothing until there is no more room.
fn fill(worker: &WorkerFrontend) {
    let impatient = worker.with_timeout(Duration::from_millis(1));
    let elsewhere = scratch_file("elsewhere");
    loop {
        match impatient.note(&elsewhere, &[0; 1 << 20]) {
            Ok(()) => {}
            Err(CallError::NotSentInTime { killed: false }) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_deadline_that_passes_before_there_is_room_means_never_sent() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&Builder::new(), 0).unwrap();
    let (begun, late) = (scratch_file("begun"), scratch_file("late"));
    worker.spin(begun.clone()).unwrap();
    eventually("the backend is stuck", || begun.exists());
    fill(&worker);
    let impatient = worker.with_timeout(GRACE);
    for _ in 0..3 {
        let error = impatient.note(&late, &[0; 1 << 20]).unwrap_err();
        assert_eq!(error, CallError::NotSentInTime { killed: false });
        assert!(error.is_safe_to_retry());
        assert!(error.to_string().contains("not sent"), "{error}");
    }
    kill(&worker);
    assert!(matches!(worker.note(&late, &[]), Err(CallError::NotSent(_))));
    assert!(!late.exists());
    fs::remove_file(begun).unwrap();
}

#[test]
fn a_killing_deadline_ends_the_work_and_the_next_call_has_a_new_life() {
    let _watchdog = watchdog();
    let builder = restarting().on_timeout(OnTimeout::Kill);
    let worker = WorkerFrontend::spawn_with(&builder, 5).unwrap();
    let begun = scratch_file("begun");
    worker.spin(begun.clone()).unwrap();
    eventually("the backend is stuck", || begun.exists());
    let pid = worker.process().pid();
    assert_eq!(worker.with_timeout(GRACE).add(1), Err(CallError::TimedOut { killed: true }));
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "not even a zombie");
    assert_eq!(worker.add(1).unwrap(), 6);
    worker.spin(begun.clone()).unwrap();
    fill_until_killed(&worker);
    assert_eq!(worker.add(2).unwrap(), 7);
    assert_eq!(worker.process().restarts(), 2);
    fs::remove_file(begun).unwrap();
}

fn fill_until_killed(worker: &WorkerFrontend) {
    let impatient = worker.with_timeout(GRACE);
    let elsewhere = scratch_file("elsewhere");
    let error = loop {
        if let Err(error) = impatient.note(&elsewhere, &[0; 1 << 20]) {
            break error;
        }
    };
    assert_eq!(error, CallError::NotSentInTime { killed: true });
    assert!(error.to_string().contains("killed"), "{error}");
}

#[test]
fn a_cancelled_call_leaves_nothing_behind() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn(0).unwrap();
    for n in 0..1000 {
        if let Some(result) = worker.add_async(1).cancel() {
            assert_eq!(result.unwrap(), n + 1);
        }
    }
    assert_eq!(worker.add(0).unwrap(), 1000, "a request that has left is run");
    let pending = worker.add_async(1);
    eventually("the reply is there", || pending.is_ready());
    assert_eq!(pending.cancel().unwrap().unwrap(), 1001);
}

#[test]
fn requests_that_nobody_waits_for_find_the_end_too() {
    let _watchdog = watchdog();
    let worker = WorkerFrontend::spawn_with(&restarting(), 3).unwrap();
    let noted = scratch_file("noted");
    kill(&worker);
    worker.note(&noted, &[]).unwrap();
    eventually("the new life has got it", || noted.exists());
    kill(&worker);
    assert_eq!(worker.start_async().wait().unwrap(), 3);
    assert_eq!(worker.process().restarts(), 2);
    fs::remove_file(noted).unwrap();
}

#[test]
fn giving_up_is_an_error_of_every_later_call() {
    let _watchdog = watchdog();
    let policy = Restart::on_crash().max(2).within(Duration::from_secs(60)).backoff(Duration::ZERO);
    let worker = WorkerFrontend::spawn_with(&Builder::new().restart(policy), 0).unwrap();
    for _ in 0..2 {
        kill(&worker);
        worker.add(1).unwrap();
    }
    let last = kill(&worker);
    for _ in 0..3 {
        match worker.add(1) {
            Err(CallError::NotSent(exit)) => {
                assert_eq!((exit.pid, &exit.reason), (last.pid, &last.reason));
                let given_up = exit.given_up.clone().expect("it says that it was given up");
                assert_eq!((given_up.max, given_up.within), (2, Duration::from_secs(60)));
                assert!(exit.to_string().contains("not restarted again"), "{exit}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(worker.process().restarts(), 2);
    assert!(worker.stop().unwrap().given_up.is_some());
}

#[test]
fn a_start_that_fails_counts_as_a_crash_and_is_told() {
    let _watchdog = watchdog();
    for (how, told) in
        [("error", "returned an error"), ("panic", "panicked at"), ("exit", "before its constructor")]
    {
        let file = scratch_file("unless");
        let policy = Restart::on_crash().max(3).within(Duration::from_secs(60)).backoff(Duration::ZERO);
        let worker =
            WorkerFrontend::spawn_unless_with(&Builder::new().restart(policy), file.clone()).unwrap();
        fs::write(&file, how).unwrap();
        kill(&worker);
        match worker.add(1) {
            Err(CallError::NotSent(exit)) => {
                let failure = exit.given_up.and_then(|given_up| given_up.failure).expect("a failed start");
                assert!(failure.contains(told), "{how}: {failure}");
            }
            other => panic!("{how}: {other:?}"),
        }
        assert_eq!(worker.process().restarts(), 0, "no life began");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_start_that_fails_only_once_is_tried_again() {
    let _watchdog = watchdog();
    let file = scratch_file("unless");
    let policy =
        Restart::on_crash().max(100).within(Duration::from_secs(60)).backoff(Duration::from_millis(20));
    let worker = WorkerFrontend::spawn_unless_with(&Builder::new().restart(policy), file.clone()).unwrap();
    fs::write(&file, "error").unwrap();
    kill(&worker);
    let caller = {
        let worker = worker.clone();
        thread::spawn(move || worker.add(1))
    };
    let impatient = worker.with_timeout(Duration::from_millis(1));
    eventually("a caller gives up waiting for the next life", || {
        matches!(impatient.add(1), Err(CallError::NotSentInTime { killed: false }))
    });
    fs::remove_file(&file).unwrap();
    assert!(caller.join().unwrap().is_ok());
}

#[test]
fn a_constructor_that_hangs_holds_nobody_beyond_a_deadline_and_stop_ends_it() {
    let _watchdog = watchdog();
    let file = scratch_file("unless");
    let builder = restarting().stop_timeout(GRACE);
    let worker = WorkerFrontend::spawn_unless_with(&builder, file.clone()).unwrap();
    fs::write(&file, "hang").unwrap();
    kill(&worker);
    let patient = {
        let worker = worker.clone();
        thread::spawn(move || worker.add(1))
    };
    for _ in 0..3 {
        assert_eq!(worker.with_timeout(GRACE).add(1), Err(CallError::NotSentInTime { killed: false }));
    }
    worker.stop().unwrap();
    assert!(matches!(patient.join().unwrap(), Err(CallError::NotSent(_))));
    assert!(matches!(worker.add(1), Err(CallError::NotSent(_))));
    fs::remove_file(file).unwrap();
}

#[test]
fn a_clean_end_is_followed_by_a_life_only_where_always_is_said() {
    let _watchdog = watchdog();
    let ended = WorkerFrontend::spawn_with(&restarting(), 0).unwrap();
    ended.finish().unwrap();
    assert!(ended.process().wait().is_clean());
    assert!(
        matches!(ended.add(1), Err(CallError::NotSent(exit)) if exit.is_clean() && exit.given_up.is_none())
    );

    let builder = Builder::new().restart(Restart::always().backoff(Duration::ZERO));
    let again = WorkerFrontend::spawn_with(&builder, 0).unwrap();
    again.finish().unwrap();
    assert!(again.process().wait().is_clean());
    assert_eq!(again.add(1).unwrap(), 1);
    assert!(again.stop().unwrap().is_clean());
    assert!(matches!(again.add(1), Err(CallError::NotSent(_))), "what was stopped stays so");
}

#[test]
fn every_end_is_told_once() {
    let _watchdog = watchdog();
    let (sender, exits) = mpsc::channel();
    let builder = restarting().on_exit(move |exit| sender.send(exit.pid).unwrap());
    let worker = WorkerFrontend::spawn_with(&builder, 0).unwrap();
    let mut pids = Vec::new();
    for _ in 0..5 {
        pids.push(worker.process().pid());
        kill(&worker);
        worker.add(1).unwrap();
    }
    pids.push(worker.process().pid());
    worker.stop().unwrap();
    worker.stop().unwrap();
    assert_eq!(exits.try_iter().collect::<Vec<_>>(), pids);
}

#[test]
fn a_listener_may_call_the_actor_whose_end_it_is_told() {
    let _watchdog = watchdog();
    let slot = Arc::new(std::sync::OnceLock::<WorkerFrontend>::new());
    let answer = Arc::new(AtomicU64::new(0));
    let builder = {
        let (slot, answer) = (Arc::clone(&slot), Arc::clone(&answer));
        restarting().on_exit(move |_| {
            let total = slot.get().unwrap().add(1).unwrap();
            answer.store(total.unsigned_abs(), Ordering::SeqCst);
        })
    };
    let worker = WorkerFrontend::spawn_with(&builder, 41).unwrap();
    slot.set(worker.clone()).unwrap();
    assert!(matches!(worker.abort(), Err(CallError::Exited(_))));
    assert_eq!(answer.load(Ordering::SeqCst), 42);
}

#[test]
fn a_listener_that_panics_ends_nothing_else() {
    let _watchdog = watchdog();
    let (sender, exits) = mpsc::channel();
    let builder = restarting().on_exit(move |exit| {
        sender.send(exit.pid).unwrap();
        panic!("the listener panics, on purpose");
    });
    let worker = WorkerFrontend::spawn_with(&builder, 0).unwrap();
    for _ in 0..3 {
        kill(&worker);
        assert_eq!(worker.add(1).unwrap(), 1);
    }
    // In a task the end is found on a thread that sends for it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            kill(&worker);
            let (first, second) = (worker.add_async(1), worker.add_async(1));
            assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
        }
    });
    worker.stop().unwrap();
    assert_eq!(exits.try_iter().count(), 7);
}

#[test]
fn eight_callers_and_many_deaths_give_answers_or_typed_errors_and_nothing_wrong() {
    let _watchdog = watchdog();
    let builder = Builder::new()
        .restart(Restart::on_crash().max(10_000).within(Duration::from_secs(60)).backoff(Duration::ZERO));
    let worker = WorkerFrontend::spawn_with(&builder, 1000).unwrap();
    let until = Instant::now() + Duration::from_secs(1);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let worker = worker.clone();
            thread::spawn(move || {
                let mut answers = 0;
                while Instant::now() < until {
                    match worker.start() {
                        Ok(start) => {
                            assert_eq!(start, 1000);
                            answers += 1;
                        }
                        Err(CallError::Exited(_) | CallError::NotSent(_)) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                answers
            })
        })
        .collect();
    let mut kills = 0;
    while Instant::now() < until {
        // Not followed by `wait`: a caller may have begun the next life by then, which nobody would end.
        if worker.process().is_alive() {
            worker.process().kill().unwrap();
            kills += 1;
        }
        thread::yield_now();
    }
    let answers: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    assert!(kills > 0 && worker.process().restarts() > 0);
    assert_eq!(worker.start().unwrap(), 1000, "{answers} answers between {kills} deaths");
}

#[test]
fn a_first_life_that_fails_is_an_error_of_spawn_whatever_the_policy() {
    let _watchdog = watchdog();
    let file = scratch_file("unless");
    fs::write(&file, "error").unwrap();
    match WorkerFrontend::spawn_unless_with(&restarting(), file.clone()) {
        Err(SpawnError::Constructor(error)) => assert_eq!(error, "the file says so"),
        other => panic!("{other:?}"),
    }
    fs::remove_file(file).unwrap();
}
