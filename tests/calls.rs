//! Calls as a user makes them: constructors, arguments, results, hooks, one-way calls.
//! Not here: what happens when something goes wrong (`faults`, `death`).
//! Layer: the public surface.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use support::watchdog;
use worker_core::{Builder, CallError, Context, SpawnError, process_actor};

pub struct Counter {
    total: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountError {
    TooLarge { limit: i64 },
}

#[process_actor]
impl Counter {
    pub fn new(start: i64) -> Self {
        Self { total: start }
    }

    pub fn zero() -> Self {
        Self { total: 0 }
    }

    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let total = text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Self { total })
    }

    pub fn bounded(start: i64, limit: i64) -> Result<Self, CountError> {
        if start > limit { Err(CountError::TooLarge { limit }) } else { Ok(Self { total: start }) }
    }

    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }

    pub fn add_up_to(&mut self, n: i64, limit: i64) -> Result<i64, CountError> {
        if self.total + n > limit {
            return Err(CountError::TooLarge { limit });
        }
        Ok(self.add(n))
    }

    pub fn save(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.total.to_string())
    }

    pub fn reset(&mut self) {
        self.total = 0;
    }

    #[oneway]
    pub fn add_later(&mut self, n: i64) {
        self.total += n;
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }

    pub fn name(&self, context: &Context<Self>) -> String {
        context.name().to_owned()
    }
}

#[test]
fn a_call_runs_in_the_backend() {
    let _watchdog = watchdog();
    let counter = CounterFrontend::spawn(40).unwrap();
    assert_eq!(counter.add(2).unwrap(), 42);
    assert_eq!(counter.pid().unwrap(), counter.process().pid());
    assert_eq!(counter.pid().unwrap() != process::id(), support::has_processes());
    assert!(counter.stop().unwrap().is_clean());
}

#[test]
fn one_process_serves_a_hundred_thousand_calls() {
    let _watchdog = watchdog();
    let counter = CounterFrontend::spawn(0).unwrap();
    let pid = counter.pid().unwrap();
    for n in 1..=100_000 {
        assert_eq!(counter.add(1).unwrap(), n);
    }
    assert_eq!(counter.pid().unwrap(), pid);
}

#[test]
fn every_constructor_has_its_spawn() {
    let _watchdog = watchdog();
    assert_eq!(CounterFrontend::spawn(1).unwrap().add(1).unwrap(), 2);
    assert_eq!(CounterFrontend::spawn_zero().unwrap().add(1).unwrap(), 1);
    assert_eq!(CounterFrontend::spawn_bounded(3, 3).unwrap().add(1).unwrap(), 4);
    let builder = Builder::new().name("counter-7");
    let named = CounterFrontend::spawn_bounded_with(&builder, 3, 3).unwrap();
    assert_eq!(named.name().unwrap(), "counter-7");
    assert_eq!(CounterFrontend::spawn_zero_with(&builder).unwrap().process().name(), "counter-7");
    assert_eq!(CounterFrontend::spawn_zero().unwrap().name().unwrap(), "Counter");
}

