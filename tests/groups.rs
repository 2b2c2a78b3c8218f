//! Groups: who is restarted with whom, in what order, and when it ends. The cases are those of the suites
//! of Erlang/OTP's supervisor.
//! Not here: actors that are restarted by themselves (`restart`).
//! Layer: the public surface.

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use support::processes::runs;
use support::{eventually, scratch_file, watchdog};
use worker_core::{
    Builder, CallError, Context, Exit, ExitReason, Group, GroupError, SpawnError, StartMethod, Strategy,
    process_actor,
};

const LONG: Duration = Duration::from_secs(60);

/// Writes down when it begins and ends.
pub struct Child {
    name: String,
    diary: PathBuf,
}

#[process_actor]
impl Child {
    pub fn new(name: &str, diary: &Path) -> Self {
        if fs::exists(diary.with_extension(format!("{name}-crashes"))).unwrap() {
            process::exit(9);
        }
        let child = Self { name: name.to_owned(), diary: diary.to_owned() };
        child.note("starts");
        while fs::exists(child.diary.with_extension(format!("{name}-hangs"))).unwrap() {
            thread::park_timeout(Duration::from_millis(5));
        }
        child
    }

    fn note(&self, what: &str) {
        let mut diary = OpenOptions::new().append(true).create(true).open(&self.diary).unwrap();
        writeln!(diary, "{} {what}", self.name).unwrap();
    }

    pub fn crash(&self) {
        process::abort()
    }

    pub fn finish(&self, context: &Context<Self>) {
        context.stop();
    }

    pub fn name(&self) -> String {
        self.name.clone()
    }

    #[stopped]
    fn stops(&mut self) {
        self.note("stops");
        while fs::exists(self.diary.with_extension("hangs-at-end")).unwrap() {
            thread::park();
        }
    }
}

/// A group of children that share a diary.
struct Family {
    group: Group,
    diary: PathBuf,
}

impl Family {
    fn new(strategy: Strategy) -> Self {
        let group = Group::new(strategy).max(100).within(LONG).backoff(Duration::ZERO);
        Self { group, diary: scratch_file("diary") }
    }

    fn spawner<'a>(
        &'a self,
        name: &'a str,
    ) -> (Builder, impl FnOnce(&Builder) -> Result<ChildFrontend, SpawnError> + 'a) {
        let builder = Builder::new().name(name);
        (builder, move |builder: &Builder| ChildFrontend::spawn_with(builder, name, &self.diary))
    }

    fn permanent(&self, name: &str) -> ChildFrontend {
        let (builder, spawn) = self.spawner(name);
        self.group.permanent(&builder, spawn).unwrap()
    }

    fn transient(&self, name: &str) -> ChildFrontend {
        let (builder, spawn) = self.spawner(name);
        self.group.transient(&builder, spawn).unwrap()
    }

    fn temporary(&self, name: &str) -> ChildFrontend {
        let (builder, spawn) = self.spawner(name);
        self.group.temporary(&builder, spawn).unwrap()
    }

    /// Sees to what has ended by now.
    fn look(&self) -> Result<bool, GroupError> {
        self.group.supervise_for(Duration::ZERO)
    }

    /// What was written since the last look.
    fn read(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.diary).unwrap_or_default();
        let _ = fs::remove_file(&self.diary);
        text.lines().map(str::to_owned).collect()
    }

    fn marker(&self, what: &str) -> PathBuf {
        self.diary.with_extension(what)
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        for what in ["", "hangs-at-end", "b-crashes", "a-crashes", "a-hangs", "b-hangs"] {
            let _ = fs::remove_file(if what.is_empty() { self.diary.clone() } else { self.marker(what) });
        }
    }
}

fn crash(child: &ChildFrontend) -> Exit {
    match child.crash() {
        Err(CallError::Exited(exit)) => exit,
        other => panic!("{other:?}"),
    }
}

fn finish(child: &ChildFrontend) {
    child.finish().unwrap();
    assert!(child.process().wait().is_clean());
}

fn is_over(child: &ChildFrontend) -> bool {
    matches!(child.name(), Err(CallError::NotSent(_)))
}

#[test]
fn permanent_transient_and_temporary_after_a_crash_and_after_a_clean_end() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    let children = [family.permanent("p"), family.transient("tr"), family.temporary("te")];
    for child in &children {
        crash(child);
        assert!(is_over(child), "nobody supervises, so nobody waits");
    }
    assert!(family.look().unwrap());
    let alive = |child: &ChildFrontend| child.name().is_ok();
    assert_eq!(children.each_ref().map(alive), [true, true, false]);
    assert_eq!(children.each_ref().map(|child| child.process().restarts()), [1, 1, 0]);
    match children[2].name() {
        Err(CallError::NotSent(exit)) => assert!(matches!(exit.reason, ExitReason::Signal { .. })),
        other => panic!("{other:?}"),
    }

    let family = Family::new(Strategy::OneForOne);
    let children = [family.permanent("p"), family.transient("tr"), family.temporary("te")];
    children.iter().for_each(finish);
    assert!(family.look().unwrap());
    assert_eq!(children.each_ref().map(alive), [true, false, false]);
    let exits = family.group.stop().unwrap();
    assert!(exits.iter().all(Exit::is_clean), "{exits:?}");
}

