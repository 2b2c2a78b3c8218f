//! How long it takes: to be told of a death, to be rid of a hanging backend, to have another, to stop many.
//! Not here: whether anything goes wrong on the way (`storm`).
//! Layer: over `actor` and `report`.

use std::error::Error;
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use worker_core::{
    Builder, CallError, ExitReason, ForkServer, Group, OnTimeout, Restart, Strategy, stop_all,
};

use crate::Effort;
use crate::actor::KeeperFrontend;
use crate::report::{Goal, Report, Row, Series, Unit};

/// Threads that wait for a reply when their backend dies.
const WAITERS: usize = 8;
/// The deadline that kills.
const DEADLINE: Duration = Duration::from_millis(20);
/// Time that a slow actor takes to stop.
const STOP: Duration = Duration::from_secs(1);

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    KeeperFrontend::spawn(1)?.stop()?;
    let mut row = |figure: String, ours: Vec<f64>, bare: Option<(&str, Vec<f64>)>, goal| {
        let bare = bare.map(|(name, numbers)| (name.to_owned(), Series(numbers)));
        report.rows.push(Row { figure, unit: Unit::Microseconds, ours: Series(ours), bare, goal });
    };

    let late: Vec<f64> = (0..effort.rounds).map(|_| after_killing_deadline()).collect::<Result<_, _>>()?;
    let worst = late.iter().copied().fold(0.0, f64::max);
    row("error after a killing deadline".to_owned(), late, None, Goal::AtMost(5000.0));
    row("the same, the latest of all".to_owned(), vec![worst], None, Goal::AtMost(5000.0));

    let told: Vec<f64> = (0..effort.rounds).map(|_| death_to_last_waiter()).collect::<Result<_, _>>()?;
    row(format!("death to the last of {WAITERS} waiters"), told, None, Goal::AtMost(2000.0));

    let (mut again, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        plain.push(plain_spawn()?);
        again.push(restart()?);
    }
    let bare = Some(("plain spawn to first answer", plain));
    row("restart to first answer".to_owned(), again, bare, Goal::Times(3.0));

    let count = effort.restarts_in_a_row;
    for (whose, (first, last)) in
        [("a restart", restarts_in_a_row(count)?), ("a restart by a group", restarts_by_a_group(count)?)]
    {
        let bare = Some(("the first tenth of them", vec![first]));
        row(format!("{whose}, of the last tenth of {count}"), vec![last], bare, Goal::Times(2.0));
    }

    let stopped = stop_slow_ones(effort.slow_actors)?;
    let goal = Goal::AtMost(micros(STOP) * 1.5);
    row(format!("stop of {} that need 1 s each", effort.slow_actors), vec![stopped], None, goal);
    let forced = stop_stuck_ones(effort.slow_actors)?;
    // Its time to stop, and a second after SIGTERM.
    let goal = Goal::AtMost(micros(STOP) * 2.5);
    row(format!("stop of {} that never end, 1 s to stop", effort.slow_actors), vec![forced], None, goal);

    let (loaded, bare) = spawns_from_servers(effort.rounds)?;
    let bare = Some(("the same with nothing loaded", bare));
    row("spawn with 256 MiB preloaded, to first answer".to_owned(), loaded, bare, Goal::Times(1.5));
    Ok(())
}

fn after_killing_deadline() -> Result<f64, Box<dyn Error>> {
    let builder = Builder::new().call_timeout(DEADLINE).on_timeout(OnTimeout::Kill);
    let keeper = KeeperFrontend::spawn_with(&builder, 1)?;
    let start = Instant::now();
    match keeper.hang() {
        Err(CallError::TimedOut { killed: true }) => Ok(micros(start.elapsed().saturating_sub(DEADLINE))),
        other => Err(format!("a call that hangs came back with {other:?}").into()),
    }
}

fn death_to_last_waiter() -> Result<f64, Box<dyn Error>> {
    let keeper = KeeperFrontend::spawn(1)?;
    let ready = Barrier::new(WAITERS + 1);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                scope.spawn(|| {
                    ready.wait();
                    let result = keeper.hang();
                    let answered = Instant::now();
                    match result {
                        Err(CallError::Exited(_) | CallError::NotSent(_)) => Ok(answered),
                        other => Err(format!("a call to a killed backend came back with {other:?}")),
                    }
                })
            })
            .collect();
        ready.wait();
        // Time for all of them to wait; one that does not yet makes the figure no better.
        thread::sleep(Duration::from_millis(5));
        let killed = Instant::now();
        keeper.process().kill()?;
        let mut last = Duration::ZERO;
        for waiter in waiters {
            let answered = waiter.join().map_err(|_| "a waiter panicked")??;
            last = last.max(answered.saturating_duration_since(killed));
        }
        Ok(micros(last))
    })
}

