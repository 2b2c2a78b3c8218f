//! Too little memory for a ring: an error that says how much it takes, and never a signal.
//! Not here: a layout that no machine has the memory for (the library's own tests).
//! Layer: the public surface; each test has a program of its own, because limits are everybody's.

mod support;

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{SysconfVar, sysconf};
use support::watchdog;
use worker_core::frames::{self, FrameReader, FrameWriter, Layout, WriteError};
use worker_core::{Builder, CallError, Limits, process_actor};

const MEBIBYTE: usize = 1 << 20;
const LARGE: usize = 256 * MEBIBYTE;

fn ring(bytes: usize) -> std::io::Result<(FrameWriter<u8>, FrameReader<u8>)> {
    frames::ring(Layout::new([bytes / 4]).slots(4))
}

/// Writes and reads each slot from end to end, which shows that the memory is there.
fn assert_usable((mut writer, reader): (FrameWriter<u8>, FrameReader<u8>)) {
    for number in 1..=8 {
        writer.claim().unwrap().map(|mut claim| {
            claim.fill(number);
            claim.commit()
        });
        assert!(reader.recv().unwrap().iter().all(|&byte| byte == number));
    }
}

fn set_soft(resource: Resource, soft: u64) {
    let (_, hard) = getrlimit(resource).unwrap();
    setrlimit(resource, soft, hard).unwrap();
}

/// Bytes of address space that this process has.
fn address_space() -> u64 {
    let page_bytes = u64::try_from(sysconf(SysconfVar::PAGE_SIZE).unwrap().unwrap()).unwrap();
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').next().unwrap().parse::<u64>().unwrap() * page_bytes
}

#[test]
fn too_few_addresses_are_an_error_with_figures() {
    let _watchdog = watchdog();
    support::rerun::alone("too_few_addresses_are_an_error_with_figures", || {
        set_soft(Resource::RLIMIT_AS, address_space() + 64 * MEBIBYTE as u64);
        let error = ring(LARGE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        let text = error.to_string();
        assert!(text.starts_with("4 frames of shape [67108864] of `u8` take 2684"), "{text}");
        assert!(text.contains("could not be mapped"), "{text}");
        assert_usable(ring(MEBIBYTE).unwrap());
    });
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_no_signal() {
    let _watchdog = watchdog();
    support::rerun::alone("a_limit_of_file_sizes_is_an_error_and_no_signal", || {
        set_soft(Resource::RLIMIT_FSIZE, 4 * MEBIBYTE as u64);
        let error = ring(LARGE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("`ulimit -f`"), "{error}");
        assert_usable(ring(MEBIBYTE).unwrap());
    });
}

#[test]
fn too_few_descriptors_are_an_error_and_leave_nothing_open() {
    let _watchdog = watchdog();
    support::rerun::alone("too_few_descriptors_are_an_error_and_leave_nothing_open", || {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let before = support::processes::descriptors();
        // From the limit at which there can be none more to the one at which there can be all, each is met once.
        let (refusals, ring) = (0..)
            .find_map(|more| {
                setrlimit(Resource::RLIMIT_NOFILE, before.len() as u64 + more, hard).unwrap();
                let made = ring(MEBIBYTE);
                setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
                match made {
                    Ok(ring) => Some((more, ring)),
                    Err(error) => {
                        assert!(error.to_string().contains("Too many open files"), "{error}");
                        assert_eq!(support::processes::descriptors().len(), before.len());
                        None
                    }
                }
            })
            .unwrap();
        assert!(refusals >= 3, "a ring has more descriptors than {refusals}");
        assert_usable(ring);
    });
}

/// Is sent a reader.
pub struct Receiver {
    frames: Option<FrameReader<u8>>,
}

#[process_actor]
impl Receiver {
    pub fn new() -> Self {
        Self { frames: None }
    }

    pub fn take(&mut self, frames: FrameReader<u8>) {
        self.frames = Some(frames);
    }

    pub fn next(&self) -> Option<u8> {
        self.frames.as_ref()?.recv().ok().map(|frame| frame[0])
    }
}

#[test]
fn a_backend_without_the_addresses_refuses_the_end_and_lives() {
    let _watchdog = watchdog();
    let builder = Builder::new().limits(Limits::new().memory(64 * MEBIBYTE as u64));
    let receiver = ReceiverFrontend::spawn_with(&builder).unwrap();
    let (mut writer, reader) = ring(LARGE).unwrap();
    match receiver.take(reader) {
        Err(CallError::Decode(error)) => {
            assert!(error.to_string().contains("shared memory could not be mapped"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    // The end is gone, and its writer is told.
    let error = std::iter::repeat_with(|| writer.claim().map(drop)).take(1000).find_map(Result::err);
    assert!(matches!(error, Some(WriteError::NoReaders)), "{error:?}");
    let (mut writer, reader) = ring(MEBIBYTE).unwrap();
    receiver.take(reader).unwrap();
    writer.write(&[7; MEBIBYTE / 4]).unwrap();
    assert_eq!(receiver.next().unwrap(), Some(7));
}

#[test]
fn without_huge_pages_set_aside_there_are_ordinary_ones() {
    let _watchdog = watchdog();
    // More of them than anybody sets aside, and fewer bytes than any machine has.
    let layout = Layout::new([24 * MEBIBYTE]).slots(4).huge_pages(true);
    let set_aside =
        fs::read_to_string("/proc/sys/vm/nr_hugepages").map_or(0, |text| text.trim().parse().unwrap());
    let ring = frames::ring::<u8>(layout).unwrap();
    if set_aside == 0 {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        assert!(!smaps.contains("KernelPageSize:     2048"), "where did they come from?");
    }
    assert_usable(ring);
}

/// A control group, gone when the value is.
struct Group(PathBuf);

impl Group {
    /// Of either generation of them; `None` where this user may not.
    fn new(limit_bytes: usize) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        groups.lines().find_map(|line| {
            let (root, own, file) = match line.split_once(":memory:/") {
                Some((_, own)) => ("/sys/fs/cgroup/memory", own, "memory.limit_in_bytes"),
                None => ("/sys/fs/cgroup", line.strip_prefix("0::/")?, "memory.max"),
            };
            let path = PathBuf::from(root).join(own).join(format!("worker-tests-{}", process::id()));
            fs::create_dir(&path).ok()?;
            let group = Self(path);
            fs::write(group.0.join(file), limit_bytes.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

const GROUP_VARIABLE: &str = "WORKER_TESTS_GROUP";

#[test]
fn the_limit_of_a_control_group_is_an_error_with_figures() {
    const NAME: &str = "the_limit_of_a_control_group_is_an_error_with_figures";
    let _watchdog = watchdog();
    if support::rerun::is_copy_for(NAME) {
        let group = PathBuf::from(std::env::var_os(GROUP_VARIABLE).unwrap());
        fs::write(group.join("cgroup.procs"), process::id().to_string()).unwrap();
        let error = ring(LARGE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        let only = format!("and only {} are to be had", 64 * MEBIBYTE);
        assert!(error.to_string().contains(&only), "{error}");
        return assert_usable(ring(16 * MEBIBYTE).unwrap());
    }
    let Some(group) = Group::new(64 * MEBIBYTE) else {
        println!("{NAME}: SKIPPED, this user may make no control group with a limit of memory");
        return;
    };
    let (passed, text) =
        support::rerun::output_of(NAME, &[(GROUP_VARIABLE, group.0.to_str().expect("a plain path"))]);
    assert!(passed, "{text}");
}
