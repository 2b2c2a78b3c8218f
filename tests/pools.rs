//! Pools: leases, hooks, growing and shrinking, spares, recycling, and what becomes of all that when processes end.
//! Not here: maps over inputs (`pool_maps`).
//! Layer: tests only, through the public surface.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use support::{eventually, has_processes, watchdog};
use worker_core::{
    Builder, CallError, Context, Departure, DepartureReason, Frontend, Pool, PoolBuilder, SpawnError,
    TakeError, process_actor,
};

/// Notes what is done to it.
pub struct Session {
    steps: Vec<String>,
    ballast: Vec<u8>,
    fragile: Option<String>,
}

#[process_actor]
impl Session {
    pub fn new() -> Self {
        Self { steps: Vec::new(), ballast: Vec::new(), fragile: None }
    }

    pub fn slow(time: Duration) -> Self {
        thread::sleep(time);
        Self::new()
    }

    pub fn failing(error: String) -> Result<Self, String> {
        Err(error)
    }

    #[activate]
    fn fresh(&mut self, context: &Context<Self>) {
        self.break_at("activate");
        self.steps.push(format!("activate {}", context.name()));
    }

    #[deactivate]
    fn idle(&mut self) {
        self.break_at("deactivate");
        self.steps.push("deactivate".to_owned());
    }

    fn break_at(&self, place: &str) {
        match self.fragile.as_deref().and_then(|fragile| fragile.strip_prefix(place)) {
            Some(" panic") => panic!("at {place}"),
            Some(" abort") => std::process::abort(),
            _ => {}
        }
    }

    pub fn fragile(&mut self, how: &str) {
        self.fragile = Some(how.to_owned());
    }

    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    pub fn steps(&self) -> Vec<String> {
        self.steps.clone()
    }

    pub fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }

    #[oneway]
    pub fn doze(&self, time: Duration) {
        thread::sleep(time);
    }

    pub fn grow(&mut self, bytes: usize) {
        self.ballast = vec![1; bytes];
    }

    pub fn abort(&self) {
        std::process::abort();
    }
}

/// Waits before it ends.
pub struct Lingerer(Duration);

#[process_actor]
impl Lingerer {
    pub fn new(time: Duration) -> Self {
        Self(time)
    }

    #[stopped]
    fn linger(&mut self) {
        thread::sleep(self.0);
    }

    pub fn hang(&self) {
        loop {
            thread::park();
        }
    }
}

/// Begins with a panic.
pub struct Touchy;

#[process_actor]
impl Touchy {
    pub fn new() -> Self {
        Self
    }

    #[activate]
    fn never(&mut self) {
        panic!("not today");
    }
}

type Departures = Arc<Mutex<Vec<Departure>>>;

fn builder() -> PoolBuilder<SessionFrontend> {
    Pool::builder().process(Builder::new().name("session"))
}

fn spawn(builder: PoolBuilder<SessionFrontend>) -> Pool<SessionFrontend> {
    builder.spawn(SessionFrontend::spawn_with).expect("a pool")
}

/// A pool that writes down who leaves it.
fn watched(builder: PoolBuilder<SessionFrontend>) -> (Pool<SessionFrontend>, Departures) {
    let departures = Departures::default();
    let noted = Arc::clone(&departures);
    let listener = move |departure: &Departure| noted.lock().unwrap().push(departure.clone());
    (spawn(builder.on_departure(listener)), departures)
}

#[test]
fn two_users_in_turn_get_the_same_process_with_its_hooks_in_between() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let first = pool.take().unwrap();
    let pid = first.pid().unwrap();
    assert_eq!(first.steps().unwrap(), ["activate session-1"]);
    // What was sent before the return is done before the hook.
    first.doze(Duration::from_millis(20)).unwrap();
    drop(first);
    let second = pool.take().unwrap();
    assert_eq!(second.pid().unwrap(), pid);
    assert_eq!(second.steps().unwrap(), ["activate session-1", "deactivate", "activate session-1"]);
}

#[test]
fn a_panic_while_leased_returns_the_process() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let pid = pool.take().unwrap().pid().unwrap();
    let user = pool.clone();
    let panicked = thread::spawn(move || {
        let _lease = user.take().unwrap();
        panic!("a user of a lease");
    });
    assert!(panicked.join().is_err());
    let lease = pool.take().unwrap();
    assert_eq!(lease.pid().unwrap(), pid);
    let steps = lease.steps().unwrap();
    assert_eq!(steps.iter().filter(|step| *step == "deactivate").count(), 2);
}

