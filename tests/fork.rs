//! `StartMethod::Fork`, in a program of one thread: a test harness would have more.
//! Not here: the refusal in a program with threads (`start`).
//! Layer: the public surface.

mod support;

use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, process, thread};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use support::eventually;
use support::processes::{self, Entry};
use worker_core::frames::{self, FrameReader, FrameWriter, Layout, RecvError, WriteError};
use worker_core::{
    Builder, CallError, Context, ExitReason, Group, Handle, Limits, Link, Receiver,
    RecvError as ChannelRecvError, Restart, SendError, Sender, SpawnError, StartMethod, Strategy, channel,
    process_actor,
};

const LONG: Duration = Duration::from_secs(60);

pub struct Table {
    rows: Arc<Vec<u64>>,
}

#[process_actor]
impl Table {
    pub fn new(rows: u64) -> Self {
        Self { rows: Arc::new((0..rows).collect()) }
    }

    pub fn sum(&self) -> u64 {
        self.rows.iter().sum()
    }

    pub fn pid(&self) -> u32 {
        process::id()
    }

    pub fn parent(&self) -> u32 {
        std::os::unix::process::parent_id()
    }

    pub fn panic(&self) {
        panic!("on purpose")
    }

    pub fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }

    pub fn descriptors(&self) -> Vec<(i32, String)> {
        processes::descriptors()
    }

    pub fn nest(&self) -> Result<u64, String> {
        let nested = TableFrontend::spawn(4).map_err(|error| error.to_string())?;
        nested.sum().map_err(|error| error.to_string())
    }

    #[stopped]
    fn stopped(&mut self, context: &Context<Self>) {
        assert!(!context.name().is_empty());
    }
}

/// Names and bodies; run one after the other, in this very thread.
const TESTS: &[(&str, fn())] = &[
    ("a_fork_runs_the_constructor", a_fork_runs_the_constructor),
    ("a_closure_brings_the_state_of_the_program", a_closure_brings_the_state_of_the_program),
    ("no_frontend_is_held_by_a_fork", no_frontend_is_held_by_a_fork),
    ("no_end_of_a_ring_is_held_by_a_fork", no_end_of_a_ring_is_held_by_a_fork),
    ("an_end_that_came_along_has_no_part_in_its_ring", an_end_that_came_along_has_no_part_in_its_ring),
    ("no_end_of_a_channel_is_held_by_a_fork", no_end_of_a_channel_is_held_by_a_fork),
    ("an_end_of_a_channel_that_came_along_says_so", an_end_of_a_channel_that_came_along_says_so),
    ("a_frontend_that_came_along_is_of_no_use", a_frontend_that_came_along_is_of_no_use),
    ("a_fork_by_hand_has_no_part_in_any_conversation", a_fork_by_hand_has_no_part_in_any_conversation),
    ("a_fork_is_restarted_by_its_constructor", a_fork_is_restarted_by_its_constructor),
    ("a_closure_is_restarted_by_nobody", a_closure_is_restarted_by_nobody),
    ("members_of_a_group_may_be_forks", members_of_a_group_may_be_forks),
    ("limits_are_set_in_a_fork_too", limits_are_set_in_a_fork_too),
    ("every_end_is_told_and_reaped", every_end_is_told_and_reaped),
    ("threads_are_named", threads_are_named),
    ("nothing_outlives_the_program", nothing_outlives_the_program),
];

