//! Order, at most once, and fairness: eight threads, three holders in other processes, and kills.
//! Not here: how frontends get there (`travelling`).
//! Layer: the public surface.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::{has_processes, watchdog};
use worker_core::{Builder, CallError, Link, process_actor};

const LINKS: [Link; 2] = [Link::SharedMemory, Link::Socket];
const THREADS: u32 = 8;
const HOLDERS: u32 = 3;

/// Writes down what it is asked, in the order in which it runs.
#[derive(Default)]
pub struct Ledger {
    entries: Vec<(u32, u32)>,
}

#[process_actor]
impl Ledger {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn enter(&mut self, who: u32, n: u32) -> usize {
        self.entries.push((who, n));
        self.entries.len()
    }

    #[oneway]
    pub fn note(&mut self, who: u32, n: u32) {
        self.entries.push((who, n));
    }

    pub fn entries(&self) -> Vec<(u32, u32)> {
        self.entries.clone()
    }
}

/// Enters things from a process of its own.
pub struct Clerk {
    ledger: LedgerFrontend,
    who: u32,
}

#[process_actor]
impl Clerk {
    pub fn new(ledger: LedgerFrontend, who: u32) -> Self {
        Self { ledger, who }
    }

    pub fn write(&self, count: u32) -> Result<u32, String> {
        write(&self.ledger, self.who, count).map_err(|error| error.to_string())
    }

    /// Enters one thing for somebody else.
    pub fn enter(&self, who: u32, n: u32) -> Result<usize, String> {
        self.ledger.enter(who, n).map_err(|error| error.to_string())
    }
}

/// Calls, one-way calls and pending calls in turn; gives how many calls returned.
fn write(ledger: &LedgerFrontend, who: u32, count: u32) -> Result<u32, CallError> {
    let mut pending = Vec::new();
    for n in 0..count {
        match n % 3 {
            0 => ledger.note(who, n)?,
            1 => pending.push(ledger.enter_async(who, n)),
            _ => drop(ledger.enter(who, n)?),
        }
    }
    for pending in pending {
        pending.wait()?;
    }
    Ok(count)
}

fn by_writer(entries: &[(u32, u32)]) -> BTreeMap<u32, Vec<u32>> {
    let mut writers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    entries.iter().for_each(|&(who, n)| writers.entry(who).or_default().push(n));
    writers
}

#[test]
fn each_writer_is_in_order_and_once_whatever_the_others_do() {
    let _watchdog = watchdog();
    for link in LINKS {
        let builder = Builder::new().link(link);
        let ledger = LedgerFrontend::spawn_with(&builder).unwrap();
        let clerk = |n: u32| ClerkFrontend::spawn_with(&builder, ledger.clone(), 100 + n).unwrap();
        let clerks: Vec<_> = (0..HOLDERS).map(clerk).collect();
        let count = 600;
        thread::scope(|scope| {
            for who in 0..THREADS {
                let ledger = &ledger;
                scope.spawn(move || write(ledger, who, count).unwrap());
            }
            let written: Vec<_> = clerks.iter().map(|clerk| clerk.write_async(count)).collect();
            written.into_iter().for_each(|written| assert_eq!(written.wait().unwrap(), count));
        });
        let writers = by_writer(&ledger.entries().unwrap());
        assert_eq!(writers.len(), (THREADS + HOLDERS) as usize);
        for (who, numbers) in writers {
            assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "writer {who} over {link:?}");
        }
    }
}

#[test]
fn what_was_answered_to_one_comes_before_what_another_sends_then() {
    let _watchdog = watchdog();
    for link in LINKS {
        let builder = Builder::new().link(link);
        let ledger = LedgerFrontend::spawn_with(&builder).unwrap();
        let clerks: Vec<_> =
            (0..HOLDERS).map(|n| ClerkFrontend::spawn_with(&builder, ledger.clone(), n).unwrap()).collect();
        for n in 0..100 {
            for clerk in &clerks {
                clerk.enter(7, n * 4).unwrap();
            }
            ledger.enter(7, n * 4 + 1).unwrap();
        }
        let entries = ledger.entries().unwrap();
        assert!(entries.is_sorted_by_key(|&(_, n)| n), "across queues, by their answers");
        assert_eq!(entries.len(), 400);
    }
}

