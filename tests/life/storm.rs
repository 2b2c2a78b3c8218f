//! Many deaths at random moments under load: every call comes back, right or with an error that says why.
//! Not here: how fast (`times`).
//! Layer: over `actor`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use worker_core::{Builder, CallError, Restart};

use crate::actor::KeeperFrontend;

/// Threads that call.
const CALLERS: u64 = 8;
/// What the actor keeps in all its lives.
const KEPT: u64 = 0x9E37_79B9;
/// A call that is out for so long hangs: it takes a death and a spawn, so some milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Kills the actor so many times while eight threads call it; an error if anything was wrong.
pub fn run(kills: u32) -> Result<(), Box<dyn Error>> {
    // What every program has once it has spawned is not left over from a death.
    KeeperFrontend::spawn(KEPT)?.stop()?;
    let before = left_over();
    let start = Instant::now();
    let seen = storm(kills)?;
    let taken = start.elapsed();
    let after = settled(&before);

    println!("{} SIGKILLs at random moments under load from {CALLERS} threads, in {taken:.1?}:", seen.kills);
    for (outcome, count) in &seen.outcomes {
        println!("  {count:>9}  {outcome}");
    }
    println!("  {:>9}  restarts", seen.restarts);
    println!("  {:>9}  wrong answers", seen.wrong);
    println!("  {:>9}  errors that no death explains", seen.strange.len());
    println!("  {:>9}  calls that hung: {PATIENCE:.0?} or longer", seen.hung);
    println!("  {:>9.1?}  the longest call of all", seen.longest);
    for (what, count) in &after {
        println!("  {:>9}  {what} left over", count.saturating_sub(before[what]));
    }
    seen.strange.iter().take(5).for_each(|error| println!("  no death explains: {error}"));
    if seen.kills < kills || seen.hung + seen.wrong > 0 || !seen.strange.is_empty() || after != before {
        return Err("something hung, was wrong or is left over".into());
    }
    Ok(())
}

/// What came of all calls.
#[derive(Debug, Default)]
struct Seen {
    outcomes: BTreeMap<&'static str, u64>,
    strange: Vec<String>,
    wrong: u64,
    hung: u64,
    longest: Duration,
    kills: u32,
    restarts: u64,
}

/// What the callers share with the killer.
struct Field {
    keeper: KeeperFrontend,
    over: AtomicBool,
    /// When the call that each caller has out was made; nothing between two calls.
    out: Vec<Mutex<Option<Instant>>>,
}

fn storm(kills: u32) -> Result<Seen, String> {
    let policy = Restart::on_crash().max(u32::MAX).backoff(Duration::ZERO);
    let keeper = KeeperFrontend::spawn_with(&Builder::new().restart(policy), KEPT).map_err(text)?;
    let out = (0..CALLERS).map(|_| Mutex::default()).collect();
    let field = Arc::new(Field { keeper, over: AtomicBool::new(false), out });
    let (sender, reports) = channel();
    // Not scoped: a caller that hangs is counted, and not waited for.
    for caller in 0..CALLERS {
        let (field, sender) = (Arc::clone(&field), sender.clone());
        thread::spawn(move || call_until_over(&field, caller, &sender));
    }
    drop(sender);
    let killed = field.kill_at_random(kills);
    field.over.store(true, Ordering::Relaxed);
    let mut seen = Seen { kills: killed?, restarts: field.keeper.process().restarts(), ..Seen::default() };
    let until = Instant::now() + PATIENCE;
    let mut silent = CALLERS;
    // Each that returns reports; the others have a call out that does not come back.
    while let Ok(report) = reports.recv_timeout(until.saturating_duration_since(Instant::now())) {
        seen.add(report);
        silent -= 1;
    }
    seen.hung += silent;
    if silent == 0 {
        field.keeper.stop().map_err(text)?;
    }
    Ok(seen)
}

impl Seen {
    fn add(&mut self, other: Self) {
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.strange.extend(other.strange);
        self.wrong += other.wrong;
        self.hung += other.hung;
        self.longest = self.longest.max(other.longest);
    }
}