fn plain_spawn() -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let keeper = KeeperFrontend::spawn(3)?;
    let answer = keeper.times(7)?;
    let taken = start.elapsed();
    keeper.stop()?;
    check(answer, taken)
}

fn restart() -> Result<f64, Box<dyn Error>> {
    let keeper = KeeperFrontend::spawn_with(&Builder::new().restart(Restart::on_crash()), 3)?;
    keeper.process().kill()?;
    keeper.process().wait();
    let start = Instant::now();
    let answer = keeper.times(7)?;
    let taken = start.elapsed();
    keeper.stop()?;
    check(answer, taken)
}

/// Time of a restart in the first and in the last tenth of many of one actor.
fn restarts_in_a_row(count: u32) -> Result<(f64, f64), Box<dyn Error>> {
    let restart = Restart::on_crash().max(u32::MAX).backoff(Duration::ZERO);
    let keeper = KeeperFrontend::spawn_with(&Builder::new().restart(restart), 3)?;
    let times = first_and_last_tenth(&keeper, count, || Ok(()))?;
    keeper.stop()?;
    Ok(times)
}

/// The same, by a supervisor.
fn restarts_by_a_group(count: u32) -> Result<(f64, f64), Box<dyn Error>> {
    let group = Group::new(Strategy::OneForOne).max(u32::MAX).backoff(Duration::ZERO);
    let keeper = group.permanent(&Builder::new(), |builder| KeeperFrontend::spawn_with(builder, 3))?;
    let times = first_and_last_tenth(&keeper, count, || match group.supervise_for(Duration::ZERO)? {
        true => Ok(()),
        false => Err("a group that supervises nobody".into()),
    })?;
    group.stop()?;
    Ok(times)
}

/// Mean times of a kill, what is done for it, and the next answer.
fn first_and_last_tenth(
    keeper: &KeeperFrontend,
    count: u32,
    mut supervise: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(f64, f64), Box<dyn Error>> {
    let mut tenths = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..count / 10 {
            keeper.process().kill()?;
            keeper.process().wait();
            supervise()?;
            check(keeper.times(7)?, Duration::ZERO)?;
        }
        tenths.push(micros(start.elapsed()) / f64::from(count / 10));
    }
    if keeper.process().restarts() != u64::from(count) {
        return Err(format!("{} restarts, not {count}", keeper.process().restarts()).into());
    }
    Ok((tenths[0], tenths[9]))
}

/// Of one server that has loaded much, and one that has loaded nothing, in turns.
fn spawns_from_servers(rounds: usize) -> Result<(Vec<f64>, Vec<f64>), Box<dyn Error>> {
    let servers = [ForkServer::with_preload(load_much)?, ForkServer::with_preload(|| {})?];
    let builders = servers.each_ref().map(|server| Builder::new().fork_server(server));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (builder, times) in builders.iter().zip(&mut times) {
            let start = Instant::now();
            let keeper = KeeperFrontend::spawn_with(builder, 3)?;
            let answer = keeper.times(7)?;
            let taken = start.elapsed();
            keeper.stop()?;
            times.push(check(answer, taken)?);
        }
    }
    let [loaded, bare] = times;
    Ok((loaded, bare))
}

static LOADED: OnceLock<Vec<u8>> = OnceLock::new();

fn load_much() {
    LOADED.get_or_init(|| vec![7; 256 << 20]);
}

fn check(answer: u64, taken: Duration) -> Result<f64, Box<dyn Error>> {
    if answer == 21 { Ok(micros(taken)) } else { Err(format!("three times seven is {answer}").into()) }
}

fn stop_slow_ones(count: usize) -> Result<f64, Box<dyn Error>> {
    let slow: Vec<_> = (0..count).map(|_| KeeperFrontend::spawn_slow(STOP)).collect::<Result<_, _>>()?;
    let start = Instant::now();
    let exits = stop_all(slow.iter().map(|keeper| &**keeper));
    let taken = start.elapsed();
    for exit in exits {
        let exit = exit?;
        if !exit.is_clean() {
            return Err(format!("a slow actor was not stopped in order: {exit}").into());
        }
    }
    Ok(micros(taken))
}

fn stop_stuck_ones(count: usize) -> Result<f64, Box<dyn Error>> {
    let builder = Builder::new().stop_timeout(STOP);
    let for_ever = Duration::from_secs(3600);
    let stuck: Vec<_> =
        (0..count).map(|_| KeeperFrontend::spawn_slow_with(&builder, for_ever)).collect::<Result<_, _>>()?;
    let start = Instant::now();
    let exits = stop_all(stuck.iter().map(|keeper| &**keeper));
    let taken = start.elapsed();
    for exit in exits {
        let exit = exit?;
        if !matches!(exit.reason, ExitReason::Signal { .. }) {
            return Err(format!("an actor that never ends was not ended by force: {exit}").into());
        }
    }
    Ok(micros(taken))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
