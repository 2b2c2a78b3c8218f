//! Frontends as arguments and results: whoever gets one holds the actor, over a link of its own.
//! Not here: calls that wait on themselves (`deadlocks`), and order among many holders (`order`).
//! Layer: the public surface.

mod support;

use std::process;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use support::{eventually, has_processes, processes, watchdog};
use worker_core::{
    Builder, CallError, Context, ExitReason, Link, OnTimeout, Remote, Restart, StartMethod, process_actor,
};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];

fn over(link: Link) -> Builder {
    Builder::new().link(link)
}

pub struct Counter {
    total: i64,
    ticks: u64,
}

#[process_actor]
impl Counter {
    pub fn new(start: i64) -> Self {
        Self { total: start, ticks: 0 }
    }

    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }

    #[oneway]
    pub fn add_later(&mut self, n: i64) {
        self.total += n;
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }

    pub fn tick(&self, context: &Context<Self>) {
        let _ = context.every(Duration::from_millis(1), |counter, _| counter.ticks += 1);
    }

    pub fn last(&self, context: &Context<Self>, count: usize) -> Vec<u8> {
        context.stop();
        vec![7; count]
    }

    pub fn bytes(&self, count: usize) -> Vec<u8> {
        vec![7; count]
    }

    pub fn add_all<T: Serialize + for<'a> Deserialize<'a> + Into<i64>>(&mut self, numbers: Vec<T>) -> i64 {
        numbers.into_iter().for_each(|number| self.total += number.into());
        self.total
    }

    pub fn abort(&self) {
        process::abort()
    }

    pub fn nap(&self, milliseconds: u64) {
        thread::sleep(Duration::from_millis(milliseconds));
    }
}

/// Frontends inside of a value of the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Team {
    name: String,
    members: Vec<CounterFrontend>,
    watched: Option<Remote>,
}

/// Holds actors that others have made.
#[derive(Default)]
pub struct Holder {
    held: Vec<CounterFrontend>,
    team: Option<Team>,
    pending: Vec<worker_core::Pending<Vec<u8>>>,
}

#[process_actor]
impl Holder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn holding(counter: CounterFrontend) -> Self {
        Self { held: vec![counter], ..Self::default() }
    }

    pub fn take(&mut self, counter: CounterFrontend) {
        self.held.push(counter);
    }

    pub fn take_team(&mut self, team: Team) -> usize {
        self.team.insert(team).members.len()
    }

    pub fn team(&self) -> Option<Team> {
        self.team.clone()
    }

    pub fn team_total(&self) -> Result<i64, String> {
        let team = self.team.as_ref().ok_or("no team")?;
        team.members.iter().map(|member| member.add(1).map_err(|error| error.to_string())).sum()
    }

    pub fn add(&self, n: i64) -> Result<i64, String> {
        let counter = self.held.last().ok_or("nothing is held")?;
        counter.add(n).map_err(|error| format!("{error:?}"))
    }

    pub fn add_many(&self, times: u32) -> Result<(), String> {
        (0..times).try_for_each(|_| self.add(1).map(drop))
    }

    pub fn add_generic(&self) -> Result<i64, String> {
        self.held[0].add_all(vec![1_i32, 2, 3]).map_err(|error| error.to_string())
    }

    pub fn give(&self) -> Option<CounterFrontend> {
        self.held.last().cloned()
    }

    pub fn pass_on(&self, to: HolderFrontend) -> Result<(), String> {
        to.take(self.held.last().ok_or("nothing is held")?.clone()).map_err(|error| error.to_string())
    }

    pub fn drop_all(&mut self) {
        self.held.clear();
        self.team = None;
        self.pending.clear();
    }

    pub fn view(&self) -> (u32, String, bool, u64) {
        let process = self.held.last().unwrap().process();
        (process.pid(), process.name().to_owned(), process.is_alive(), process.usage().resident)
    }

    pub fn kill(&self) -> ExitReason {
        let process = self.held.last().unwrap().process();
        process.kill().unwrap();
        process.wait().reason
    }

    pub fn wait(&self) -> ExitReason {
        self.held.last().unwrap().process().wait().reason
    }

    pub fn stop_it(&self) -> Result<ExitReason, String> {
        self.held.last().unwrap().stop().map(|exit| exit.reason).map_err(|error| error.to_string())
    }

    /// Makes calls whose replies do not fit anywhere, and takes none of them in.
    pub fn ask_too_much(&mut self, calls: usize, bytes: usize) {
        let counter = self.held.last().unwrap();
        self.pending.extend((0..calls).map(|_| counter.bytes_async(bytes)));
    }

    pub fn take_in(&mut self) -> usize {
        self.pending.drain(..).map(|pending| pending.wait().unwrap().len()).sum()
    }

    pub fn busy_add(&self) -> Result<String, String> {
        let counter = self.held.last().unwrap().with_timeout(Duration::from_millis(20));
        match counter.nap(60_000) {
            Err(CallError::TimedOut { killed }) => Ok(format!("killed: {killed}")),
            other => Err(format!("{other:?}")),
        }
    }

    pub fn nap(&self) -> Result<(), String> {
        self.held.last().unwrap().nap(2_000).map_err(|error| format!("{error:?}"))
    }

    pub fn abort(&self) {
        process::abort()
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }
}