/// One caller: each of its answers can only be right for its own question.
fn call_until_over(field: &Field, caller: u64, reports: &Sender<Seen>) {
    let mut seen = Seen::default();
    let out = &field.out[usize::try_from(caller).unwrap_or(0)];
    let mut factor = caller;
    while !field.over.load(Ordering::Relaxed) {
        factor += CALLERS;
        let start = Instant::now();
        *out.lock().unwrap_or_else(PoisonError::into_inner) = Some(start);
        let result = field.keeper.times(factor);
        *out.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let taken = start.elapsed();
        seen.longest = seen.longest.max(taken);
        seen.hung += u64::from(taken >= PATIENCE);
        let outcome = match result {
            Ok(answer) => {
                seen.wrong += u64::from(answer != KEPT.wrapping_mul(factor));
                "answers"
            }
            Err(CallError::Exited(_)) => "errors: died with the request in flight (`Exited`)",
            Err(CallError::NotSent(_)) => "errors: not sent (`NotSent`)",
            Err(other) => {
                seen.strange.push(other.to_string());
                "errors of other kinds"
            }
        };
        *seen.outcomes.entry(outcome).or_default() += 1;
    }
    // Nobody listens any more if it took too long, and then it has been counted.
    let _ = reports.send(seen);
}

impl Field {
    /// Says how often it has killed: less than it should have, where no call comes back to begin the next life.
    fn kill_at_random(&self, kills: u32) -> Result<u32, String> {
        let process = self.keeper.process();
        let mut random = u64::from(std::process::id()) | 1;
        for killed in 0..kills {
            // Xorshift: any sequence will do that has no rhythm.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let until = Instant::now() + Duration::from_micros(random % 3000);
            // A life must have begun for its end to count; whoever calls next begins it.
            while !process.is_alive() || Instant::now() < until {
                if self.is_stuck() {
                    return Ok(killed);
                }
                thread::yield_now();
            }
            let pid = process.pid();
            process.kill().map_err(text)?;
            // Not `wait`: a caller may have begun the next life by then, which nobody would end.
            while process.pid() == pid && process.is_alive() {
                thread::yield_now();
            }
        }
        Ok(kills)
    }

    /// Whether every caller has a call out that hangs.
    fn is_stuck(&self) -> bool {
        self.out.iter().all(|out| {
            let since = *out.lock().unwrap_or_else(PoisonError::into_inner);
            since.is_some_and(|since| since.elapsed() >= PATIENCE)
        })
    }
}

/// What a death could leave behind, counted.
fn left_over() -> BTreeMap<&'static str, usize> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    BTreeMap::from([
        ("descriptors", fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)),
        ("descriptors of the fork server", descriptors_of_children()),
        ("shared mappings", maps.lines().filter(|line| line.contains("/memfd:")).count()),
        ("threads", fs::read_dir("/proc/self/task").map_or(0, Iterator::count)),
        ("processes, zombies too", below_children().len()),
    ])
}

/// What is left over once what ends by itself had time to.
fn settled(wanted: &BTreeMap<&'static str, usize>) -> BTreeMap<&'static str, usize> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let now = left_over();
        if now == *wanted || Instant::now() > until {
            return now;
        }
        thread::yield_now();
    }
}

/// Process numbers, each with that of its parent.
fn parents() -> Vec<(String, String)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().into_string().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.to_owned();
            Some((pid, parent))
        })
        .collect()
}

/// Of this process: its fork server, and whatever else.
fn children() -> Vec<String> {
    let me = std::process::id().to_string();
    parents().into_iter().filter(|(_, of)| *of == me).map(|(pid, _)| pid).collect()
}

fn below_children() -> Vec<String> {
    let children = children();
    parents().into_iter().filter(|(_, of)| children.contains(of)).map(|(pid, _)| pid).collect()
}

fn descriptors_of_children() -> usize {
    let count = |pid: &String| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    children().iter().map(count).sum()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