#[test]
fn all_are_made_early_and_numbered() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(3));
    assert_eq!((pool.len(), pool.idle()), (3, 3));
    let leases: Vec<_> = (0..3).map(|_| pool.take().unwrap()).collect();
    let names: BTreeSet<_> = leases.iter().map(|lease| lease.process().name().to_owned()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["session-1", "session-2", "session-3"]);
    assert_eq!((pool.len(), pool.idle()), (3, 0));
    assert_eq!(pool.try_take().unwrap_err(), TakeError::Busy);
    assert_eq!(pool.take_timeout(Duration::from_millis(5)).unwrap_err(), TakeError::Busy);
    drop(leases);
    assert_eq!(pool.idle(), 3);
    drop(pool.try_take().unwrap());
}

#[test]
fn a_name_that_nobody_gave_is_that_of_the_type() {
    let _watchdog = watchdog();
    let pool = spawn(Pool::builder().size(1));
    assert_eq!(pool.take().unwrap().process().name(), "Session-1");
}

#[test]
fn who_waits_is_served_in_the_order_of_coming() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let held = pool.take().unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let waiters: Vec<_> = (0..6)
        .map(|number| {
            // One after the other: each stands in line before the next one comes.
            let (user, served) = (pool.clone(), Arc::clone(&served));
            let waiter = thread::spawn(move || {
                let lease = user.take().unwrap();
                served.lock().unwrap().push(number);
                drop(lease);
            });
            eventually("the waiter stands in line", || {
                format!("{pool:?}").contains(&format!("waiting: {}", number + 1))
            });
            waiter
        })
        .collect();
    assert_eq!(pool.try_take().unwrap_err(), TakeError::Busy);
    drop(held);
    for waiter in waiters {
        waiter.join().unwrap();
    }
    assert_eq!(*served.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn one_that_gives_up_waiting_leaves_its_place_to_the_next() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let held = pool.take().unwrap();
    let waits = |count: usize| {
        eventually("somebody waits", || format!("{pool:?}").contains(&format!("waiting: {count}")));
    };
    thread::scope(|scope| {
        let impatient = scope.spawn(|| pool.take_timeout(Duration::from_secs(2)).map(drop));
        waits(1);
        let patient = scope.spawn(|| pool.take().map(drop));
        assert_eq!(impatient.join().unwrap(), Err(TakeError::Busy));
        waits(1);
        drop(held);
        assert_eq!(patient.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_dead_process_is_replaced_whether_it_died_idle_or_leased() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (pool, departures) = watched(builder().size(1));
    let lease = pool.take().unwrap();
    let first = lease.pid().unwrap();
    assert!(matches!(lease.abort(), Err(CallError::Exited(_))));
    drop(lease);
    let second = pool.take().unwrap().pid().unwrap();
    assert_ne!(first, second);
    let process = pool.take().unwrap().process().clone();
    process.kill().unwrap();
    process.wait();
    let third = pool.take().unwrap();
    assert_eq!(third.steps().unwrap().len(), 1, "a fresh one, activated");
    assert!(![first, second].contains(&third.pid().unwrap()));
    assert_eq!(pool.len(), 1);
    let departures = departures.lock().unwrap();
    let pids: Vec<_> = departures.iter().map(|departure| departure.pid).collect();
    assert_eq!(pids, [first, second]);
    assert!(departures.iter().all(|departure| matches!(departure.reason, DepartureReason::Ended(_))));
}

#[test]
fn a_panic_in_activate_is_told_to_the_taker_and_the_process_goes() {
    let _watchdog = watchdog();
    let pool = Pool::builder().size(1).spawn(TouchyFrontend::spawn_with).unwrap();
    for _ in 0..3 {
        match pool.take() {
            Err(TakeError::Activate(CallError::Panicked(report))) => assert_eq!(report.message, "not today"),
            other => panic!("{other:?}"),
        }
    }
    let (pool, departures) = watched(builder().size(1));
    pool.take().unwrap().fragile("activate panic").unwrap();
    match pool.take() {
        Err(TakeError::Activate(CallError::Panicked(report))) => assert_eq!(report.message, "at activate"),
        other => panic!("{other:?}"),
    }
    assert_eq!(pool.take().unwrap().steps().unwrap(), ["activate session-2"], "another one");
    assert!(matches!(
        &departures.lock().unwrap()[..],
        [Departure { reason: DepartureReason::Panicked(_), .. }]
    ));
}

#[test]
fn a_panic_in_deactivate_costs_the_process_and_nobody_else() {
    let _watchdog = watchdog();
    let (pool, departures) = watched(builder().size(1));
    pool.take().unwrap().fragile("deactivate panic").unwrap();
    let next = pool.take().unwrap();
    assert_eq!(next.steps().unwrap(), ["activate session-2"]);
    match &departures.lock().unwrap()[..] {
        [Departure { name, reason: DepartureReason::Panicked(report), .. }] => {
            assert_eq!((name.as_str(), report.message.as_str()), ("session-1", "at deactivate"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_process_that_ends_in_a_hook_is_replaced() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (pool, departures) = watched(builder().size(1));
    pool.take().unwrap().fragile("deactivate abort").unwrap();
    pool.take().unwrap().fragile("activate abort").unwrap();
    // It was good the last time, so it is not this taker who is told.
    assert_eq!(pool.take().unwrap().steps().unwrap(), ["activate session-3"]);
    let departures = departures.lock().unwrap();
    assert_eq!(departures.len(), 2);
    assert!(departures.iter().all(|departure| matches!(departure.reason, DepartureReason::Ended(_))));
}

#[test]
fn it_grows_when_all_are_in_use_and_shrinks_when_they_are_not() {
    let _watchdog = watchdog();
    let (pool, departures) = watched(builder().min(1).max(3).idle_timeout(Duration::from_millis(50)));
    assert_eq!(pool.len(), 1);
    let leases: Vec<_> = (0..3).map(|_| pool.take().unwrap()).collect();
    assert_eq!(pool.len(), 3);
    assert_eq!(pool.try_take().unwrap_err(), TakeError::Busy);
    drop(leases);
    eventually("only the smallest number is left", || pool.len() == 1);
    // Nobody used the pool meanwhile; and what is in use does not go.
    eventually("both departures are told", || departures.lock().unwrap().len() == 2);
    let departures = departures.lock().unwrap();
    assert!(
        departures.iter().all(|departure| matches!(departure.reason, DepartureReason::Idle(_))),
        "{departures:?}"
    );
    drop(pool.take().unwrap());
}

#[test]
fn several_pools_of_different_actors_stand_side_by_side() {
    let _watchdog = watchdog();
    let sessions = spawn(builder().size(2));
    let lingerers = Pool::builder()
        .size(1)
        .spawn(|builder| LingererFrontend::spawn_with(builder, Duration::ZERO))
        .unwrap();
    let session = sessions.take().unwrap();
    let lingerer = lingerers.take().unwrap();
    assert_ne!(session.process().name(), lingerer.process().name());
    assert!(lingerers.stop().unwrap().iter().all(|exit| exit.is_clean()));
    assert_eq!(session.steps().unwrap().len(), 1);
}

#[test]
fn stopping_ends_all_in_the_time_of_the_slowest_also_what_is_leased() {
    let _watchdog = watchdog();
    let second = Duration::from_secs(1);
    let pool =
        Pool::builder().size(6).spawn(move |builder| LingererFrontend::spawn_with(builder, second)).unwrap();
    let leased = pool.take().unwrap();
    let waits = pool.clone();
    let start = Instant::now();
    let exits = pool.stop().unwrap();
    let taken = start.elapsed();
    assert_eq!(exits.len(), 6);
    assert!(exits.iter().all(|exit| exit.is_clean()));
    // Side by side: one after the other would be six seconds at least.
    assert!(taken >= second && taken < 5 * second, "{taken:?}");
    assert!(matches!(leased.hang(), Err(CallError::NotSent(_))));
    assert_eq!(waits.take().unwrap_err(), TakeError::Stopped);
    assert_eq!(pool.stop().unwrap(), exits, "the same again");
}

#[test]
fn stopping_forces_several_stuck_ones_side_by_side() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let timeout = Duration::from_secs(2);
    let process = Builder::new().stop_timeout(timeout);
    let pool = Pool::builder()
        .size(6)
        .process(process)
        .spawn(|builder| LingererFrontend::spawn_with(builder, Duration::ZERO))
        .unwrap();
    let leases: Vec<_> = (0..6).map(|_| pool.take().unwrap()).collect();
    let hanging: Vec<_> = leases.iter().map(|lease| lease.hang_async()).collect();
    let start = Instant::now();
    let exits = pool.stop().unwrap();
    assert_eq!(exits.len(), 6);
    assert!(exits.iter().all(|exit| !exit.is_clean()));
    // Each alone needs its timeout; six of them one after the other would need twelve seconds.
    assert!(start.elapsed() >= timeout && start.elapsed() < 5 * timeout, "{:?}", start.elapsed());
    assert!(hanging.into_iter().all(|pending| matches!(pending.wait(), Err(CallError::Exited(_)))));
}

#[test]
fn stopping_wakes_whoever_waits() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(1));
    let _held = pool.take().unwrap();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..3).map(|_| scope.spawn(|| pool.take().map(drop))).collect();
        eventually("they wait", || format!("{pool:?}").contains("waiting: 3"));
        pool.stop().unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Err(TakeError::Stopped));
        }
    });
}