/// Generic in names that what is derived for a frontend might use too.
pub struct Shelf<S, D> {
    things: Vec<(S, D)>,
}

#[process_actor]
impl<S, D> Shelf<S, D>
where
    S: Serialize + for<'a> Deserialize<'a> + Clone + 'static,
    D: Serialize + for<'a> Deserialize<'a> + Clone + 'static,
{
    pub fn new() -> Self {
        Self { things: Vec::new() }
    }

    pub fn put(&mut self, thing: S, with: D) -> usize {
        self.things.push((thing, with));
        self.things.len()
    }
}

/// Fills a shelf.
pub struct Porter(ShelfFrontend<String, u8>);

#[process_actor]
impl Porter {
    pub fn new(shelf: ShelfFrontend<String, u8>) -> Self {
        Self(shelf)
    }

    pub fn carry(&self) -> Result<usize, String> {
        self.0.put("a thing".to_owned(), 1).map_err(|error| error.to_string())
    }
}

#[test]
fn the_reply_of_the_call_that_ends_an_actor_comes_whole() {
    let _watchdog = watchdog();
    for link in LINKS {
        for is_given in [false, true] {
            let counter = CounterFrontend::spawn_with(&over(link), 1).unwrap();
            let holder = is_given.then(|| HolderFrontend::spawn_holding(counter.clone()).unwrap());
            // More than there is room for on any link.
            let count = 100 << 20;
            assert_eq!(counter.last(count).unwrap().len(), count);
            assert!(matches!(counter.add(1), Err(CallError::NotSent(_) | CallError::Exited(_))));
            drop(holder);
        }
    }
}

#[test]
fn an_actor_that_listens_to_timers_is_given_away_too() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        // Long after this test it would be forced; so it ends by itself, or not in time.
        let patient = over(link).stop_timeout(Duration::from_secs(3600));
        let counter = CounterFrontend::spawn_with(&patient, 1).unwrap();
        counter.tick().unwrap();
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        holder.take(counter.clone()).unwrap();
        assert_eq!(holder.add(1).unwrap(), 2);
        assert_eq!(counter.add(1).unwrap(), 3);
        let pid = counter.process().pid();
        drop(counter);
        assert_eq!(holder.add(1).unwrap(), 4);
        drop(holder);
        eventually("it ends with its last holder", || !processes::runs(pid));
    }
}

#[test]
fn a_frontend_of_a_generic_actor_travels_too() {
    let _watchdog = watchdog();
    let shelf = ShelfFrontend::spawn().unwrap();
    let porter = PorterFrontend::spawn(shelf.clone()).unwrap();
    assert_eq!((porter.carry().unwrap(), shelf.put("another".to_owned(), 2).unwrap()), (1, 2));
}

/// Is given itself.
#[derive(Default)]
pub struct Narcissus {
    own: Option<NarcissusFrontend>,
    count: u32,
}

#[process_actor]
impl Narcissus {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn look(&mut self, own: NarcissusFrontend) {
        self.own = Some(own);
    }

    #[oneway]
    pub fn count(&mut self) {
        self.count += 1;
        if self.count < 10 {
            self.own.as_ref().unwrap().count().unwrap();
        }
    }