#[test]
fn members_start_in_order_and_stop_in_reverse_order() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    let children = ["a", "b", "c"].map(|name| family.permanent(name));
    assert_eq!(family.read(), ["a starts", "b starts", "c starts"]);
    let exits = family.group.stop().unwrap();
    assert_eq!(family.read(), ["c stops", "b stops", "a stops"]);
    assert_eq!(exits.iter().map(|exit| exit.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(children.iter().all(is_over));
    assert_eq!(family.group.stop().unwrap(), exits, "once more is no error");
    assert!(!family.look().unwrap(), "and there is nothing left to do");
    assert_eq!(family.read(), [""; 0]);
}

#[test]
fn each_strategy_restarts_whom_it_names() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Exec] {
        each_strategy_restarts_whom_it_names_by(method);
    }
}

fn each_strategy_restarts_whom_it_names_by(method: StartMethod) {
    for (strategy, events) in [
        (Strategy::OneForOne, &["b starts"][..]),
        (Strategy::OneForAll, &["c stops", "a stops", "a starts", "b starts", "c starts"]),
        (Strategy::RestForOne, &["c stops", "b starts", "c starts"]),
    ] {
        let family = Family::new(strategy);
        let children = ["a", "b", "c"].map(|name| {
            let (builder, spawn) = family.spawner(name);
            family.group.permanent(&builder.start(method), spawn).unwrap()
        });
        family.read();
        crash(&children[1]);
        assert!(family.look().unwrap());
        assert_eq!(family.read(), events, "{strategy:?} {method:?}");
        for (child, name) in children.iter().zip(["a", "b", "c"]) {
            assert_eq!(child.name().unwrap(), name);
        }
        family.group.stop().unwrap();
    }
}

#[test]
fn a_temporary_member_is_stopped_with_all_and_not_started_with_them() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForAll);
    let (first, helper) = (family.permanent("a"), family.temporary("t"));
    family.read();
    crash(&first);
    assert!(family.look().unwrap());
    assert_eq!(family.read(), ["t stops", "a starts"]);
    assert!(is_over(&helper) && first.name().is_ok());
}

#[test]
fn a_crash_at_every_restart_ends_the_group_with_a_clear_error() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    let group = family.group.clone().max(3);
    let (a, b) = (family.permanent("a"), family.permanent("b"));
    let pid = a.process().pid();
    family.read();
    fs::write(family.marker("b-crashes"), "").unwrap();
    crash(&b);
    match group.supervise() {
        Err(GroupError::GivenUp(exit)) => {
            let given_up = exit.given_up.clone().expect("it says that it was given up");
            assert_eq!((exit.name.as_str(), given_up.max), ("b", 3));
            assert!(given_up.failure.is_some(), "{exit}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(family.read(), ["a stops"], "the others are stopped in order");
    assert!(!runs(pid));
    for child in [&a, &b] {
        match child.name() {
            Err(CallError::NotSent(exit)) => assert!(exit.given_up.is_some(), "{exit}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(family.look(), Err(GroupError::GivenUp(_))), "and it stays so");
    assert!(matches!(
        group.permanent(&Builder::new(), |builder| ChildFrontend::spawn_with(builder, "c", &family.diary)),
        Err(SpawnError::Io(_))
    ));
}

#[test]
fn a_start_that_fails_under_one_for_all_starts_all_again() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForAll);
    let (a, b) = (family.permanent("a"), family.permanent("b"));
    fs::write(family.marker("b-crashes"), "").unwrap();
    crash(&a);
    let supervisor = {
        let group = family.group.clone().backoff(Duration::from_millis(20)).max(10_000);
        thread::spawn(move || group.supervise())
    };
    let starts = |who: &str| {
        let text = fs::read_to_string(&family.diary).unwrap_or_default();
        text.lines().filter(|line| *line == format!("{who} starts")).count()
    };
    eventually("`a` is started with each attempt", || starts("a") >= 4);
    fs::remove_file(family.marker("b-crashes")).unwrap();
    eventually("both live", || a.name().is_ok() && b.name().is_ok());
    family.group.stop().unwrap();
    supervisor.join().unwrap().unwrap();
}

#[test]
fn a_member_that_hangs_in_its_last_hook_is_ended_after_its_own_time() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    let impatient = Builder::new().name("a").stop_timeout(Duration::from_millis(50));
    let spawn = |builder: &Builder| ChildFrontend::spawn_with(builder, "a", &family.diary);
    family.group.permanent(&impatient, spawn).unwrap();
    fs::write(family.marker("hangs-at-end"), "").unwrap();
    let exits = family.group.stop().unwrap();
    assert!(matches!(exits[0].reason, ExitReason::Signal { .. }), "{}", exits[0]);
}

#[test]
fn a_group_is_stopped_in_the_middle_of_a_restart() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForAll);
    let (a, b) = (family.permanent("a"), family.permanent("b"));
    family.read();
    fs::write(family.marker("b-hangs"), "").unwrap();
    let supervisor = {
        let group = family.group.clone();
        thread::spawn(move || group.supervise())
    };
    crash(&a);
    eventually("`b` is in its constructor", || {
        fs::read_to_string(&family.diary).is_ok_and(|text| text.contains("b starts"))
    });
    let waiting = {
        let b = b.clone();
        thread::spawn(move || b.name())
    };
    family.group.stop().unwrap();
    supervisor.join().unwrap().unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(CallError::NotSent(_))), "whoever waits is let go");
    assert!(is_over(&a) && is_over(&b));
    eventually("no process is left", || !runs(a.process().pid()) && !runs(b.process().pid()));
}

