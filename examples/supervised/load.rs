//! Customers, and what they come home with.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use worker_core::CallError;

use crate::actors::{LedgerFrontend, PricesFrontend, TaxFrontend};

/// The service.
pub struct Shop {
    /// First, as the others depend on it.
    pub tax: TaxFrontend,
    /// Second.
    pub prices: PricesFrontend,
    /// Last.
    pub ledger: LedgerFrontend,
}

/// What became of the calls.
#[derive(Debug, Default)]
pub struct Tally {
    orders: u64,
    calls: u64,
    errors: BTreeMap<&'static str, u64>,
    /// Answers that were none to the question.
    pub wrong: u64,
}

impl Shop {
    /// Places one order after the other until it is over.
    pub fn order_until(&self, over: &AtomicBool, customer: u64) -> Result<Tally, String> {
        let mut tally = Tally::default();
        let mut article = customer;
        while !over.load(Ordering::Relaxed) {
            article = (article + 4) % 1000;
            // A failed step is the end of the order: how it failed says whether it may be tried again.
            let Some(price) = tally.count(self.prices.of(article))? else { continue };
            let Some(tax) = tally.count(self.tax.on(price))? else { continue };
            let Some(total) = tally.count(self.ledger.enter(price + tax))? else { continue };
            let expected = 100 + article * 7;
            tally.wrong += u64::from(price != expected || tax != expected / 5 || total < price + tax);
            tally.orders += 1;
        }
        Ok(tally)
    }
}

impl Tally {
    /// Counts a call, and gives its result if it has one.
    fn count<T, E: Debug + Display>(&mut self, result: Result<T, CallError<E>>) -> Result<Option<T>, String> {
        self.calls += 1;
        let kind = match result {
            Ok(value) => return Ok(Some(value)),
            Err(CallError::Exited(_)) => "died with the request in flight: the outcome is unknown",
            Err(CallError::NotSent(_)) => "was gone before the request left: safe to retry",
            Err(CallError::NotSentInTime { .. }) => "was not back in time: safe to retry",
            Err(CallError::TimedOut { .. }) => "did not answer in time",
            Err(other) => return Err(format!("no death explains this: {other}")),
        };
        *self.errors.entry(kind).or_default() += 1;
        Ok(None)
    }

    /// Adds what another customer came home with.
    pub fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.calls += other.calls;
        self.wrong += other.wrong;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
    }

    /// The table.
    pub fn told(&self, time: Duration) -> String {
        let per_second = self.orders as f64 / time.as_secs_f64();
        let mut text = format!("{:>9} orders in {time:.1?}, {per_second:.0} a second\n", self.orders);
        let _ = writeln!(text, "{:>9} calls, of which", self.calls);
        for (kind, count) in &self.errors {
            let _ = writeln!(text, "{count:>9} whose backend {kind}");
        }
        let _ = write!(text, "{:>9} wrong answers", self.wrong);
        text
    }
}