    pub fn counted(&self) -> u32 {
        self.count
    }
}

#[test]
fn a_frontend_as_an_argument_is_a_direct_link() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 40).unwrap();
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        holder.take(counter.clone()).unwrap();
        assert_eq!(holder.add(2).unwrap(), 42);
        assert_eq!(counter.add(1).unwrap(), 43, "both hold one and the same actor");
        assert_eq!(holder.add_generic().unwrap(), 49);
        let (pid, name, alive, resident) = holder.view().unwrap();
        assert_eq!((pid, name.as_str(), alive), (counter.pid().unwrap(), "Counter", true));
        assert!(resident > 0);
        assert!(counter.stop().unwrap().is_clean());
        let error = holder.add(1).unwrap_err();
        assert!(error.to_string().contains("NotSent") || error.to_string().contains("Exited"), "{error}");
        assert!(holder.add(1).unwrap_err().to_string().contains("NotSent"));
    }
}

#[test]
fn frontends_are_results_and_lie_inside_of_values() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counters: Vec<_> = (0..3).map(|n| CounterFrontend::spawn_with(&over(link), n).unwrap()).collect();
        let watched = Some(Remote::clone(&counters[0]));
        let team = Team { name: "three".to_owned(), members: counters.clone(), watched };
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        assert_eq!(holder.take_team(team).unwrap(), 3);
        assert_eq!(holder.team_total().unwrap(), 6);
        let back = holder.team().unwrap().unwrap();
        assert_eq!((back.name.as_str(), back.members[2].add(1).unwrap()), ("three", 4));
        let watched = back.watched.unwrap();
        assert_eq!(watched.process().pid(), counters[0].process().pid());
        assert!(watched.stop().is_ok_and(|exit| exit.pid == counters[0].process().pid()));
        assert!(counters[0].process().wait().is_clean());
    }
}

#[test]
fn it_goes_from_process_to_process_and_into_constructors() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let first = HolderFrontend::spawn_holding_with(&over(link), counter).unwrap();
        let second = HolderFrontend::spawn_with(&over(link)).unwrap();
        first.pass_on(second.clone()).unwrap();
        assert_eq!((first.add(1).unwrap(), second.add(1).unwrap()), (1, 2));
        first.stop().unwrap();
        assert_eq!(second.add(1).unwrap(), 3, "the giver is gone, the link is not");
        let back = second.give().unwrap().unwrap();
        second.stop().unwrap();
        assert_eq!(back.add(1).unwrap(), 4);
        assert!(back.stop().unwrap().pid == back.process().pid());
    }
}

#[test]
fn every_start_method_may_be_given_and_hold() {
    let _watchdog = watchdog();
    for method in [StartMethod::ForkServer, StartMethod::Exec, StartMethod::Thread] {
        let builder = Builder::new().start(method);
        let counter = CounterFrontend::spawn_with(&builder, 1).unwrap();
        let holder = HolderFrontend::spawn_with(&builder).unwrap();
        holder.take(counter.clone()).unwrap();
        assert_eq!((holder.add(1).unwrap(), counter.add(1).unwrap()), (2, 3), "{method:?}");
        drop(counter);
        assert_eq!(holder.add(1).unwrap(), 4);
        holder.drop_all().unwrap();
        assert!(holder.stop().unwrap().is_clean());
    }
}

#[test]
fn the_last_holder_in_any_process_ends_the_actor() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let builder = over(link).stop_timeout(Duration::from_millis(50));
        let counter = CounterFrontend::spawn_with(&builder, 0).unwrap();
        let pid = counter.process().pid();
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        holder.take(counter).unwrap();
        // Far longer than its time to stop: nobody may force an actor that is held.
        for n in 1..=200 {
            assert_eq!(holder.add(1).unwrap(), n);
            thread::sleep(Duration::from_millis(1));
        }
        assert!(processes::runs(pid));
        holder.drop_all().unwrap();
        eventually("it ends with its last holder", || !processes::runs(pid));
        assert!(holder.stop().unwrap().is_clean());
    }
}