fn main() {
    if env::var_os("WORKER_START").is_some() {
        println!("these tests are about a start method, and another one is forced");
        return;
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "helper") {
        return helper();
    }
    let list = arguments.iter().any(|argument| argument == "--list");
    let ignored = arguments.iter().any(|argument| argument == "--ignored");
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in TESTS.iter().filter(|_| !ignored) {
        if list {
            println!("{name}: test");
        } else if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

fn forked() -> Builder {
    Builder::new().start(StartMethod::Fork)
}

fn a_fork_runs_the_constructor() {
    let table = TableFrontend::spawn_with(&forked().name("table"), 10).unwrap();
    assert_eq!(table.sum().unwrap(), 45);
    assert_eq!(table.pid().unwrap(), table.process().pid());
    assert_ne!(table.pid().unwrap(), process::id());
    let entry = Entry::of(table.process().pid()).unwrap();
    assert_eq!((entry.comm.as_str(), entry.group), ("table", entry.pid));
    assert_eq!(table.nest().unwrap(), 6);
    assert!(matches!(table.panic(), Err(CallError::Panicked(report)) if report.message == "on purpose"));
    assert!(table.stop().unwrap().is_clean());
    eventually("nothing is left", || processes::descendants(process::id()).is_empty());
}

fn a_closure_brings_the_state_of_the_program() {
    let rows: Arc<Vec<u64>> = Arc::new((0..4 << 20).collect());
    let expected: u64 = rows.iter().sum();
    let shared = Arc::clone(&rows);
    let table = TableFrontend::from(Handle::fork(&Builder::new(), move || Table { rows: shared }).unwrap());
    assert_eq!(table.sum().unwrap(), expected);
    // 32 MiB are there, and not twice.
    let usage = table.process().usage();
    assert!(usage.resident > 32 << 20 && usage.unique < 4 << 20, "{usage:?}");
    drop(rows);
    assert_eq!(table.sum().unwrap(), expected);
    assert!(table.stop().unwrap().is_clean());
    let failed = Handle::<Table>::fork(&Builder::new(), || panic!("no table"));
    assert!(matches!(failed, Err(SpawnError::Panicked(report)) if report.message == "no table"));
}

fn no_frontend_is_held_by_a_fork() {
    let first = TableFrontend::spawn(3).unwrap();
    let second = TableFrontend::spawn_with(&forked(), 3).unwrap();
    let pid = first.process().pid();
    drop(first);
    // Were an end of the first one's link open in the second, it would wait for ever.
    eventually("an actor ends with its last frontend", || !processes::runs(pid));
    assert_eq!(second.sum().unwrap(), 3);
    let kept = second.descriptors().unwrap();
    let sockets = kept.iter().filter(|(_, target)| target.starts_with("socket:")).count();
    // Its door; and its link, where that is a socket.
    let own = 1 + usize::from(env::var_os("WORKER_LINK").is_some_and(|link| link == "socket"));
    assert!(sockets <= own, "{kept:?}");
    assert!(second.stop().unwrap().is_clean());
}

fn no_end_of_a_ring_is_held_by_a_fork() {
    let (mut writer, reader) = frames::ring::<u8>(Layout::new([16])).unwrap();
    let table = TableFrontend::spawn_with(&forked(), 3).unwrap();
    let mapped = fs::read_to_string(format!("/proc/{}/maps", table.process().pid())).unwrap();
    assert!(!mapped.contains("worker-core frames"), "{mapped}");
    // Held in the fork as well, this end would not show to the other one that it is gone.
    drop(reader);
    assert!(matches!(writer.write(&[1; 16]), Err(WriteError::NoReaders)));

    let (writer, reader) = frames::ring::<u8>(Layout::new([16])).unwrap();
    let other = TableFrontend::spawn_with(&forked(), 3).unwrap();
    drop(writer);
    assert!(matches!(reader.recv(), Err(RecvError::WriterGone)));
    assert_eq!(table.sum().unwrap() + other.sum().unwrap(), 6);
}

/// Has ends of rings that it was not sent.
pub struct Stranger {
    writer: FrameWriter<u8>,
    reader: FrameReader<u8>,
}

#[process_actor]
impl Stranger {
    pub fn new(writer: FrameWriter<u8>, reader: FrameReader<u8>) -> Self {
        Self { writer, reader }
    }

    pub fn errors(&mut self) -> (String, String) {
        (self.writer.write(&[1; 16]).unwrap_err().to_string(), self.reader.recv().unwrap_err().to_string())
    }

    pub fn counts(&self) -> (u64, u64, usize) {
        (self.writer.counts().published, self.reader.taken(), self.writer.readers().len())
    }

    pub fn give_away(&mut self) -> FrameReader<u8> {
        let (_, reader) = frames::ring(Layout::new([16])).unwrap();
        std::mem::replace(&mut self.reader, reader)
    }
}

fn an_end_that_came_along_has_no_part_in_its_ring() {
    let (mut writer, reader) = frames::ring::<u8>(Layout::new([16])).unwrap();
    let (_, first_reader) = frames::ring::<u8>(Layout::new([16])).unwrap();
    let (first_writer, kept) = frames::ring::<u8>(Layout::new([16])).unwrap();
    writer.write(&[7; 16]).unwrap();
    let closure = move || Stranger { writer: first_writer, reader };
    let stranger = StrangerFrontend::from(Handle::fork(&Builder::new(), closure).unwrap());
    let (write_error, read_error) = stranger.errors().unwrap();
    assert!(write_error.contains("this writer is in another process"), "{write_error}");
    assert!(read_error.contains("this reader is in another process"), "{read_error}");
    assert_eq!(stranger.counts().unwrap(), (0, 0, 0));
    assert!(matches!(stranger.give_away(), Err(CallError::Encode(_))));
    assert!(stranger.stop().unwrap().is_clean());
    // The closure and what it had captured are gone here, and only that shows.
    assert!(matches!(kept.recv(), Err(RecvError::WriterGone)));
    assert!(matches!(writer.write(&[8; 16]), Err(WriteError::NoReaders)));
    drop(first_reader);
}

fn no_end_of_a_channel_is_held_by_a_fork() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let clone = sender.clone();
    let (other_sender, other_receiver) = channel::<u32>().unwrap();
    let table = TableFrontend::spawn_with(&forked(), 3).unwrap();
    sender.send(1).unwrap();
    drop((sender, clone, other_receiver));
    // Held in the fork as well, neither end would show to the other that it is gone.
    assert_eq!(receiver.recv_timeout(LONG).unwrap(), Some(1));
    assert!(matches!(receiver.recv_timeout(LONG), Err(ChannelRecvError::Disconnected)));
    assert!(matches!(other_sender.send_timeout(1, LONG), Err(SendError::Disconnected(1))));
    assert_eq!(table.sum().unwrap(), 3);
}

/// Has ends of channels that came along, and gets some as it should.
pub struct Listener {
    sender: Sender<u32>,
    receiver: Receiver<u32>,
}

#[process_actor]
impl Listener {
    pub fn new(sender: Sender<u32>, receiver: Receiver<u32>) -> Self {
        Self { sender, receiver }
    }

    pub fn errors(&self) -> (String, String) {
        (self.sender.send(1).unwrap_err().to_string(), self.receiver.recv().unwrap_err().to_string())
    }

    pub fn double(&self, from: Receiver<u32>, to: Sender<u32>) {
        from.iter().for_each(|value| to.send(2 * value).unwrap());
    }
}

fn an_end_of_a_channel_that_came_along_says_so() {
    let (sender, _receiver) = channel().unwrap();
    let (_sender, receiver) = channel().unwrap();
    let closure = move || Listener { sender, receiver };
    let listener = ListenerFrontend::from(Handle::fork(&Builder::new(), closure).unwrap());
    let errors = listener.errors().unwrap();
    for error in [errors.0, errors.1] {
        assert!(error.contains("give the backend its own as an argument"), "{error}");
    }
    let (numbers, from) = channel().unwrap();
    let (to, doubled) = channel().unwrap();
    let doubling = listener.double_async(from, to);
    numbers.send(21).unwrap();
    drop(numbers);
    assert_eq!(doubled.iter().collect::<Vec<_>>(), [42]);
    doubling.wait().unwrap();
    assert!(listener.stop().unwrap().is_clean());
}

/// Has a frontend that it was not sent.
pub struct Heir {
    table: Option<TableFrontend>,
}

#[process_actor]
impl Heir {
    pub fn new() -> Self {
        Self { table: None }
    }

    pub fn ask(&self) -> String {
        self.table.as_ref().unwrap().sum().unwrap_err().to_string()
    }
}

fn a_frontend_that_came_along_is_of_no_use() {
    let table = TableFrontend::spawn(10).unwrap();
    assert_eq!(table.sum().unwrap(), 45);
    let captured = table.clone();
    let heir =
        HeirFrontend::from(Handle::fork(&Builder::new(), move || Heir { table: Some(captured) }).unwrap());
    let error = heir.ask().unwrap();
    assert!(error.starts_with("the request was not sent: backend `Table`"), "{error}");
    assert!(heir.stop().unwrap().is_clean());
    assert_eq!(table.sum().unwrap(), 45, "the actor has noticed nothing of it");
}

fn a_fork_by_hand_has_no_part_in_any_conversation() {
    for link in [Link::SharedMemory, Link::Socket] {
        let table = TableFrontend::spawn_with(&Builder::new().link(link), 10).unwrap();
        assert_eq!(table.sum().unwrap(), 45);
        // SAFETY: this program has one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let refused = matches!(table.sum(), Err(CallError::NotSent(_)));
                // Also what a drop sends, and ends, is nobody's there.
                drop(table);
                // SAFETY: it ends this process and nothing else.
                unsafe { libc::_exit(i32::from(!refused)) }
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0), "{link:?}");
            }
        }
        assert_eq!(table.sum().unwrap(), 45, "the actor has noticed nothing of it");
        assert!(table.stop().unwrap().is_clean());
    }
}

