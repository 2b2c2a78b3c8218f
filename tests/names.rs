//! What a backend looks like from outside, and what it starts with: title, usage, directory, signals.
//! Not here: what it does.
//! Layer: the public surface.

mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use support::{processes, rerun, watchdog};
use worker_core::{Builder, process_actor};

/// Tells about its process.
pub struct Mole {
    hoard: Vec<u8>,
}

#[process_actor]
impl Mole {
    pub fn new() -> Self {
        Self { hoard: Vec::new() }
    }

    pub fn directory(&self) -> PathBuf {
        std::env::current_dir().unwrap()
    }

    pub fn directory_of_child(&self) -> String {
        output_of(Command::new("pwd").arg("-P"))
    }

    pub fn status(&self) -> String {
        fs::read_to_string("/proc/self/status").unwrap()
    }

    pub fn status_of_child(&self) -> String {
        output_of(Command::new("cat").arg("/proc/self/status"))
    }

    pub fn hoard(&mut self, bytes: usize) {
        self.hoard = vec![1; bytes];
    }

    pub fn work_for(&self, time: Duration) -> Duration {
        let processor_time = || Duration::from_nanos(processor_nanoseconds());
        while processor_time() < time {
            std::hint::black_box(self.hoard.iter().take(1000).filter(|&&byte| byte == 1).count());
        }
        processor_time()
    }

    pub fn start_thread(&self) {
        std::thread::spawn(|| {
            loop {
                std::thread::park()
            }
        });
    }
}

fn output_of(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// First field of `/proc/self/schedstat`: time on a processor.
fn processor_nanoseconds() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

fn comm(pid: u32) -> Vec<u8> {
    let comm = fs::read(format!("/proc/{pid}/comm")).unwrap();
    comm.strip_suffix(b"\n").unwrap().to_vec()
}

/// The command line as `ps` shows it, without the zero bytes around it.
fn command_line(pid: u32) -> Vec<u8> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes[..end].to_vec()
}

#[test]
fn the_name_shows_right_after_spawn() {
    let _watchdog = watchdog();
    for _ in 0..50 {
        let mole = MoleFrontend::spawn().unwrap();
        assert_eq!(comm(mole.process().pid()), b"Mole");
        assert_eq!(command_line(mole.process().pid()), b"Mole");
        let mole = MoleFrontend::spawn_with(&Builder::new().name("decoder-1 of camera 7")).unwrap();
        assert_eq!(comm(mole.process().pid()), b"decoder-1 of ca");
        assert_eq!(command_line(mole.process().pid()), b"decoder-1 of camera 7");
    }
}

#[test]
fn names_of_different_lengths_do_not_mix() {
    let _watchdog = watchdog();
    for length in [200, 1, 14, 15, 16, 17, 100, 3] {
        let name = "n".repeat(length);
        let mole = MoleFrontend::spawn_with(&Builder::new().name(&name)).unwrap();
        assert_eq!(comm(mole.process().pid()), name.as_bytes()[..length.min(15)]);
        assert_eq!(command_line(mole.process().pid()), name.as_bytes());
    }
}

#[test]
fn odd_names_are_shown_as_far_as_the_system_can() {
    let _watchdog = watchdog();
    let long = "0123456789".repeat(30);
    for name in ["", " ", "a b\tc\n", "Zähler-ü-ß-ł-日本語", "nul\0inside", "%s%n\\", long.as_str()] {
        let mole = MoleFrontend::spawn_with(&Builder::new().name(name)).unwrap();
        let shown: Vec<u8> = name.bytes().filter(|&byte| byte != 0).collect();
        assert_eq!(comm(mole.process().pid()), shown[..shown.len().min(15)]);
        let line = command_line(mole.process().pid());
        assert!(shown.starts_with(&line), "{name:?} {:?}", String::from_utf8_lossy(&line));
        assert!(line.len() >= shown.len().min(250), "{name:?} {:?}", String::from_utf8_lossy(&line));
        assert_eq!(mole.process().name(), name, "the program keeps it whole");
        let exit = mole.stop().unwrap();
        assert_eq!((exit.is_clean(), exit.name.as_str()), (true, name));
    }
}