#[test]
fn a_frontend_in_a_message_under_way_keeps_the_actor_alive() {
    let _watchdog = watchdog();
    let counter = CounterFrontend::spawn(5).unwrap();
    let busy = CounterFrontend::spawn(0).unwrap();
    let holder = HolderFrontend::spawn().unwrap();
    holder.take(busy.clone()).unwrap();
    // The holder waits for a busy actor, so the message with the counter waits for the holder.
    let nap = busy.nap_async(300);
    let waits = holder.add_async(1);
    let given = holder.take_async(counter);
    assert_eq!(waits.wait().unwrap(), 1);
    given.wait().unwrap();
    nap.wait().unwrap();
    assert_eq!(holder.add(1).unwrap(), 6);
}

#[test]
fn a_holder_sees_the_process_ends_it_and_is_told_how_it_ended() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        let spawn = || CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let told = |reason: ExitReason, truth: ExitReason| {
            assert!(reason == truth || reason == ExitReason::Untold, "{reason:?} for {truth:?}");
        };
        let counter = spawn();
        holder.take(counter.clone()).unwrap();
        let killed = ExitReason::Signal { signal: libc::SIGKILL, core_dumped: false };
        told(holder.kill().unwrap(), killed.clone());
        assert_eq!(counter.process().wait().reason, killed, "its spawner is told in any case");

        let counter = spawn();
        holder.take(counter.clone()).unwrap();
        told(holder.stop_it().unwrap(), ExitReason::Clean);
        assert!(counter.process().wait().is_clean());

        let counter = spawn();
        holder.take(counter.clone()).unwrap();
        assert!(matches!(counter.abort(), Err(CallError::Exited(_))));
        match holder.wait().unwrap() {
            ExitReason::Signal { signal, .. } => assert_eq!(signal, libc::SIGABRT),
            other => told(other, ExitReason::Untold),
        }
    }
}

#[test]
fn settings_for_deadlines_travel() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let counter = CounterFrontend::spawn_with(&Builder::new().on_timeout(OnTimeout::Kill), 0).unwrap();
    let holder = HolderFrontend::spawn().unwrap();
    holder.take(counter.clone()).unwrap();
    assert_eq!(holder.busy_add().unwrap(), "killed: true");
    assert!(!counter.process().wait().is_clean());

    let slow = CounterFrontend::spawn(0).unwrap();
    holder.take(slow.with_timeout(Duration::from_millis(20))).unwrap();
    assert!(holder.nap().unwrap_err().to_string().contains("TimedOut"));
}

#[test]
fn a_frontend_of_an_actor_that_is_gone_says_so() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        counter.stop().unwrap();
        holder.take(counter).unwrap();
        let error = holder.add(1).unwrap_err();
        assert!(error.to_string().contains("NotSent") || error.to_string().contains("Exited"), "{error}");
        assert!(holder.add(1).unwrap_err().to_string().contains("NotSent"), "and stays so");
    }
}

#[test]
fn a_holder_that_takes_in_no_replies_stops_itself_alone() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let greedy = HolderFrontend::spawn_with(&over(link)).unwrap();
        greedy.take(counter.clone()).unwrap();
        greedy.ask_too_much(40, 60_000).unwrap();
        for n in 1..=100 {
            assert_eq!(counter.add(1).unwrap(), n, "the others are served");
        }
        assert_eq!(greedy.take_in().unwrap(), 40 * 60_000);
        greedy.ask_too_much(3, 40 << 20).unwrap();
        assert_eq!(counter.add(1).unwrap(), 101);
        assert_eq!(greedy.take_in().unwrap(), 3 * (40 << 20), "also in pieces");
        greedy.ask_too_much(40, 60_000).unwrap();
        greedy.drop_all().unwrap();
        assert_eq!(counter.add(1).unwrap(), 102);
    }
}

#[test]
fn an_actor_that_holds_itself_ends_with_the_last_other_holder() {
    let _watchdog = watchdog();
    for link in LINKS {
        let narcissus = NarcissusFrontend::spawn_with(&over(link)).unwrap();
        narcissus.look(narcissus.clone()).unwrap();
        narcissus.count().unwrap();
        eventually("it queues for itself", || narcissus.counted().unwrap() == 10);
        let pid = narcissus.process().pid();
        drop(narcissus);
        if has_processes() {
            eventually("it ends all the same", || !processes::runs(pid));
        }
    }
}

