//! A service of three actors under load, one of which is killed now and then: calls fail and say why,
//! the actors come back, nothing hangs, and the books are right in the end.
//!
//! `cargo run --release --example supervised -- [SECONDS]`

#[path = "supervised/actors.rs"]
mod actors;
#[path = "supervised/load.rs"]
mod load;

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use actors::{LedgerFrontend, PricesFrontend, TaxFrontend};
use load::{Shop, Tally};
use worker_core::{Builder, Exit, Group, Remote, Strategy};

/// Threads that place orders.
const CUSTOMERS: u64 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(3), |argument| argument.parse())?;
    let deaths = Arc::new(Mutex::new(Vec::<Exit>::new()));
    let builder = {
        let deaths = Arc::clone(&deaths);
        let note = move |exit: &Exit| deaths.lock().expect("no thread panics here").push(exit.clone());
        Builder::new().call_timeout(Duration::from_secs(1)).on_exit(note)
    };

    // Later members use earlier ones, so what comes after a crashed one starts again with it.
    let group = Group::new(Strategy::RestForOne).max(10_000).backoff(Duration::ZERO);
    let named = |name: &str| builder.clone().name(name);
    let shop = Shop {
        tax: group.permanent(&named("tax"), |builder| TaxFrontend::spawn_with(builder, 20))?,
        prices: group.permanent(&named("prices"), |builder| PricesFrontend::spawn_with(builder, 1000))?,
        ledger: group.permanent(&named("ledger"), LedgerFrontend::spawn_with)?,
    };
    let members: [Remote; 3] =
        [Remote::clone(&shop.tax), Remote::clone(&shop.prices), Remote::clone(&shop.ledger)];

    let start = Instant::now();
    let over = AtomicBool::new(false);
    let tally = thread::scope(|scope| -> Result<Tally, Box<dyn Error>> {
        let supervisor = scope.spawn(|| group.supervise());
        let customers: Vec<_> = (0..CUSTOMERS)
            .map(|number| {
                scope.spawn({
                    let (shop, over) = (&shop, &over);
                    move || shop.order_until(over, number)
                })
            })
            .collect();
        let murdered = murder(&members, Duration::from_secs(seconds));
        over.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        for customer in customers {
            tally.add(&customer.join().map_err(|_| "a customer panicked")??);
        }
        group.stop()?;
        supervisor.join().map_err(|_| "the supervisor panicked")??;
        murdered?;
        Ok(tally)
    })?;

    println!("{}", tally.told(start.elapsed()));
    for member in &members {
        println!("{:>9} restarts of `{}`", member.process().restarts(), member.process().name());
    }
    let deaths = deaths.lock().map_err(|_| "a listener panicked")?;
    let violent = deaths.iter().filter(|exit| !exit.is_clean()).count();
    println!(
        "{:>9} ends were told, {violent} of them violent; the last: {}",
        deaths.len(),
        deaths[deaths.len() - 1]
    );
    if tally.wrong > 0 { Err("a price was wrong".into()) } else { Ok(()) }
}

/// Kills a member every few hundredths of a second.
fn murder(members: &[Remote], time: Duration) -> std::io::Result<()> {
    let until = Instant::now() + time;
    let mut random = u64::from(std::process::id()) | 1;
    while Instant::now() < until {
        // Xorshift: any sequence will do that has no rhythm.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        thread::sleep(Duration::from_millis(5 + random % 50));
        members[(random >> 32) as usize % members.len()].process().kill()?;
    }
    Ok(())
}
