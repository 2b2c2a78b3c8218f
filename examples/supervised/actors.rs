//! The three actors of the shop.

use std::collections::HashMap;

use worker_core::process_actor;

/// Knows the rate of tax.
pub struct Tax {
    percent: u64,
}

#[process_actor]
impl Tax {
    /// A rate in percent.
    pub fn new(percent: u64) -> Self {
        Self { percent }
    }

    /// The tax on an amount.
    pub fn on(&self, cents: u64) -> u64 {
        cents * self.percent / 100
    }
}

/// Knows what everything costs.
pub struct Prices {
    cents: HashMap<u64, u64>,
}

#[process_actor]
impl Prices {
    /// Makes so many prices up.
    pub fn new(count: u64) -> Self {
        Self { cents: (0..count).map(|article| (article, 100 + article * 7)).collect() }
    }

    /// The price of an article.
    pub fn of(&self, article: u64) -> Result<u64, String> {
        self.cents.get(&article).copied().ok_or_else(|| format!("there is no article {article}"))
    }
}

/// Adds up what was sold in this life of it.
pub struct Ledger {
    sold_cents: u64,
}

#[process_actor]
impl Ledger {
    /// Nothing is sold yet.
    pub fn new() -> Self {
        Self { sold_cents: 0 }
    }

    /// Enters a sale; gives the total.
    pub fn enter(&mut self, cents: u64) -> u64 {
        self.sold_cents += cents;
        self.sold_cents
    }
}