fn restarting() -> Restart {
    Restart::on_crash().max(100).backoff(Duration::ZERO)
}

fn a_fork_is_restarted_by_its_constructor() {
    let table = TableFrontend::spawn_with(&forked().restart(restarting()), 10).unwrap();
    for lives in 1..=3 {
        let dead = table.pid().unwrap();
        table.process().kill().unwrap();
        assert_eq!(table.process().wait().pid, dead);
        assert_eq!(table.sum().unwrap(), 45);
        assert_eq!(table.process().restarts(), lives);
        assert!(table.parent().unwrap() != process::id() && table.pid().unwrap() != dead);
    }
    // Where threads run meanwhile, a restart is refused like a spawn, and says so.
    table.process().kill().unwrap();
    table.process().wait();
    let (keep, wait) = std::sync::mpsc::channel::<()>();
    let other = thread::Builder::new().name("busy".to_owned()).spawn(move || wait.recv()).unwrap();
    eventually("the thread has its name", || match TableFrontend::spawn_with(&forked(), 1) {
        Err(SpawnError::ThreadsRunning { threads }) => threads == ["busy"],
        other => panic!("{other:?}"),
    });
    match table.sum() {
        Err(CallError::NotSent(exit)) => {
            assert!(exit.given_up.is_some() && exit.to_string().contains("busy"), "{exit}");
        }
        other => panic!("{other:?}"),
    }
    drop(keep);
    let _ = other.join().unwrap();
    eventually("the thread is gone", || processes::threads() == 1);
    drop(table);
}