#[test]
fn a_group_is_stopped_in_the_middle_of_a_backoff() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    let group = family.group.clone().backoff(LONG);
    let a = family.permanent("a");
    crash(&a);
    let supervisor = thread::spawn(move || group.supervise());
    let impatient = a.with_timeout(Duration::from_millis(50));
    eventually("a call waits for the next life", || {
        matches!(impatient.name(), Err(CallError::NotSentInTime { killed: false }))
    });
    family.group.stop().unwrap();
    supervisor.join().unwrap().unwrap();
}

#[test]
fn a_call_to_a_member_waits_for_its_next_life_while_somebody_supervises() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    let a = family.permanent("a");
    let supervisor = {
        let group = family.group.clone();
        thread::spawn(move || group.supervise())
    };
    for restarts in 1..=20 {
        // The supervisor may not be there the first time.
        eventually("somebody supervises", || a.name().is_ok());
        crash(&a);
        eventually("it lives again", || a.name().is_ok());
        assert_eq!(a.process().restarts(), restarts);
    }
    family.group.stop().unwrap();
    supervisor.join().unwrap().unwrap();
}

#[test]
fn a_listener_on_the_supervising_thread_may_call_the_member_that_has_ended() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    let slot = Arc::new(std::sync::OnceLock::<ChildFrontend>::new());
    let (sender, answers) = mpsc::channel();
    let builder = {
        let slot = Arc::clone(&slot);
        Builder::new().on_exit(move |_| {
            let answer = slot.get().map(|child| child.name());
            sender.send(answer).unwrap();
        })
    };
    let child = family
        .group
        .permanent(&builder, |builder| ChildFrontend::spawn_with(builder, "a", &family.diary))
        .unwrap();
    slot.set(child.clone()).unwrap();
    child.process().kill().unwrap();
    family.group.supervise_for(Duration::from_millis(200)).unwrap();
    assert!(matches!(answers.recv().unwrap(), Some(Err(CallError::NotSent(_)))));
    assert!(child.name().is_ok());
}

#[test]
fn members_come_and_a_group_without_any_is_done() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    family.group.supervise().unwrap();
    let first = family.transient("a");
    let supervisor = {
        let group = family.group.clone();
        thread::spawn(move || group.supervise())
    };
    let second = family.permanent("b");
    eventually("the late one is looked after", || {
        let _ = second.crash();
        second.process().restarts() > 0
    });
    finish(&first);
    eventually("it lives", || second.name().is_ok());
    family.group.stop().unwrap();
    supervisor.join().unwrap().unwrap();
}

#[test]
fn an_actor_that_was_spawned_otherwise_is_refused() {
    let _watchdog = watchdog();
    let family = Family::new(Strategy::OneForOne);
    let refused = family.group.permanent(&Builder::new(), |_| ChildFrontend::spawn("a", &family.diary));
    match refused {
        Err(SpawnError::Io(error)) => assert!(error.to_string().contains("builder"), "{error}"),
        other => panic!("{other:?}"),
    }
}

pub struct Brief;

#[process_actor]
impl Brief {
    pub fn new() -> Self {
        Self
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }
}

/// Kills the member so many times.
fn restart(count: usize) {
    let group = Group::new(Strategy::OneForOne).max(u32::MAX).within(LONG).backoff(Duration::ZERO);
    let told = Arc::new(AtomicUsize::new(0));
    let builder = {
        let told = Arc::clone(&told);
        Builder::new().on_exit(move |_| {
            told.fetch_add(1, Ordering::SeqCst);
        })
    };
    let brief = group.permanent(&builder, BriefFrontend::spawn_with).unwrap();
    for _ in 0..count {
        brief.process().kill().unwrap();
        brief.process().wait();
        assert!(group.supervise_for(Duration::ZERO).unwrap());
    }
    assert_eq!(brief.process().restarts(), count as u64);
    assert_eq!(brief.pid().unwrap(), brief.process().pid());
    group.stop().unwrap();
    assert_eq!(told.load(Ordering::SeqCst), count + 1, "every end is told, the last one too");
}

#[test]
fn a_thousand_restarts_leave_nothing_behind() {
    let _watchdog = watchdog();
    support::rerun::alone("a_thousand_restarts_leave_nothing_behind", || {
        restart(10);
        let (descriptors, mappings) =
            (support::processes::descriptors().len(), support::processes::shared_mappings());
        restart(1000);
        assert_eq!(support::processes::descriptors().len(), descriptors);
        assert_eq!(support::processes::shared_mappings(), mappings);
    });
}
