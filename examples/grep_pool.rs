//! Lines that match a regular expression, found by the C library's own engine, in processes that it may crash.
//!
//! `cargo run --release --example grep_pool -- [-e PATTERN] [-j N] [-t SECONDS] [--compare] [FILE OR FOLDER]...`
//!
//! `regcomp(3)` and `regexec(3)` are old C: patterns with nested brackets overflow its stack, a back-reference that is
//! repeated twice over, as in `crash()\1{2}*`, ends it on every line with `crash`, and back-references with a long line
//! take for ever. Here such a file costs its own result and nothing else: it is named at the end, with what became of
//! its process, and the exit status is 2. Otherwise it is that of `grep`.
//!
//! Patterns are extended ones. Without `-e` it looks for words that stand twice in a row. With `--compare` the files are
//! searched again, in processes and in threads, and both times are told; those that had no answer are left out then,
//! since this program would not survive them in a thread. Without files it takes this repository and a file on which
//! the engine hangs until it has all the memory that it may have, and compares.

#[path = "grep_pool/files.rs"]
mod files;
#[path = "grep_pool/options.rs"]
mod options;
#[path = "grep_pool/regex.rs"]
mod regex;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::{Deserialize, Serialize};
use worker_core::{Builder, CallError, ItemError, Limits, Output, Pool, PoolError, process_actor};

use options::Options;
use regex::Regex;

/// Memory that one process may have: the engine can want any amount. It is a limit on addresses and reserves nothing, so
/// it is the same where the system promises no more memory than it has; there an allocation may fail sooner, which is
/// told as here.
const MEMORY_BYTES: u64 = 2 << 30;
/// What is searched for when nobody says.
const TWICE: &str = r"(^|[^[:alnum:]_])([[:alpha:]]{2,})[[:space:]]+\2([^[:alnum:]_]|$)";
/// Time that a file may take when nobody says.
const DEADLINE: Duration = Duration::from_secs(2);

/// A line that matches.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    number: usize,
    text: Vec<u8>,
}

/// Searches one file at a time. Runs in a process of its own.
pub struct Searcher;

#[process_actor]
impl Searcher {
    /// Has nothing to do yet.
    pub fn new() -> Self {
        Self
    }

    /// The lines of a file that match.
    pub fn search(&self, pattern: &str, path: &Path) -> io::Result<Vec<Hit>> {
        search(pattern, path)
    }
}

/// The same for a process and for a thread.
fn search(pattern: &str, path: &Path) -> io::Result<Vec<Hit>> {
    let regex = Regex::new(pattern)?;
    let mut hits = Vec::new();
    for (index, line) in std::fs::read(path)?.split(|&byte| byte == b'\n').enumerate() {
        if regex.matches(line)? {
            hits.push(Hit { number: index + 1, text: line.to_vec() });
        }
    }
    Ok(hits)
}

/// What became of the files.
#[derive(Default)]
struct Found {
    matches: usize,
    failures: Vec<(PathBuf, ItemError<io::Error>)>,
}

fn search_all(pool: &Pool<SearcherFrontend>, options: &Options, paths: &[PathBuf]) -> io::Result<Found> {
    let bar = ProgressBar::new(paths.len() as u64);
    let shown = bar.clone();
    let results = pool
        .map(paths, |searcher, path| searcher.search_async(&options.pattern, path))
        .deadline(options.deadline)
        .on_progress(move |progress| shown.set_position(progress.done as u64));
    let mut found = Found::default();
    let mut output = io::BufWriter::new(io::stdout().lock());
    for (path, result) in paths.iter().zip(results) {
        match result {
            Ok(hits) => {
                for Hit { number, text } in &hits {
                    write!(output, "{}:{number}:", path.display())?;
                    output.write_all(text)?;
                    output.write_all(b"\n")?;
                }
                found.matches += hits.len();
            }
            Err(error) => found.failures.push((path.clone(), error)),
        }
    }
    bar.finish_and_clear();
    output.flush()?;
    Ok(found)
}

/// Names the files that could not be searched, and says why.
fn report(failures: &[(PathBuf, ItemError<io::Error>)]) {
    for (path, error) in failures {
        let why = match &error.error {
            PoolError::Call(CallError::Exited(exit)) => format!("the engine died of it: {exit}"),
            PoolError::Call(CallError::TimedOut { .. }) => "it took too long, and was ended".to_owned(),
            other => other.to_string(),
        };
        eprintln!("grep_pool: {}: {why}", path.display());
    }
}

/// The same files, in processes and in threads, without printing what is found.
fn compare(pool: &Pool<SearcherFrontend>, options: &Options, paths: &[PathBuf]) -> Result<(), String> {
    let start = Instant::now();
    let mut in_processes = 0;
    for (_, result) in
        pool.map_unordered(paths, |searcher, path| searcher.search_async(&options.pattern, path))
    {
        in_processes += result.map_err(|error| error.to_string())?.len();
    }
    let processes = start.elapsed();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(options.workers).build();
    let threads = threads.map_err(|error| error.to_string())?;
    let start = Instant::now();
    let counts: Result<Vec<_>, _> =
        threads.install(|| paths.into_par_iter().map(|path| search(&options.pattern, path)).collect());
    let in_threads: usize = counts.map_err(|error| error.to_string())?.iter().map(Vec::len).sum();
    let threads = start.elapsed();
    if in_processes != in_threads {
        return Err(format!("{in_processes} lines in processes, {in_threads} in threads"));
    }
    let ratio = processes.as_secs_f64() / threads.as_secs_f64();
    eprintln!(
        "grep_pool: {} files on {}: {processes:.1?} in processes, {threads:.1?} in threads, {ratio:.2} times",
        paths.len(),
        options.workers
    );
    Ok(())
}

fn run(options: &Options) -> Result<ExitCode, String> {
    let process = Builder::new().name("grep").stderr(Output::Tail);
    let process = process.limits(Limits::new().memory(MEMORY_BYTES).core_dump(0));
    let pool = Pool::<SearcherFrontend>::builder()
        .size(options.workers)
        .spare(1)
        .process(process)
        .spawn(SearcherFrontend::spawn_with)
        .map_err(|error| error.to_string())?;
    let is_demonstration = options.paths.is_empty();
    let mut paths = files::files_of(&options.paths);
    let count = paths.len();
    let hostile =
        is_demonstration.then(files::Hostile::write).transpose().map_err(|error| error.to_string())?;
    paths.extend(hostile.iter().map(|hostile| hostile.path().to_owned()));
    let found = search_all(&pool, options, &paths).map_err(|error| error.to_string())?;
    report(&found.failures);
    if is_demonstration || options.compare {
        let mut answered = paths;
        answered.retain(|path| !found.failures.iter().any(|(failed, _)| failed == path));
        compare(&pool, options, &answered)?;
    }
    if is_demonstration {
        let others_are_fine = found.failures.len() == 1 && found.failures[0].1.index == count;
        return Ok(if others_are_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    pool.stop().map_err(|error| error.to_string())?;
    Ok(match (found.failures.is_empty(), found.matches) {
        (false, _) => ExitCode::from(2),
        (true, 0) => ExitCode::from(1),
        (true, _) => ExitCode::SUCCESS,
    })
}

fn main() -> ExitCode {
    let outcome = Options::parse(std::env::args_os().skip(1)).and_then(|options| run(&options));
    outcome.unwrap_or_else(|message| {
        eprintln!("grep_pool: {message}");
        ExitCode::from(2)
    })
}