fn a_closure_is_restarted_by_nobody() {
    let make = || Table { rows: Arc::default() };
    let refused = Handle::<Table>::fork(&Builder::new().restart(restarting()), make).unwrap_err();
    assert!(refused.to_string().contains("the closure runs once"), "{refused}");
    let group = Group::new(Strategy::OneForOne);
    let spawn = |builder: &Builder| Handle::<Table>::fork(builder, make).map(TableFrontend::from);
    let refused = group.permanent(&Builder::new(), spawn).unwrap_err();
    assert!(refused.to_string().contains("the closure runs once"), "{refused}");
    // Without a policy it is dead when it is dead.
    let table = TableFrontend::from(Handle::fork(&Builder::new(), make).unwrap());
    table.process().kill().unwrap();
    table.process().wait();
    assert!(matches!(table.sum(), Err(CallError::NotSent(_))));
}

fn members_of_a_group_may_be_forks() {
    let group = Group::new(Strategy::OneForAll).max(100).backoff(Duration::ZERO);
    let spawn = |rows| {
        let make = move |builder: &Builder| TableFrontend::spawn_with(builder, rows);
        group.permanent(&forked(), make).unwrap()
    };
    let tables = [spawn(3), spawn(4)];
    let before = tables.each_ref().map(|table| table.pid().unwrap());
    tables[0].process().kill().unwrap();
    tables[0].process().wait();
    assert!(group.supervise_for(Duration::ZERO).unwrap());
    assert_eq!(tables.each_ref().map(|table| table.sum().unwrap()), [3, 6]);
    let after = tables.each_ref().map(|table| table.pid().unwrap());
    assert!(after.iter().all(|pid| !before.contains(pid)), "{before:?} {after:?}");
    group.stop().unwrap();
    drop(tables);
    eventually("nothing is left", || {
        let left = processes::descendants(process::id());
        left.iter().all(|entry| entry.comm.starts_with("fork-server"))
    });
}

