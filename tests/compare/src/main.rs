//! The library beside bare primitives and beside what else there is, in one run.
//!
//! `cargo run --release --manifest-path tests/compare/Cargo.toml -- [--quick] [--only PART]... [--svg FILE] [--markdown FILE]`
//!
//! Contenders take turns in rounds, each round beginning with another one, so that a drift of the machine meets all of them;
//! memory has no rounds. What is told is the median of the rounds, its ratio to ours, and the range of the ratios of single
//! rounds. Every reply is checked; no time is.

mod effort;
mod growth;
mod page;
mod payload;
mod peers;
mod plot;
mod reasons;
#[path = "../../figures/report.rs"]
#[allow(dead_code, reason = "the figures use the rest")]
mod report;
mod rows;
#[path = "../../figures/small.rs"]
#[allow(dead_code, reason = "the figures use the rest")]
mod small;
mod system;
mod table;

use std::path::PathBuf;
use std::sync::Mutex;

use effort::{Effort, FULL, QUICK};
use peers::{Outcome, Sort};
use rows::threads::{Asked, Shareable};
use table::Row;

/// What can be measured by itself.
const PARTS: [&str; 8] = ["memory", "calls", "one_way", "threads", "channel", "frames", "spawn", "scale"];

struct Options {
    effort: Effort,
    quick: bool,
    /// The parts to be measured; none stands for all.
    only: Vec<String>,
    svg: Option<PathBuf>,
    /// The page whose table is written anew.
    markdown: Option<PathBuf>,
}

fn options() -> Outcome<Options> {
    let mut options = Options { effort: FULL, quick: false, only: Vec::new(), svg: None, markdown: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => (options.effort, options.quick) = (QUICK, true),
            "--only" => {
                let part = arguments.next().filter(|part| PARTS.contains(&part.as_str()));
                options.only.push(part.ok_or_else(|| format!("`--only` needs one of {PARTS:?}"))?);
            }
            "--svg" => options.svg = Some(arguments.next().ok_or("`--svg` needs a file")?.into()),
            "--markdown" => {
                options.markdown = Some(arguments.next().ok_or("`--markdown` needs a file")?.into());
            }
            other => {
                return Err(format!(
                    "unknown option `{other}`; [--quick] [--only PART] [--svg FILE] [--markdown FILE]"
                )
                .into());
            }
        }
    }
    // A page or a picture of some of it would look like one of all.
    if !options.only.is_empty() && (options.svg.is_some() || options.markdown.is_some()) {
        return Err("`--only` prints, and writes neither a page nor a picture".into());
    }
    Ok(options)
}

// Both begin a process of theirs by starting this program again, and take over here.
#[crossmist::main]
fn main() {
    procspawn::init();
    if let Err(error) = options().and_then(|options| run(&options)) {
        eprintln!("compare: {error}");
        std::process::exit(1);
    }
}

fn run(options: &Options) -> Outcome<()> {
    let effort = &options.effort;
    let machine = report::machine();
    println!("{machine}\n");
    if cfg!(debug_assertions) {
        println!("a build without optimisation: these are no figures\n");
    }
    // What is forked is forked first, while this program is small and has one thread.
    let mut small = small::SmallProcess::start()?;
    let mut herder = peers::herd::Herder::start()?;
    let mut forked = peers::bare::start()?;
    let mut ring = peers::bare::start_ring()?;
    forked.append(&mut peers::streams::start()?);
    forked.push(peers::ipc_channel::start()?);
    let shared = [
        ("bare spin, then futex, and a lock", Sort::Bare, peers::bare::start_shared()?),
        ("bare pipe and a lock", Sort::Bare, peers::streams::start_shared()?),
        ("ipc-channel and a lock", Sort::Public, peers::ipc_channel::start_shared()?),
        ("tokio + bincode by hand and a lock", Sort::Public, peers::streams::start_shared_by_hand()?),
    ];
    let tarpc = peers::tarpc::Unconnected::start()?;
    let mut values = rows::channel::Sources::start()?;
    let mut frames = peers::frames::BarePair::start()?;
    forked.extend(peers::iceoryx::start()?);
    forked.push(peers::tarpc::start()?);
    // These start programs of their own.
    let mut contenders = Vec::from(peers::ours::start()?);
    contenders.append(&mut forked);
    contenders.extend(peers::crossmist::start_if_it_works());
    contenders.push(peers::procspawn::start()?);
    let mut python = peers::python::Python::start();
    rows::calls::quieten(&contenders)?;
    rows::calls::quieten(std::slice::from_ref(&ring))?;

    let wants = |part: &str| options.only.is_empty() || options.only.iter().any(|only| only == part);
    let mut rows: Vec<Row> = Vec::new();
    if wants("memory") {
        rows::memory::measure(&contenders, &mut rows)?;
    }
    if wants("calls") {
        rows::calls::measure(&mut contenders, &mut python, effort, &mut rows)?;
    }
    drop(python);
    if wants("one_way") {
        let mut senders: Vec<_> = contenders.iter_mut().chain([&mut ring]).collect();
        rows::one_way::measure(&mut senders, effort, &mut rows)?;
    }
    if wants("threads") {
        let ours = Shareable {
            name: "worker-core",
            sort: Sort::Ours,
            asked: Asked::Ours(peers::ours::AnswererFrontend::spawn()?),
        };
        let lock = |(name, sort, peer)| Shareable { name, sort, asked: Asked::Locked(Mutex::new(peer)) };
        let tarpc = Shareable { name: "tarpc", sort: Sort::Public, asked: Asked::Tarpc(tarpc.connect()?) };
        let shareable: Vec<Shareable> =
            [ours, tarpc].into_iter().chain(shared.into_iter().map(lock)).collect();
        rows::threads::measure(&shareable, effort, &mut rows)?;
    }
    if wants("channel") {
        values.measure(effort, &mut rows)?;
    }
    if wants("frames") {
        rows::frames::measure(&mut frames, effort, &mut rows)?;
    }
    if wants("spawn") {
        rows::spawn::measure(&contenders, &mut small, effort, &mut rows)?;
    }
    let growths = if wants("scale") { rows::scale::measure(&mut herder, effort)? } else { Vec::new() };
    drop(contenders);
    peers::iceoryx::clean_up()?;
    if let Some(path) = &options.svg {
        plot::write(path, &rows, &growths, &machine, options.quick)?;
        println!("the picture: {}", path.display());
    }
    if let Some(path) = &options.markdown {
        page::write(path, &rows, &growths, &machine, options.quick)?;
        println!("the table: {}", path.display());
    }
    Ok(())
}