#[test]
fn a_dropped_pool_ends_what_is_idle_and_leaves_what_is_leased() {
    let _watchdog = watchdog();
    let pool = spawn(builder().size(2));
    let (one, other) = (pool.take().unwrap(), pool.take().unwrap());
    let (leased, idle) = (one.pid().unwrap(), other.pid().unwrap());
    drop(other);
    let also = pool.clone();
    drop(pool);
    let lease = also.take().unwrap();
    assert_eq!(lease.pid().unwrap(), idle, "a clone is the pool");
    drop(lease);
    drop(also);
    if has_processes() {
        eventually("the idle one has ended", || !support::processes::runs(idle));
    }
    assert_eq!(one.steps().unwrap().len(), 1);
    assert_eq!(one.pid().unwrap(), leased);
    drop(one);
    if has_processes() {
        eventually("the leased one has ended with its lease", || !support::processes::runs(leased));
    }
}

#[test]
fn constructors_run_side_by_side_and_their_errors_have_their_type() {
    let _watchdog = watchdog();
    let time = Duration::from_secs(1);
    let start = Instant::now();
    let pool = Pool::builder()
        .size(10)
        .spawn(move |builder| SessionFrontend::spawn_slow_with(builder, time))
        .unwrap();
    assert_eq!(pool.len(), 10);
    assert!(start.elapsed() < 8 * time, "one after the other would be {:?}", 10 * time);
    let failed = Pool::builder()
        .size(2)
        .spawn(|builder| SessionFrontend::spawn_failing_with(builder, "no licence".to_owned()));
    assert!(matches!(failed, Err(SpawnError::Constructor(error)) if error == "no licence"));
}

