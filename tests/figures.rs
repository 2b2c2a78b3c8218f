//! The figures that the library promises, each beside the bare primitive it stands on, in one run.
//!
//! `cargo bench -p tests --bench figures -- [--quick] [calls|counts|flow|payloads|spawn|idle|many|channels|select]...`
//!
//! Contenders take turns in rounds, so that a drift of the machine meets all of them; what is told is
//! the median of the rounds, the ratio of two medians, the range of the ratios of single rounds, and
//! the ratio of the best round of each, which is what a machine with other work says most truly.
//! Every answer is checked. No time is: a slow machine is no fault.

#[path = "figures/actor.rs"]
mod actor;
#[path = "figures/calls.rs"]
mod calls;
#[path = "figures/channels.rs"]
mod channels;
#[path = "figures/counts.rs"]
mod counts;
#[path = "figures/effort.rs"]
mod effort;
#[path = "figures/flow.rs"]
mod flow;
#[path = "figures/idle.rs"]
mod idle;
#[path = "figures/many.rs"]
mod many;
#[path = "figures/partner.rs"]
mod partner;
#[path = "figures/payloads.rs"]
mod payloads;
#[path = "figures/report.rs"]
mod report;
#[path = "figures/select.rs"]
mod select;
#[path = "figures/small.rs"]
mod small;
#[path = "figures/spawn.rs"]
mod spawn;
#[path = "figures/system.rs"]
mod system;

use std::error::Error;
use std::process::ExitCode;

use effort::{Effort, Options};
use report::Report;
use small::SmallProcess;

type Figure = fn(&Effort, &mut SmallProcess, &mut Report) -> Result<(), Box<dyn Error>>;

const FIGURES: [(&str, Figure); 9] = [
    ("calls", |effort, _, report| calls::measure(effort, report)),
    ("counts", |effort, _, report| counts::measure(effort, report)),
    ("flow", |effort, _, report| flow::measure(effort, report)),
    ("payloads", |effort, _, report| payloads::measure(effort, report)),
    ("spawn", spawn::measure),
    ("idle", |effort, _, report| idle::measure(effort, report)),
    ("many", many::measure),
    ("channels", |effort, _, report| channels::measure(effort, report)),
    ("select", |effort, _, report| select::measure(effort, report)),
];

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("figures: {message}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    println!("{}", report::machine());
    if cfg!(debug_assertions) {
        println!("a build without optimisation: these are no figures");
    }
    // Forked first of all, while this process is small itself.
    let mut small = SmallProcess::start()?;
    let mut report = Report::default();
    for (name, measure) in FIGURES {
        if options.wants(name) {
            measure(&options.effort, &mut small, &mut report)?;
        }
    }
    println!("\n{report}");
    Ok(())
}