fn limits_are_set_in_a_fork_too() {
    let limits = Limits::new().open_files(u64::MAX - 1);
    match TableFrontend::spawn_with(&forked().limits(limits), 1) {
        Err(SpawnError::Io(error)) => assert!(error.to_string().contains("open files"), "{error}"),
        other => panic!("{other:?}"),
    }
    let table = TableFrontend::spawn_with(&forked().nice(3), 1).unwrap();
    assert_eq!(table.sum().unwrap(), 0);
}

fn every_end_is_told_and_reaped() {
    let table = TableFrontend::spawn_with(&forked(), 1).unwrap();
    let watcher = table.parent().unwrap();
    table.process().kill().unwrap();
    let exit = table.process().wait();
    assert_eq!(exit.reason, ExitReason::Signal { signal: Signal::SIGKILL as i32, core_dumped: false });
    // Told, and so reaped; the watcher too.
    assert_eq!((Entry::of(table.process().pid()), Entry::of(watcher)), (None, None));

    // A watcher that is killed takes its backend with it.
    let table = TableFrontend::spawn_with(&forked(), 1).unwrap();
    processes::signal(table.parent().unwrap(), Signal::SIGKILL);
    assert!(matches!(table.spin(), Err(CallError::Exited(_) | CallError::NotSent(_))));
    assert_eq!(table.process().wait().reason, ExitReason::Unknown);

    // One that is merely dropped is reaped by the next spawn.
    drop(TableFrontend::spawn_with(&forked(), 1).unwrap());
    eventually("dropped actors leave nothing", || {
        drop(TableFrontend::spawn(1).unwrap());
        let left = processes::descendants(process::id());
        left.iter().all(|entry| !entry.comm.starts_with("watcher"))
    });
}

fn threads_are_named() {
    let (keep, wait) = std::sync::mpsc::channel::<()>();
    let other = thread::Builder::new().name("busy".to_owned()).spawn(move || wait.recv()).unwrap();
    eventually("the thread has its name", || match TableFrontend::spawn_with(&forked(), 1) {
        Err(SpawnError::ThreadsRunning { threads }) => threads == ["busy"],
        other => panic!("{other:?}"),
    });
    drop(keep);
    let _ = other.join().unwrap();
    eventually("the thread is gone", || processes::threads() == 1);
    assert!(TableFrontend::spawn_with(&forked(), 1).is_ok());
}

/// A program that prints its backend's process id, and is killed while that works.
fn helper() {
    let table = TableFrontend::spawn_with(&forked(), 1).unwrap();
    println!("{} {}", table.process().pid(), table.parent().unwrap());
    let _ = table.spin();
}

fn nothing_outlives_the_program() {
    use std::io::{BufRead, BufReader};
    let mut command = process::Command::new(env::current_exe().unwrap());
    let mut helper = command.arg("helper").stdout(process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(helper.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<u32> = line.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() == 2 && pids.iter().all(|&pid| processes::runs(pid)), "{line}");
    helper.kill().unwrap();
    helper.wait().unwrap();
    eventually("backend and watcher end with the program", || pids.iter().all(|&pid| !processes::runs(pid)));
}
