//! What a call costs in things that can be counted, so that a slower change is seen on any machine: instructions by
//! callgrind, and system calls by strace. Not here: time (`figures`) and allocations (`costs`, an ordinary test).
//! Layer: a program that runs itself under the two tools.
//!
//! `cargo bench -p tests --bench guard` compares with `guard/counts.txt`; `-- --bless` writes it anew. Each case runs
//! twice, with few calls and with many: the difference is what calls cost, without what comes before and after.

#[path = "guard/restarts.rs"]
mod restarts;
#[path = "guard/scale.rs"]
mod scale;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs, thread};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use worker_core::{Builder, StartMethod, process_actor};

const COUNTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guard/counts.txt");
/// How much a count may grow. Sleeps and wake-ups fall a little differently each time.
const TOLERANCE: f64 = 1.10;
const FEW: u32 = 500;
const MANY: u32 = 2500;
/// Calls from idle take their time.
const FEW_IDLE: u32 = 50;
const MANY_IDLE: u32 = 250;
/// Two on each side: one to wake the other, one to sleep.
const MOST_SYSTEM_CALLS_FROM_IDLE: f64 = 4.0;

/// Answers.
pub struct Answerer {
    total: i64,
}

#[process_actor]
impl Answerer {
    pub fn new() -> Self {
        Self { total: 0 }
    }
    pub fn add(&mut self, n: i64) -> i64 {
        self.total += n;
        self.total
    }
    pub fn greet(&self, name: &str) -> String {
        format!("hello, {name}")
    }
    pub fn length(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }
    pub fn end(&self) {
        std::process::exit(1)
    }
    #[oneway]
    pub fn note(&mut self, n: i64) {
        self.total += n;
    }
}

type Case = fn(&AnswererFrontend, u32) -> Result<(), Box<dyn Error>>;

/// What is counted in instructions, both sides together.
const CASES: [(&str, Case); 4] = [
    ("call", |answerer, calls| {
        for n in 1..=i64::from(calls) {
            assert_eq!(answerer.add(1)?, n);
        }
        Ok(())
    }),
    ("call with text", |answerer, calls| {
        for _ in 0..calls {
            assert_eq!(answerer.greet("somebody")?, "hello, somebody");
        }
        Ok(())
    }),
    ("call with 64 KiB", |answerer, calls| {
        let bytes = vec![7; 64 << 10];
        for _ in 0..calls {
            assert_eq!(answerer.length(&bytes)?, bytes.len());
        }
        Ok(())
    }),
    ("one-way message", |answerer, calls| {
        for _ in 0..calls {
            answerer.note(1)?;
        }
        assert_eq!(answerer.add(0)?, i64::from(calls));
        Ok(())
    }),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        // `cargo bench` puts its own word behind them.
        ["--case", case, calls] | ["--case", case, calls, "--bench"] => run_case(case, calls),
        words if words.contains(&"--bench") => guard(words.contains(&"--bless")),
        // Under `cargo test --benches`.
        _ => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One case, as it runs under a tool.
fn run_case(case: &str, calls: &str) -> Result<(), Box<dyn Error>> {
    // On one processor nobody spins, and a spin is as long as the other side is slow.
    stay_on_one_processor()?;
    let calls = calls.parse()?;
    if case == restarts::CASE {
        return restarts::run(calls);
    }
    if scale::run(case, calls)? {
        return Ok(());
    }
    if case == "idle" {
        let answerer = AnswererFrontend::spawn()?;
        for n in 1..=calls {
            thread::sleep(Duration::from_millis(1));
            assert_eq!(answerer.add(1)?, i64::from(n));
        }
        answerer.stop()?;
        return Ok(());
    }
    let (_, work) = CASES.iter().find(|(name, _)| *name == case).ok_or("no such case")?;
    // Both sides in one process, so that both are counted.
    let answerer = AnswererFrontend::spawn_with(&Builder::new().start(StartMethod::Thread))?;
    work(&answerer, calls)?;
    answerer.stop()?;
    Ok(())
}

fn stay_on_one_processor() -> nix::Result<()> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let first = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap_or(false)).unwrap_or(0);
    let mut only = CpuSet::new();
    only.set(first)?;
    sched_setaffinity(Pid::from_raw(0), &only)
}

