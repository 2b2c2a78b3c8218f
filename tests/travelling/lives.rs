//! How long an actor lives that is held elsewhere, and what its holders are told of its end.
//! Not here: holders that are killed or take nothing in (`faults`).
//! Layer: tests only, through the public surface.

use std::thread;
use std::time::Duration;

use worker_core::{Builder, CallError, ExitReason, Restart, process_actor};

use super::{CounterFrontend, HolderFrontend, LINKS, over};
use crate::support::{eventually, has_processes, processes, watchdog};

#[test]
fn the_reply_of_the_call_that_ends_an_actor_comes_whole() {
    let _watchdog = watchdog();
    for link in LINKS {
        for is_given in [false, true] {
            let counter = CounterFrontend::spawn_with(&over(link), 1).unwrap();
            let holder = is_given.then(|| HolderFrontend::spawn_holding(counter.clone()).unwrap());
            // More than there is room for on any link.
            let count = 100 << 20;
            assert_eq!(counter.last(count).unwrap().len(), count);
            assert!(matches!(counter.add(1), Err(CallError::NotSent(_) | CallError::Exited(_))));
            drop(holder);
        }
    }
}

/// Is given itself.
#[derive(Default)]
pub struct Narcissus {
    own: Option<NarcissusFrontend>,
    count: u32,
}

#[process_actor]
impl Narcissus {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn look(&mut self, own: NarcissusFrontend) {
        self.own = Some(own);
    }

    #[oneway]
    pub fn count(&mut self) {
        self.count += 1;
        if self.count < 10 {
            self.own.as_ref().unwrap().count().unwrap();
        }
    }

    pub fn counted(&self) -> u32 {
        self.count
    }
}

#[test]
fn the_last_holder_in_any_process_ends_the_actor() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let builder = over(link).stop_timeout(Duration::from_millis(50));
        let counter = CounterFrontend::spawn_with(&builder, 0).unwrap();
        let pid = counter.process().pid();
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        holder.take(counter).unwrap();
        // Far longer than its time to stop: nobody may force an actor that is held.
        for n in 1..=200 {
            assert_eq!(holder.add(1).unwrap(), n);
            thread::sleep(Duration::from_millis(1));
        }
        assert!(processes::runs(pid));
        holder.drop_all().unwrap();
        eventually("it ends with its last holder", || !processes::runs(pid));
        assert!(holder.stop().unwrap().is_clean());
    }
}

#[test]
fn a_frontend_in_a_message_under_way_keeps_the_actor_alive() {
    let _watchdog = watchdog();
    let counter = CounterFrontend::spawn(5).unwrap();
    let busy = CounterFrontend::spawn(0).unwrap();
    let holder = HolderFrontend::spawn().unwrap();
    holder.take(busy.clone()).unwrap();
    // The holder waits for a busy actor, so the message with the counter waits for the holder.
    let nap = busy.nap_async(300);
    let waits = holder.add_async(1);
    let given = holder.take_async(counter);
    assert_eq!(waits.wait().unwrap(), 1);
    given.wait().unwrap();
    nap.wait().unwrap();
    assert_eq!(holder.add(1).unwrap(), 6);
}

#[test]
fn a_holder_sees_the_process_ends_it_and_is_told_how_it_ended() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        let spawn = || CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let told = |reason: ExitReason, truth: ExitReason| {
            assert!(reason == truth || reason == ExitReason::Untold, "{reason:?} for {truth:?}");
        };
        let counter = spawn();
        holder.take(counter.clone()).unwrap();
        let killed = ExitReason::Signal { signal: libc::SIGKILL, core_dumped: false };
        told(holder.kill().unwrap(), killed.clone());
        assert_eq!(counter.process().wait().reason, killed, "its spawner is told in any case");

        let counter = spawn();
        holder.take(counter.clone()).unwrap();
        told(holder.stop_it().unwrap(), ExitReason::Clean);
        assert!(counter.process().wait().is_clean());

        let counter = spawn();
        holder.take(counter.clone()).unwrap();
        assert!(matches!(counter.abort(), Err(CallError::Exited(_))));
        match holder.wait().unwrap() {
            ExitReason::Signal { signal, .. } => assert_eq!(signal, libc::SIGABRT),
            other => told(other, ExitReason::Untold),
        }
    }
}

#[test]
fn a_frontend_of_an_actor_that_is_gone_says_so() {
    let _watchdog = watchdog();
    for link in LINKS {
        let counter = CounterFrontend::spawn_with(&over(link), 0).unwrap();
        let holder = HolderFrontend::spawn_with(&over(link)).unwrap();
        counter.stop().unwrap();
        holder.take(counter).unwrap();
        let error = holder.add(1).unwrap_err();
        assert!(error.to_string().contains("NotSent") || error.to_string().contains("Exited"), "{error}");
        assert!(holder.add(1).unwrap_err().to_string().contains("NotSent"), "and stays so");
    }
}

#[test]
fn an_actor_that_holds_itself_ends_with_the_last_other_holder() {
    let _watchdog = watchdog();
    for link in LINKS {
        let narcissus = NarcissusFrontend::spawn_with(&over(link)).unwrap();
        narcissus.look(narcissus.clone()).unwrap();
        narcissus.count().unwrap();
        eventually("it queues for itself", || narcissus.counted().unwrap() == 10);
        let pid = narcissus.process().pid();
        drop(narcissus);
        if has_processes() {
            eventually("it ends all the same", || !processes::runs(pid));
        }
    }
}

#[test]
fn a_frontend_elsewhere_holds_one_life() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let builder = Builder::new().restart(Restart::on_crash());
    let counter = CounterFrontend::spawn_with(&builder, 40).unwrap();
    let holder = HolderFrontend::spawn().unwrap();
    holder.take(counter.clone()).unwrap();
    assert_eq!(holder.add(1).unwrap(), 41);
    assert!(counter.abort().is_err());
    assert_eq!(counter.add(2).unwrap(), 42, "the spawner's frontend goes on with a new life");
    let error = holder.add(1).unwrap_err().to_string();
    assert!(error.contains("NotSent") || error.contains("Exited"), "{error}");
    holder.take(counter.clone()).unwrap();
    assert_eq!(holder.add(1).unwrap(), 43, "it is given anew");
}

#[test]
fn a_holder_that_is_restarted_gets_its_argument_again() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    let counter = CounterFrontend::spawn(0).unwrap();
    let builder = Builder::new().restart(Restart::on_crash());
    let holder = HolderFrontend::spawn_holding_with(&builder, counter.clone()).unwrap();
    assert_eq!(holder.add(1).unwrap(), 1);
    assert!(holder.abort().is_err());
    assert_eq!(holder.add(1).unwrap(), 2, "over a new link to the same actor");
    assert_eq!(counter.add(1).unwrap(), 3);
}