#[test]
fn usage_agrees_with_the_kernel() {
    let _watchdog = watchdog();
    let mole = MoleFrontend::spawn().unwrap();
    mole.hoard(0).unwrap();
    let pid = mole.process().pid();
    let rollup = |name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
    };
    let kernel = || (rollup("Rss"), rollup("Private_Clean") + rollup("Private_Dirty"), rollup("Swap"));
    // A page that the fork server writes to just now stops being shared, and is the backend's own from
    // then on: so what counts is a look between two that agree.
    let usage = loop {
        let before = kernel();
        let usage = mole.process().usage();
        if before == kernel() {
            assert_eq!((usage.resident, usage.unique, usage.swap), before);
            break usage;
        }
    };
    assert_eq!(usage.open_files, processes::descriptors_of(pid).len() as u64);
    assert_eq!(usage.threads, 1);
    assert!(usage.proportional <= usage.resident && usage.unique <= usage.proportional, "{usage:?}");
    mole.hoard(50 << 20).unwrap();
    let more = mole.process().usage();
    // A page of before may be given back, or be shared with a process forked since.
    assert!(more.unique - usage.unique >= 49 << 20, "{usage:?} {more:?}");
    assert!(more.resident - usage.resident >= 49 << 20, "{usage:?} {more:?}");
    mole.start_thread().unwrap();
    assert_eq!(mole.process().usage().threads, 2);
    let worked = mole.work_for(Duration::from_millis(300)).unwrap();
    let shown = mole.process().usage().cpu;
    // In ticks of ten milliseconds, which the kernel scales from what it knows exactly.
    assert!(shown + Duration::from_millis(40) >= worked, "{shown:?} {worked:?}");
    drop(mole.stop().unwrap());
    assert_eq!(mole.process().usage(), Default::default());
}

#[test]
fn the_working_directory_follows_the_program() {
    let _watchdog = watchdog();
    rerun::alone("the_working_directory_follows_the_program", || {
        let first = MoleFrontend::spawn().unwrap();
        let home = std::env::current_dir().unwrap();
        assert_eq!(first.directory().unwrap(), home);
        let scratch = support::scratch_file("directory").join("deeper ä");
        fs::create_dir_all(&scratch).unwrap();
        let scratch = scratch.canonicalize().unwrap();
        std::env::set_current_dir(&scratch).unwrap();
        let second = MoleFrontend::spawn().unwrap();
        assert_eq!(second.directory().unwrap(), scratch);
        assert_eq!(second.directory_of_child().unwrap().trim_end(), scratch.to_str().unwrap());
        assert_eq!(first.directory().unwrap(), home, "a backend that lives stays where it is");
        std::env::set_current_dir("/").unwrap();
        assert_eq!(MoleFrontend::spawn().unwrap().directory().unwrap(), Path::new("/"));
        // A directory that is gone by now is no obstacle.
        std::env::set_current_dir(&scratch).unwrap();
        fs::remove_dir_all(scratch.parent().unwrap()).unwrap();
        assert!(MoleFrontend::spawn().unwrap().stop().unwrap().is_clean());
    });
}

extern "C" fn ignore(_signal: i32) {}

/// The masks in `/proc/PID/status`: blocked, ignored, caught; without 32 and 33, which are the C
/// library's own and come as they are.
fn signal_masks(status: &str) -> [u64; 3] {
    ["SigBlk:", "SigIgn:", "SigCgt:"].map(|name| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(value.trim(), 16).unwrap() & !(0b11 << 31)
    })
}

#[test]
fn signals_of_the_program_are_reset() {
    let _watchdog = watchdog();
    rerun::alone("signals_of_the_program_are_reset", || {
        // SAFETY: ignoring runs no code.
        unsafe { signal(Signal::SIGUSR1, SigHandler::SigIgn) }.unwrap();
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGRTMIN() + 3, libc::SIG_IGN) };
        // SAFETY: the handler does nothing.
        unsafe { signal(Signal::SIGUSR2, SigHandler::Handler(ignore)) }.unwrap();
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGHUP);
        blocked.add(Signal::SIGTERM);
        blocked.thread_block().unwrap();
        let mole = MoleFrontend::spawn().unwrap();
        let bit = |signal: Signal| 1_u64 << (signal as i32 - 1);
        // A write to a closed pipe is an error in Rust programs, a used-up stack is told as such, and
        // everything else is as at the start.
        let stack = bit(Signal::SIGSEGV) | bit(Signal::SIGBUS);
        assert_eq!(signal_masks(&mole.status().unwrap()), [0, bit(Signal::SIGPIPE), stack]);
        assert_eq!(signal_masks(&mole.status_of_child().unwrap()), [0, 0, 0]);
        let mut masks = signal_masks(&fs::read_to_string("/proc/thread-self/status").unwrap());
        masks[0] &= 1 << (Signal::SIGTERM as i32 - 1);
        assert_ne!(masks[0], 0, "the program's own are as it left them");
    });
}

#[test]
fn the_terminals_group_is_the_programs_alone() {
    let _watchdog = watchdog();
    const NAME: &str = "the_terminals_group_is_the_programs_alone";
    if rerun::is_copy_for(NAME) {
        let mole = MoleFrontend::spawn().unwrap();
        let own = std::process::id();
        let family = processes::descendants(own);
        assert_eq!(family.len(), 2);
        for entry in family {
            assert_eq!(entry.group, entry.pid, "each leads a group of its own");
        }
        return drop(mole.stop().unwrap());
    }
    assert!(rerun::copy_of(NAME).process_group(0).stdout(Stdio::null()).status().unwrap().success());
}