#[test]
fn a_holder_that_is_killed_has_each_request_run_once_or_never_and_none_out_of_order() {
    let _watchdog = watchdog();
    if !has_processes() {
        return;
    }
    for link in LINKS {
        let builder = Builder::new().link(link);
        let ledger = LedgerFrontend::spawn_with(&builder).unwrap();
        for round in 0..10 {
            let clerks: Vec<_> = (0..HOLDERS)
                .map(|n| {
                    ClerkFrontend::spawn_with(&builder, ledger.clone(), 100 + round * HOLDERS + n).unwrap()
                })
                .collect();
            let written: Vec<_> = clerks.iter().map(|clerk| clerk.write_async(1_000_000)).collect();
            thread::scope(|scope| {
                for who in 0..THREADS {
                    let ledger = &ledger;
                    scope.spawn(move || write(ledger, who * 10 + round, 60).unwrap());
                }
                clerks.iter().for_each(|clerk| clerk.process().kill().unwrap());
            });
            written.into_iter().for_each(|written| assert!(written.wait().is_err()));
        }
        for (who, numbers) in by_writer(&ledger.entries().unwrap()) {
            let whole = 0..u32::try_from(numbers.len()).unwrap();
            assert_eq!(
                numbers,
                whole.collect::<Vec<_>>(),
                "a beginning without gaps, writer {who} over {link:?}"
            );
        }
    }
}

#[test]
fn holders_that_flood_leave_the_others_their_turns() {
    let _watchdog = watchdog();
    for link in LINKS {
        let builder = Builder::new().link(link);
        let ledger = LedgerFrontend::spawn_with(&builder).unwrap();
        let clerk = |who| ClerkFrontend::spawn_with(&builder, ledger.clone(), who).unwrap();
        let flooders: Vec<_> = (0..HOLDERS).map(|n| clerk(100 + n)).collect();
        let quiet = clerk(200);
        let count = 30_000;
        // As long as the quiet one has not done its part, the others begin anew.
        let mut flooding: Vec<_> = flooders.iter().map(|flooder| flooder.write_async(count)).collect();
        let mut floods = HOLDERS;
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            for who in 0..THREADS {
                let (ledger, is_done) = (&ledger, &is_done);
                scope.spawn(move || {
                    // Relaxed: it says when to end, and nothing else.
                    while !is_done.load(Ordering::Relaxed) {
                        write(ledger, 300 + who, 60).unwrap();
                    }
                });
            }
            for n in 0..50 {
                quiet.enter(200, n).unwrap();
                for (flooder, flooding) in flooders.iter().zip(&mut flooding) {
                    if flooding.is_ready() {
                        let next = flooder.write_async(count);
                        assert_eq!(std::mem::replace(flooding, next).wait().unwrap(), count);
                        floods += 1;
                    }
                }
            }
            is_done.store(true, Ordering::Relaxed);
        });
        for flooding in flooding {
            assert_eq!(flooding.wait().unwrap(), count);
        }
        let entries = ledger.entries().unwrap();
        let last_quiet = entries.iter().rposition(|&(who, _)| who == 200).unwrap();
        // Each call of the quiet one waits for a turn of the flood, not for all of it.
        let before = entries[..last_quiet].iter().filter(|&&(who, _)| (100..200).contains(&who)).count();
        assert!(before < (floods * count) as usize, "{before} of {floods} times {count} came first");
        // If it had to wait for each flood to end, there would be one for each of its calls.
        assert!(floods < 25, "{floods} floods in the time of 50 calls");
    }
}