#[test]
fn a_closure_that_uses_another_builder_works_all_the_same() {
    let _watchdog = watchdog();
    let pool = Pool::builder().size(2).spawn(|_| SessionFrontend::spawn()).unwrap();
    assert_eq!(pool.take().unwrap().steps().unwrap(), ["activate Session"]);
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    for builder in [builder().size(0), builder().min(3).max(2)] {
        match builder.spawn(SessionFrontend::spawn_with) {
            Err(SpawnError::Io(error)) => assert!(error.to_string().contains("`max` must be"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_process_that_cannot_be_made_is_an_error_of_who_needs_it_and_no_other() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let left = Arc::new(AtomicU32::new(1));
    let count = Arc::clone(&left);
    let pool = builder()
        .size(1)
        .spawn(move |builder| match count.load(Ordering::SeqCst) {
            0 => SessionFrontend::spawn_failing_with(builder, "the licence has run out".to_owned()),
            _ => Ok(SessionFrontend::spawn_with(builder).expect("a process")),
        })
        .unwrap();
    left.store(0, Ordering::SeqCst);
    let lease = pool.take().unwrap();
    let _ = lease.abort();
    drop(lease);
    for _ in 0..3 {
        match pool.take() {
            Err(TakeError::Spawn(why)) => assert!(why.contains("its constructor returned an error"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    left.store(1, Ordering::SeqCst);
    assert_eq!(pool.take().unwrap().steps().unwrap().len(), 1);
}

#[test]
fn a_spare_takes_the_place_of_a_dead_one_without_waiting_for_a_constructor() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let slow = Duration::from_millis(300);
    let pool = builder()
        .size(1)
        .spare(1)
        .spawn(move |builder| SessionFrontend::spawn_slow_with(builder, slow))
        .unwrap();
    for _ in 0..3 {
        eventually("a spare is ready", || pool.spares() == 1);
        let lease = pool.take().unwrap();
        let _ = lease.abort();
        drop(lease);
        let next = pool.try_take().unwrap();
        assert_eq!(next.steps().unwrap().len(), 1);
    }
}

#[test]
fn a_process_is_recycled_after_so_many_calls_once_its_replacement_is_ready() {
    let _watchdog = watchdog();
    let (pool, departures) = watched(builder().size(1).max_calls(10));
    let mut names = Vec::new();
    // How many calls it takes depends on when each replacement is ready.
    while names.len() < 4 {
        let lease = pool.take().unwrap();
        names.push(lease.process().name().to_owned());
        names.dedup();
        lease.pid().unwrap();
        lease.pid().unwrap();
        drop(lease);
        assert_eq!(pool.len(), 1);
    }
    let departures = departures.lock().unwrap();
    assert_eq!(departures.len() + 1, names.len());
    for departure in departures.iter() {
        assert!(matches!(departure.reason, DepartureReason::Calls(calls) if calls >= 10), "{departure}");
    }
}

#[test]
fn a_process_that_grew_is_recycled() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let (pool, departures) = watched(builder().size(1).max_memory(64 << 20));
    let lease = pool.take().unwrap();
    lease.grow(100 << 20).unwrap();
    drop(lease);
    eventually("another process is in service", || pool.take().unwrap().process().name() != "session-1");
    match &departures.lock().unwrap()[..] {
        [Departure { name, reason: DepartureReason::Memory(bytes), .. }] => {
            assert_eq!(name, "session-1");
            assert!(*bytes > 100 << 20);
        }
        other => panic!("{other:?}"),
    };
}

#[test]
fn an_old_process_is_recycled_also_while_nobody_comes() {
    let _watchdog = watchdog();
    let age = Duration::from_millis(100);
    let (pool, departures) = watched(builder().size(1).max_age(age));
    eventually("another process is in service", || pool.take().unwrap().process().name() != "session-1");
    assert!(matches!(departures.lock().unwrap()[0].reason, DepartureReason::Age(lived) if lived >= age));
    let (pool, departures) = watched(builder().size(1).max_age(age).idle_timeout(Duration::from_secs(3600)));
    eventually("three have gone of age by themselves", || departures.lock().unwrap().len() >= 3);
    assert_eq!(pool.len(), 1);
}

/// Six threads lease from a pool of three until ten processes have gone, all for the reason that is meant.
fn lease_under_load(builder: PoolBuilder<SessionFrontend>, is_meant: impl Fn(&DepartureReason) -> bool) {
    let (pool, departures) = watched(builder.size(3));
    let ready = Barrier::new(6);
    let gone = || departures.lock().unwrap().len();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                ready.wait();
                while done.load(Ordering::SeqCst) < 1200 || gone() <= 10 {
                    let lease = pool.take().unwrap();
                    // Never one that somebody else has, or that is going: every call is answered.
                    let pid = lease.pid().unwrap();
                    lease.grow(1 << 20).unwrap();
                    assert_eq!(lease.steps().unwrap().last().unwrap().split(' ').next(), Some("activate"));
                    assert_eq!(lease.pid().unwrap(), pid);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    // Before the list is locked: this may part with a process, and tell of it.
    assert_eq!(pool.len(), 3);
    for departure in departures.lock().unwrap().iter() {
        assert!(is_meant(&departure.reason), "{departure}");
    }
}

#[test]
fn no_work_is_lost_while_processes_are_recycled_under_load() {
    let _watchdog = watchdog();
    lease_under_load(builder().max_calls(20), |reason| matches!(reason, DepartureReason::Calls(_)));
    let age = Duration::from_millis(5);
    lease_under_load(builder().max_age(age), |reason| matches!(reason, DepartureReason::Age(_)));
    if has_processes() {
        // Each has more than that after its first lease.
        lease_under_load(builder().max_memory(1 << 20), |reason| {
            matches!(reason, DepartureReason::Memory(_))
        });
    }
}

#[test]
fn leases_survive_kills_at_every_step() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let pool = spawn(builder().size(3).spare(1));
    thread::scope(|scope| {
        let users: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    while answered < 50 {
                        let lease = pool.take().expect("another process, whatever happened to one");
                        match lease.pid() {
                            Ok(_) => answered += 1,
                            Err(CallError::Exited(_) | CallError::NotSent(_)) => {}
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        let mut kills = 0_u32;
        while users.iter().any(|user| !user.is_finished()) {
            let lease = pool.take().expect("another process");
            let process = lease.process().clone();
            // Leased, on its way back, or idle: in turns.
            match kills % 3 {
                0 => process.kill().unwrap(),
                1 => {
                    drop(lease);
                    process.kill().unwrap();
                }
                _ => {
                    let _ = lease.doze(Duration::from_millis(1));
                    drop(lease);
                    process.kill().unwrap();
                    process.wait();
                }
            }
            kills += 1;
        }
        assert!(kills > 0);
    });
    assert!(pool.len() <= 3);
    drop(pool.take().unwrap());
    pool.stop().unwrap();
}

#[test]
fn a_pool_starts_no_thread_unless_it_is_asked_for_an_idle_timeout() {
    support::rerun::alone("a_pool_starts_no_thread_unless_it_is_asked_for_an_idle_timeout", || {
        if !has_processes() {
            return;
        }
        let before = support::processes::threads();
        let pool = spawn(builder().size(2).spare(1).max_calls(1).max_age(Duration::ZERO));
        drop(pool.take().unwrap());
        drop(pool.take().unwrap());
        assert_eq!(support::processes::threads(), before);
        let watched = spawn(builder().size(1).idle_timeout(Duration::from_secs(3600)));
        assert_eq!(support::processes::threads(), before + 1);
        drop(watched);
        assert_eq!(support::processes::threads(), before, "it ends with its pool");
        drop(pool);
    });
}

#[test]
fn nothing_is_left_of_a_pool() {
    support::rerun::alone("nothing_is_left_of_a_pool", || {
        if !has_processes() {
            return;
        }
        let cycle = || {
            let pool = spawn(builder().size(3).spare(2).max_calls(2));
            for _ in 0..10 {
                let lease = pool.take().unwrap();
                lease.pid().unwrap();
            }
            let _ = pool.take().unwrap().abort();
            pool.stop().unwrap();
        };
        let count = || {
            let processes = support::processes::descendants(std::process::id()).len();
            (support::processes::descriptors().len(), support::processes::shared_mappings(), processes)
        };
        cycle();
        // Those that were recycled end by themselves, a moment later.
        eventually("the first pool is gone", || count().2 == 1);
        let before = count();
        for _ in 0..10 {
            cycle();
        }
        eventually("all are gone", || count() == before);
    });
}

fn _frontends_of_any_actor<F: Frontend>(pool: &Pool<F>) -> usize {
    pool.len()
}

/// Has a method that takes its time beside others.
pub struct Patient {
    steps: std::cell::RefCell<Vec<&'static str>>,
}

#[process_actor]
impl Patient {
    pub fn new() -> Self {
        Self { steps: std::cell::RefCell::default() }
    }

    #[activate]
    fn fresh(&mut self) {
        self.steps.borrow_mut().push("activate");
    }

    #[deactivate]
    fn idle(&mut self) {
        self.steps.borrow_mut().push("deactivate");
    }

    pub async fn work(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.steps.borrow_mut().push("worked");
    }

    pub fn steps(&self) -> Vec<String> {
        self.steps.borrow().iter().map(|step| (*step).to_owned()).collect()
    }
}

#[test]
fn hooks_of_an_actor_with_async_methods_run_alone() {
    let _watchdog = watchdog();
    let pool = Pool::builder().size(1).spawn(PatientFrontend::spawn_with).unwrap();
    let first = pool.take().unwrap();
    let pending = first.work_async(Duration::from_millis(50));
    drop(first);
    let second = pool.take().unwrap();
    assert_eq!(second.steps().unwrap(), ["activate", "worked", "deactivate", "activate"]);
    pending.wait().unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_task_takes_a_process_without_blocking() {
    let _watchdog = watchdog();
    let pool = spawn(builder().min(1).max(2));
    let (one, other) = (pool.take_async().await.unwrap(), pool.take_async().await.unwrap());
    assert_eq!(one.steps_async().await.unwrap(), ["activate session-1"]);
    assert_eq!(other.steps_async().await.unwrap(), ["activate session-2"]);
    // All are in use. On this one thread, whoever blocked would keep the others from giving theirs back.
    let wait = async { pool.take_async().await.unwrap().steps_async().await.unwrap() };
    let (impatient, steps, ()) =
        tokio::join!(tokio::time::timeout(Duration::from_millis(20), pool.take_async()), wait, async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            drop(one);
        });
    assert!(impatient.is_err(), "it gave up, and its place with it");
    assert_eq!(steps, ["activate session-1", "deactivate", "activate session-1"]);
    drop(other);
    let stopped = pool.clone();
    let held = [pool.take_async().await.unwrap(), pool.take_async().await.unwrap()];
    let waiting = tokio::spawn(async move { stopped.take_async().await.map(drop) });
    tokio::task::yield_now().await;
    pool.stop().unwrap();
    assert_eq!(waiting.await.unwrap(), Err(TakeError::Stopped));
    drop(held);
}
