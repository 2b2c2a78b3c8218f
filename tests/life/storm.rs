//! Many deaths at random moments under load: every call comes back, right or with an error that says why.
//! Not here: how fast (`times`).
//! Layer: over `actor`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use worker_core::{Builder, CallError, Restart};

use crate::actor::KeeperFrontend;

/// Threads that call.
const CALLERS: u64 = 8;
/// What the actor keeps in all its lives.
const KEPT: u64 = 0x9E37_79B9;
/// A call that is out for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kills the actor so many times while eight threads call it; an error if anything was wrong.
pub fn run(kills: u32) -> Result<(), Box<dyn Error>> {
    // What every program has once it has spawned is not left over from a death.
    KeeperFrontend::spawn(KEPT)?.stop()?;
    let before = left_over();
    let start = Instant::now();
    let (outcomes, wrong, restarts) = with_watch(|| storm(kills))?;
    let taken = start.elapsed();
    let after = settled(&before);

    println!("{kills} SIGKILLs at random moments under load from {CALLERS} threads, in {taken:.1?}:");
    for (outcome, count) in &outcomes {
        println!("  {count:>9}  {outcome}");
    }
    println!("  {restarts:>9}  restarts");
    println!("  {wrong:>9}  wrong answers");
    println!("  {:>9}  hanging calls", 0);
    for (what, count) in &after {
        println!("  {:>9}  {what} left over", count.saturating_sub(before[what]));
    }
    if wrong > 0 || after != before {
        return Err("something was wrong or left over".into());
    }
    Ok(())
}

type Outcomes = BTreeMap<&'static str, u64>;

fn storm(kills: u32) -> Result<(Outcomes, u64, u64), String> {
    let policy = Restart::on_crash().max(u32::MAX).within(PATIENCE).backoff(Duration::ZERO);
    let keeper = KeeperFrontend::spawn_with(&Builder::new().restart(policy), KEPT).map_err(text)?;
    let over = AtomicBool::new(false);
    let wrong = AtomicU64::new(0);
    let outcomes = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (keeper, over, wrong) = (&keeper, &over, &wrong);
                scope.spawn(move || call_until(over, keeper, caller, wrong))
            })
            .collect();
        let killed = kill_at_random(&keeper, kills);
        over.store(true, Ordering::Relaxed);
        let mut outcomes = Outcomes::new();
        for caller in callers {
            for (outcome, count) in caller.join().map_err(|_| "a caller panicked")?? {
                *outcomes.entry(outcome).or_default() += count;
            }
        }
        killed.map(|()| outcomes)
    })?;
    let restarts = keeper.process().restarts();
    keeper.stop().map_err(text)?;
    Ok((outcomes, wrong.into_inner(), restarts))
}

/// One caller: each of its answers can only be right for its own question.
fn call_until(
    over: &AtomicBool,
    keeper: &KeeperFrontend,
    caller: u64,
    wrong: &AtomicU64,
) -> Result<Outcomes, String> {
    let mut outcomes = Outcomes::new();
    let mut factor = caller;
    while !over.load(Ordering::Relaxed) {
        factor += CALLERS;
        let outcome = match keeper.times(factor) {
            Ok(answer) => {
                if answer != KEPT.wrapping_mul(factor) {
                    wrong.fetch_add(1, Ordering::Relaxed);
                }
                "answers"
            }
            Err(CallError::Exited(_)) => "errors: died with the request in flight",
            Err(CallError::NotSent(_)) => "errors: not sent",
            Err(other) => return Err(format!("no death explains {other:?}")),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    Ok(outcomes)
}

fn kill_at_random(keeper: &KeeperFrontend, kills: u32) -> Result<(), String> {
    let mut random = u64::from(std::process::id()) | 1;
    for _ in 0..kills {
        // Xorshift: any sequence will do that has no rhythm.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let until = Instant::now() + Duration::from_micros(random % 3000);
        // A life must have begun for its end to count; whoever calls next begins it.
        while !keeper.process().is_alive() || Instant::now() < until {
            thread::yield_now();
        }
        let pid = keeper.process().pid();
        keeper.process().kill().map_err(text)?;
        // Not `wait`: a caller may have begun the next life by then, which nobody would end.
        while keeper.process().pid() == pid && keeper.process().is_alive() {
            thread::yield_now();
        }
    }
    Ok(())
}

/// Ends the program if it hangs.
fn with_watch<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let (keep, dropped) = channel::<()>();
    let watch = thread::spawn(move || {
        if dropped.recv_timeout(10 * PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("a call hangs: it has not come back in {:?}", 10 * PATIENCE);
            std::process::abort();
        }
    });
    let result = run();
    drop(keep);
    watch.join().map_err(|_| "the watch panicked")?;
    result
}

/// What a death could leave behind, counted.
fn left_over() -> BTreeMap<&'static str, usize> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    BTreeMap::from([
        ("descriptors", fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)),
        ("shared mappings", maps.lines().filter(|line| line.contains("/memfd:")).count()),
        ("threads", fs::read_dir("/proc/self/task").map_or(0, Iterator::count)),
        ("processes", grandchildren()),
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

/// Children of the fork server, zombies too.
fn grandchildren() -> usize {
    let parents: Vec<(String, String)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().into_string().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.to_owned();
            Some((pid, parent))
        })
        .collect();
    let me = std::process::id().to_string();
    let children: Vec<&String> = parents.iter().filter(|(_, of)| *of == me).map(|(pid, _)| pid).collect();
    parents.iter().filter(|(_, of)| children.contains(&of)).count()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
