//! The three lines of the guide by which a program ends on Ctrl-C or SIGTERM: its actors stop in order, and its exit
//! status is the one that shells expect.
//! Not here: that backends do not get the signal themselves (`outlive`).
//! Layer: the public surface, in a program of one thread: a test harness would have more.

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use nix::sys::signal::{SigSet, Signal, killpg};
use support::{processes, scratch_file, watchdog};
use worker_core::{process_actor, stop_all};

/// As a runner of tests knows it.
const NAME: &str = "signals_stop_all_and_tell_the_shell";

pub struct Worker {
    noted: PathBuf,
}

#[process_actor]
impl Worker {
    pub fn new(noted: &Path) -> Self {
        Self { noted: noted.to_owned() }
    }

    #[stopped]
    fn note(&mut self) {
        fs::write(&self.noted, "in order").unwrap();
    }
}

/// What the guide says; a check below compares.
fn program(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    let (one, two) = (WorkerFrontend::spawn(&folder.join("1"))?, WorkerFrontend::spawn(&folder.join("2"))?);
    println!("ready");

    let signal = signals.wait()?; // sleeps until one of them comes
    let exits = stop_all([&*one, &*two]); // asks all, then waits for each
    assert!(exits.into_iter().all(|exit| exit.is_ok_and(|exit| exit.is_clean())));
    std::process::exit(128 + signal as i32) // 130 or 143, as a shell expects
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [word, folder] = arguments.as_slice()
        && word == "program"
    {
        return program(Path::new(folder)).unwrap();
    }
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            println!("{NAME}: test");
        }
        return;
    }
    let wanted = arguments.iter().filter(|argument| !argument.starts_with('-'));
    if wanted.clone().count() > 0 && !wanted.clone().any(|wanted| NAME.contains(wanted.as_str())) {
        return;
    }
    if !support::has_processes() {
        return println!("a thread has no process to stop");
    }
    let _watchdog = watchdog();
    the_guide_says_the_same();
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let folder = scratch_file("ctrl_c");
        fs::create_dir(&folder).unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .arg("program")
            .arg(&folder)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        // To the whole group, as the terminal does it.
        killpg(processes::to_pid(child.id()), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status), "{signal}");
        for number in ["1", "2"] {
            assert_eq!(fs::read_to_string(folder.join(number)).unwrap(), "in order");
        }
        fs::remove_dir_all(folder).unwrap();
    }
    println!("test {NAME} ... ok");
}

/// Each line of the block stands here word for word, but for the spaces that keep remarks in line.
fn the_guide_says_the_same() {
    const GUIDE: &str = include_str!("../docs/guide.md");
    const THIS: &str = include_str!("ctrl_c.rs");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let here: Vec<_> = THIS.lines().map(words).collect();
    let section = GUIDE.split("\n## Ctrl-C\n").nth(1).and_then(|text| text.split("\n## ").next()).unwrap();
    let lines = section.lines().filter(|line| {
        ["let signal", "signals.thread_block", "let exits", "std::process::exit"]
            .iter()
            .any(|start| line.trim_start().starts_with(start))
    });
    let missing: Vec<_> = lines.clone().filter(|line| !here.contains(&words(line))).collect();
    assert!(missing.is_empty() && lines.count() == 5, "not here as in the guide: {missing:?}");
}