fn guard(bless: bool) -> Result<(), Box<dyn Error>> {
    let mut failures = Vec::new();
    if is_there("valgrind") {
        instructions(bless, &mut failures)?;
    } else {
        println!("SKIPPED: no valgrind here, so no instruction is counted");
    }
    if is_there("strace") {
        let per_call = per_call(FEW_IDLE, MANY_IDLE, |calls| system_calls("idle", calls))?;
        println!("system calls of a call from idle, both sides: {per_call:.2}");
        if per_call > MOST_SYSTEM_CALLS_FROM_IDLE + 0.2 {
            failures.push(format!("a call from idle makes {per_call:.2} system calls"));
        }
    } else {
        println!("SKIPPED: no strace here, so no system call is counted");
    }
    restarts::guard(&mut failures)?;
    scale::guard(&mut failures)?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}

fn is_there(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn per_call(
    few: u32,
    many: u32,
    mut count: impl FnMut(u32) -> Result<u64, Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let difference = count(many)?.saturating_sub(count(few)?);
    Ok(difference as f64 / f64::from(many - few))
}

fn instructions(bless: bool, failures: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    let (built_by, wanted) = read_counts()?;
    let compiler = compiler();
    let same_compiler = built_by == compiler;
    if !same_compiler && !bless {
        println!("counted with `{compiler}`, compared with `{built_by}`: told, not judged");
    }
    let mut counts = format!("# instructions of a call, both sides; {compiler}\n");
    for (case, _) in CASES {
        let found = per_call(FEW, MANY, |calls| callgrind(case, calls))?;
        let _ = writeln!(counts, "{case}: {found:.0}");
        let wanted = wanted.get(case).copied();
        println!("instructions of a {case}: {found:.0}, was {}", wanted.unwrap_or(f64::NAN));
        if !bless && same_compiler && wanted.is_none_or(|wanted| found > wanted * TOLERANCE) {
            failures.push(format!("a {case} takes {found:.0} instructions (`-- --bless` accepts)"));
        }
    }
    if bless {
        fs::create_dir_all(Path::new(COUNTS).parent().ok_or("no folder")?)?;
        fs::write(COUNTS, counts)?;
    }
    Ok(())
}

/// The compiler that the counts were made with, and the counts.
fn read_counts() -> Result<(String, BTreeMap<String, f64>), Box<dyn Error>> {
    let text = fs::read_to_string(COUNTS).unwrap_or_default();
    let compiler = text.lines().next().and_then(|line| line.split_once("; ")).map_or("", |(_, name)| name);
    let count = |line: &str| -> Option<(String, f64)> {
        let (case, count) = line.split_once(": ")?;
        Some((case.to_owned(), count.parse().ok()?))
    };
    Ok((compiler.to_owned(), text.lines().filter_map(count).collect()))
}

fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Instructions of this program with so many calls.
fn callgrind(case: &str, calls: u32) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--case", case, &calls.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected =
        text.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count.trim());
    match collected.and_then(|count| count.parse().ok()) {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("callgrind, {case}: {text}").into()),
    }
}

/// System calls of this program and of its backend with so many calls, without the sleeps between the calls.
fn system_calls(case: &str, calls: u32) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=!clock_nanosleep", "-e", "signal=none"])
        .arg(env::current_exe()?)
        .args(["--case", case, &calls.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("strace: {text}").into());
    }
    // One that was interrupted by another process's line is told twice.
    Ok(text.lines().filter(|line| !line.contains("resumed>")).count() as u64)
}