#[test]
fn a_constructor_tells_its_own_error() {
    let _watchdog = watchdog();
    match CounterFrontend::spawn_bounded(4, 3) {
        Err(SpawnError::Constructor(error)) => assert_eq!(error, CountError::TooLarge { limit: 3 }),
        other => panic!("{other:?}"),
    }
    match CounterFrontend::spawn_read(Path::new("/nonexistent/count")) {
        Err(SpawnError::Constructor(error)) => {
            assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::NotFound, Some(2)));
        }
        other => panic!("{other:?}"),
    }
    match CounterFrontend::spawn_read(Path::new("/proc/self/comm")) {
        Err(SpawnError::Constructor(error)) => {
            assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::InvalidData, None));
            assert!(error.to_string().contains("invalid digit"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_method_returns_its_own_error_and_the_actor_is_as_it_was() {
    let _watchdog = watchdog();
    let counter = CounterFrontend::spawn(1).unwrap();
    let error = counter.add_up_to(5, 3).unwrap_err();
    assert_eq!(error, CallError::Actor(CountError::TooLarge { limit: 3 }));
    assert_eq!(counter.add_up_to(2, 3).unwrap(), 3);
    match counter.save(Path::new("/nonexistent/count")) {
        Err(CallError::Actor(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
    counter.reset().unwrap();
    assert_eq!(counter.add(0).unwrap(), 0);
}

#[test]
fn one_way_calls_come_before_later_calls() {
    let _watchdog = watchdog();
    let counter = CounterFrontend::spawn(0).unwrap();
    for n in 1..=1000 {
        counter.add_later(1).unwrap();
        if n % 100 == 0 {
            assert_eq!(counter.add(0).unwrap(), n);
        }
    }
}

#[test]
fn a_pending_call_gives_its_result_once() {
    let _watchdog = watchdog();
    let counter = CounterFrontend::spawn(40).unwrap();
    let mut pending = counter.add_async(2);
    assert_eq!(pending.wait_timeout(Duration::MAX).unwrap().unwrap(), 42);
    assert!(pending.wait_timeout(Duration::MAX).is_none());
    let again = catch_unwind(AssertUnwindSafe(|| pending.wait()));
    assert!(again.is_err(), "a second wait says that there is nothing to wait for, and does not hang");
}

#[test]
fn clones_mean_the_same_actor_and_say_which() {
    let _watchdog = watchdog();
    let counter = CounterFrontend::spawn(0).unwrap();
    let clone = counter.clone();
    assert_eq!(clone.add(1).unwrap(), 1);
    drop(counter);
    assert_eq!(clone.add(1).unwrap(), 2);
    let text = format!("{clone:?} {:?}", clone.process());
    assert!(text.contains("Counter") && text.contains(&clone.process().pid().to_string()), "{text}");
}

#[test]
fn the_impl_stays_usable_without_a_process() {
    let mut counter = Counter::new(1);
    assert_eq!(counter.add(2), 3);
    assert_eq!(Counter::bounded(2, 1).err(), Some(CountError::TooLarge { limit: 1 }));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    name: String,
    corners: Vec<(f64, f64)>,
    tags: BTreeMap<String, Option<u8>>,
}

/// Gives back what it got, so that every sort of argument and result crosses.
pub struct Mirror;

#[process_actor]
impl Mirror {
    pub fn new() -> Self {
        Self
    }

    pub fn unit(&self) {}

    pub fn numbers(&self, a: u8, b: i128, c: f32, d: char, e: bool) -> (u8, i128, f32, char, bool) {
        (a, b, c, d, e)
    }

    pub fn text(&self, borrowed: &str, owned: String, maybe: Option<&str>) -> Vec<String> {
        vec![borrowed.to_owned(), owned, maybe.unwrap_or("none").to_owned()]
    }

    pub fn bytes(&self, borrowed: &[u8], mut owned: Vec<u8>) -> Vec<u8> {
        owned.extend_from_slice(borrowed);
        owned
    }

    pub fn path(&self, path: &Path, owned: PathBuf) -> PathBuf {
        path.join(owned)
    }

    pub fn slice(&self, numbers: &[u32]) -> u32 {
        numbers.iter().sum()
    }

    pub fn shape(&self, shape: &Shape, other: Shape, maybe: Option<&Shape>) -> Vec<Shape> {
        [Some(shape.clone()), Some(other), maybe.cloned()].into_iter().flatten().collect()
    }

    pub fn nested(
        &self,
        value: Option<Result<Vec<Option<u16>>, String>>,
    ) -> Option<Result<Vec<Option<u16>>, String>> {
        value
    }

    pub fn doubled<T: Serialize + serde::de::DeserializeOwned + Clone + 'static>(&self, value: T) -> Vec<T> {
        vec![value.clone(), value]
    }
}

#[test]
fn every_sort_of_argument_and_result_crosses() {
    let _watchdog = watchdog();
    let mirror = MirrorFrontend::spawn().unwrap();
    mirror.unit().unwrap();
    let numbers = (u8::MAX, i128::MIN, f32::MIN_POSITIVE, '\u{10FFFF}', true);
    let (a, b, c, d, e) = numbers;
    assert_eq!(mirror.numbers(a, b, c, d, e).unwrap(), numbers);
    assert_eq!(mirror.text("ä", "".to_owned(), None).unwrap(), ["ä", "", "none"]);
    assert_eq!(mirror.text("", "b".to_owned(), Some("c")).unwrap(), ["", "b", "c"]);
    assert_eq!(mirror.bytes(b"\0\xFF", vec![1]).unwrap(), [1, 0, 255]);
    assert_eq!(mirror.path(Path::new("/a"), PathBuf::from("b")).unwrap(), Path::new("/a/b"));
    assert_eq!(mirror.slice(&[1, 2, 3]).unwrap(), 6);
    let tags = BTreeMap::from([("x".to_owned(), Some(1)), ("y".to_owned(), None)]);
    let shape = Shape { name: "s".to_owned(), corners: vec![(0.5, -0.0)], tags };
    assert_eq!(mirror.shape(&shape, shape.clone(), Some(&shape)).unwrap(), vec![shape.clone(); 3]);
    assert_eq!(mirror.shape(&shape, shape.clone(), None).unwrap().len(), 2);
    for value in [None, Some(Err("e".to_owned())), Some(Ok(vec![None, Some(7)]))] {
        assert_eq!(mirror.nested(value.clone()).unwrap(), value);
    }
}

#[test]
fn generic_methods_run_for_any_type() {
    let _watchdog = watchdog();
    let mirror = MirrorFrontend::spawn().unwrap();
    assert_eq!(mirror.doubled(7_u64).unwrap(), [7, 7]);
    assert_eq!(mirror.doubled("a".to_owned()).unwrap(), ["a", "a"]);
    assert_eq!(mirror.doubled_async(Some(1_u8)).wait().unwrap(), [Some(1), Some(1)]);
}

/// Cannot be made, used or dropped but in the backend, and not be sent between threads.
struct Homebody {
    home: u32,
    program: u32,
    not_send: PhantomData<*const u8>,
}

impl Homebody {
    fn new(program: u32) -> Self {
        assert_ne!(process::id(), program, "made in the program");
        Self { home: process::id(), program, not_send: PhantomData }
    }
}

impl Drop for Homebody {
    fn drop(&mut self) {
        assert_eq!((process::id(), self.program == process::id()), (self.home, false));
    }
}

/// Writes down what happens to it, where and in which order.
pub struct Witness {
    homebody: Homebody,
    path: PathBuf,
}

#[process_actor]
impl Witness {
    pub fn new(program: u32, path: PathBuf) -> Self {
        let witness = Self { homebody: Homebody::new(program), path };
        witness.note("constructor");
        witness
    }

    #[started]
    fn begin(&mut self, context: &Context<Self>) {
        self.note(&format!("started {}", context.name()));
    }

    pub fn call(&self) {
        self.note("method");
    }

    #[oneway]
    pub fn tell(&self) {
        self.note("one-way");
    }

    #[stopped]
    fn end(&mut self) {
        self.note("stopped");
    }

    fn note(&self, what: &str) {
        use std::io::Write;
        assert_ne!(process::id(), self.homebody.program);
        let mut file = fs::File::options().append(true).create(true).open(&self.path).unwrap();
        writeln!(file, "{what} in {}", process::id()).unwrap();
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.note("drop");
    }
}

fn transcript(stop: impl FnOnce(WitnessFrontend)) -> (String, u32) {
    let path = support::scratch_file("transcript");
    let witness = WitnessFrontend::spawn(process::id(), path.clone()).unwrap();
    let pid = witness.process().pid();
    witness.call().unwrap();
    witness.tell().unwrap();
    stop(witness);
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    (text, pid)
}

#[test]
fn everything_of_the_backend_happens_there_and_in_order() {
    let _watchdog = watchdog();
    if !support::has_processes() {
        return;
    }
    let steps = ["constructor", "started Witness", "method", "one-way", "stopped", "drop"];
    let (stopped, pid) = transcript(|witness| assert!(witness.stop().unwrap().is_clean()));
    assert_eq!(stopped, steps.map(|step| format!("{step} in {pid}\n")).concat());
    let (dropped, pid) = transcript(|witness| {
        let pid = witness.process().pid();
        drop(witness);
        support::eventually("the backend ends after its last frontend", || !support::processes::runs(pid));
    });
    assert_eq!(dropped, steps.map(|step| format!("{step} in {pid}\n")).concat());
}

/// Has methods named like those of the traits that its expansion implements.
pub struct Namesake;

#[process_actor]
impl Namesake {
    pub fn new() -> Self {
        Self
    }
    pub fn run(&self, n: u32) -> u32 {
        n
    }
    pub fn live(&self) -> &'static str {
        "live"
    }
    pub fn started(&self) -> bool {
        true
    }
    pub fn activate(&mut self, n: u32) -> u32 {
        n + 1
    }
    #[deactivate]
    fn deactivate(&self) {}
}

#[test]
fn methods_may_have_any_name() {
    let namesake = NamesakeFrontend::spawn().unwrap();
    assert_eq!(namesake.run(1).unwrap(), 1);
    assert_eq!(namesake.live().unwrap(), "live");
    assert!(namesake.started().unwrap());
    assert_eq!(namesake.activate(1).unwrap(), 2);
}