#[test]
fn a_frontend_elsewhere_holds_one_life() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Builder::new().restart(Restart::on_crash());
    let counter = CounterFrontend::spawn_with(&builder, 40).unwrap();
    let holder = HolderFrontend::spawn().unwrap();
    holder.take(counter.clone()).unwrap();
    assert_eq!(holder.add(1).unwrap(), 41);
    assert!(counter.abort().is_err());
    assert_eq!(counter.add(2).unwrap(), 42, "the spawner's frontend goes on with a new life");
    let error = holder.add(1).unwrap_err().to_string();
    assert!(error.contains("NotSent") || error.contains("Exited"), "{error}");
    holder.take(counter.clone()).unwrap();
    assert_eq!(holder.add(1).unwrap(), 43, "it is given anew");
}

#[test]
fn a_holder_that_is_restarted_gets_its_argument_again() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let counter = CounterFrontend::spawn(0).unwrap();
    let builder = Builder::new().restart(Restart::on_crash());
    let holder = HolderFrontend::spawn_holding_with(&builder, counter.clone()).unwrap();
    assert_eq!(holder.add(1).unwrap(), 1);
    assert!(holder.abort().is_err());
    assert_eq!(holder.add(1).unwrap(), 2, "over a new link to the same actor");
    assert_eq!(counter.add(1).unwrap(), 3);
}

#[test]
fn whoever_is_killed_takes_nothing_with_it_but_its_own_calls() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let (first, second) = (
            HolderFrontend::spawn_with(&over(link)).unwrap(),
            HolderFrontend::spawn_with(&over(link)).unwrap(),
        );
        for round in 0..20 {
            // A holder in the middle of its calls.
            let victim = HolderFrontend::spawn_holding_with(&over(link), counter.clone()).unwrap();
            let calls = victim.add_many_async(1_000_000);
            if round % 2 == 0 {
                counter.add(1).unwrap();
            }
            victim.process().kill().unwrap();
            assert!(calls.wait().is_err());
            counter.add(1).unwrap();
            // A giver in the middle of giving.
            let giver = HolderFrontend::spawn_holding_with(&over(link), counter.clone()).unwrap();
            let gifts: Vec<_> = (0..5).map(|_| giver.pass_on_async(first.clone())).collect();
            giver.process().kill().unwrap();
            gifts.into_iter().for_each(|gift| drop(gift.wait()));
            // An actor while it is given.
            let dying = CounterFrontend::spawn_with(&over(link), 0).unwrap();
            let given = second.take_async(dying.clone());
            dying.process().kill().unwrap();
            given.wait().unwrap();
            assert!(second.add(1).is_err());
        }
        first.drop_all().unwrap();
        first.take(counter.clone()).unwrap();
        first.add(1).unwrap();
        let pid = counter.process().pid();
        drop(counter);
        assert!(processes::runs(pid));
        first.drop_all().unwrap();
        eventually("no dead holder counts", || !processes::runs(pid));
    }
}

#[test]
fn nothing_is_left_of_frontends_that_came_and_went() {
    let _watchdog = watchdog();
    support::rerun::alone("nothing_is_left_of_frontends_that_came_and_went", || {
        if !has_processes() {
            return;
        }
        for link in LINKS {
            let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
            let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
            let pids = [process::id(), counter.pid().unwrap(), holder.pid().unwrap()];
            let round = || {
                holder.take(counter.clone()).unwrap();
                holder.add(1).unwrap();
                drop(holder.give().unwrap());
                holder.drop_all().unwrap();
                counter.add(1).unwrap();
            };
            let count =
                || pids.map(|pid| (processes::descriptors_of(pid).len(), processes::shared_mappings_of(pid)));
            // The first round maps the table of waits, once and for all.
            let descriptors = || count().map(|(descriptors, _)| descriptors);
            let fresh = descriptors();
            round();
            eventually("the links of a round are gone", || counter.add(0).is_ok() && descriptors() == fresh);
            let before = count();
            for _ in 0..50 {
                round();
            }
            eventually("nothing more than before", || counter.add(0).is_ok() && count() == before);
        }
    });
}
