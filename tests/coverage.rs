//! Backends that end in order write their coverage profiles, each for itself or together; a killed one writes none.
//! Not here: everything in one process, which is the other way to see it all (`WORKER_START=thread`).
//! Layer: the public surface, in a program built for coverage; `.ci/run coverage` builds it so, and runs this.

mod support;

use std::fs;
use std::path::PathBuf;

use support::processes::Entry;
use support::{eventually, rerun, scratch_file, watchdog};
use worker_core::{Builder, Context, StartMethod, process_actor};

/// Where the profiles of the copy lie.
const FOLDER: &str = "WORKER_TESTS_PROFILES";

pub struct Counted {
    calls: u64,
}

#[process_actor]
impl Counted {
    pub fn new() -> Self {
        Self { calls: 0 }
    }

    pub fn count(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    pub fn finish(&self, context: &Context<Self>) {
        context.stop();
    }
}

/// The profile that a process has written, or the first of those whose names begin with its number.
fn profile_of(pid: u32) -> Option<Vec<u8>> {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the copy is told"));
    let begins = format!("{pid}-");
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let file = files.find(|file| file.file_name().to_string_lossy().starts_with(&begins))?;
    Some(fs::read(file.path()).unwrap()).filter(|bytes| !bytes.is_empty())
}

fn by(method: StartMethod) -> CountedFrontend {
    CountedFrontend::spawn_with(&Builder::new().start(method)).unwrap()
}

#[test]
#[ignore = "needs a program built for coverage; run it by `.ci/run coverage`"]
fn backends_that_end_in_order_write_their_profiles() {
    const NAME: &str = "backends_that_end_in_order_write_their_profiles";
    let _watchdog = watchdog();
    if rerun::is_copy_for(NAME) {
        fresh_images();
        return forks();
    }
    let folder = scratch_file("profiles");
    fs::create_dir(&folder).unwrap();
    let mut command = rerun::copy_of(NAME);
    command.arg("--ignored").env(FOLDER, &folder).env("LLVM_PROFILE_FILE", folder.join("%p-%m.profraw"));
    let (passed, text) = rerun::finish(command);
    fs::remove_dir_all(folder).unwrap();
    assert!(passed && text.contains("1 passed"), "{text}");
    println!("{}", text.lines().filter(|line| line.starts_with("coverage:")).collect::<Vec<_>>().join("\n"));
}

/// Each is a program of its own, with a profile of its own.
fn fresh_images() {
    let (stopped, dropped, finished, killed) =
        (by(StartMethod::Exec), by(StartMethod::Exec), by(StartMethod::Exec), by(StartMethod::Exec));
    let pids = [&stopped, &dropped, &finished, &killed].map(|counted| counted.process().pid());
    for counted in [&stopped, &dropped, &finished, &killed] {
        assert_eq!(counted.count().unwrap(), 1);
    }
    assert!(pids.iter().all(|&pid| profile_of(pid).is_none()), "none is written before the end");
    assert!(stopped.stop().unwrap().is_clean());
    finished.finish().unwrap();
    assert!(finished.process().wait().is_clean());
    drop(dropped);
    eventually("each that ends in order has written", || {
        pids[..3].iter().all(|&pid| profile_of(pid).is_some())
    });
    killed.process().kill().unwrap();
    killed.process().wait();
    assert!(profile_of(pids[3]).is_none(), "one that is killed writes nothing");
    println!("\ncoverage: a fresh image has written {} bytes", profile_of(pids[0]).unwrap().len());
}

/// What is forked by one server adds up in one file, for the program's number was taken when the server started.
fn forks() {
    let counted = [by(StartMethod::ForkServer), by(StartMethod::ForkServer), by(StartMethod::ForkServer)];
    let server = Entry::of(counted[0].process().pid()).unwrap().parent;
    assert!(profile_of(server).is_none());
    let mut before = None;
    for counted in counted {
        assert_eq!(counted.count().unwrap(), 1);
        assert!(counted.stop().unwrap().is_clean());
        let profile = profile_of(server);
        assert!(profile.is_some() && profile != before, "its counts are added");
        before = profile;
    }
    println!("\ncoverage: forks of one server have written {} bytes together", before.unwrap().len());
}
