//! A word list is loaded once, and eight processes answer questions about it from the same memory.
//!
//! `cargo run --release --example preload [FILE]`, where the file has one word in each line, such as
//! `/usr/share/dict/words`. Without one a list is made up.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use worker_core::{Builder, ForkServer, process_actor};

/// Backends that share the words.
const BACKENDS: usize = 8;
/// Where the fork server finds the name of the file.
const FILE: &str = "PRELOAD_EXAMPLE_FILE";
/// A backend that only reads has less than this for itself, whatever was loaded.
const UNIQUE_MAX_BYTES: u64 = 2 << 20;
/// What is made up takes about so much memory; a debug build makes up less.
const MADE_UP_BYTES: usize = if cfg!(debug_assertions) { 32 << 20 } else { 256 << 20 };

/// The words, in the fork server and in every backend that is forked from it.
static WORDS: OnceLock<Words> = OnceLock::new();

struct Words {
    text: String,
    /// Start and end of each word, in the order of the words.
    places: Vec<(u32, u32)>,
}

impl Words {
    fn load(file: Option<&Path>) -> Self {
        let text = match file {
            Some(file) => {
                fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            }
            None => make_up(),
        };
        let mut places = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.trim_end().len();
            places.push((start as u32, end as u32));
            start += line.len();
        }
        places.sort_unstable_by_key(|&(start, end)| &text[start as usize..end as usize]);
        Self { text, places }
    }

    fn word(&self, &(start, end): &(u32, u32)) -> &str {
        &self.text[start as usize..end as usize]
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.places.len() * size_of::<(u32, u32)>()
    }
}

/// Words of three syllables and a number, until there are enough.
fn make_up() -> String {
    const SYLLABLES: [&str; 8] = ["ka", "lo", "mi", "nu", "re", "so", "ti", "va"];
    let mut text = String::new();
    let mut number = 0_usize;
    while text.len() + number * size_of::<(u32, u32)>() < MADE_UP_BYTES {
        for shift in [0, 3, 6] {
            text.push_str(SYLLABLES[number >> shift & 7]);
        }
        text.push_str(&(number >> 9).to_string());
        text.push('\n');
        number += 1;
    }
    text
}

/// Runs in the fork server, before any backend exists.
fn load() {
    let file = env::var_os(FILE).map(PathBuf::from);
    WORDS.get_or_init(|| Words::load(file.as_deref()));
}

/// Answers questions about the words.
pub struct Dictionary {
    words: &'static Words,
}

#[process_actor]
impl Dictionary {
    /// Takes the words that are there already.
    pub fn new() -> Result<Self, String> {
        WORDS.get().map(|words| Self { words }).ok_or_else(|| "no words are loaded here".to_owned())
    }

    /// How many words there are, and how many bytes they take.
    pub fn size(&self) -> (usize, usize) {
        (self.words.places.len(), self.words.bytes())
    }

    /// Whether a word is in the list.
    pub fn contains(&self, word: &str) -> bool {
        self.words.places.binary_search_by_key(&word, |place| self.words.word(place)).is_ok()
    }

    /// The words at some places.
    pub fn sample(&self, count: usize, first: usize) -> Vec<String> {
        let places = &self.words.places;
        let step = (places.len() / count.max(1)).max(1);
        places
            .iter()
            .skip(first)
            .step_by(step)
            .take(count)
            .map(|place| self.words.word(place).to_owned())
            .collect()
    }

    /// Reads every word, and says how many different ones there are.
    pub fn different(&self) -> usize {
        let mut last = None;
        let words = self.words.places.iter().map(|place| self.words.word(place));
        words.filter(|word| last.replace(*word) != Some(*word)).count()
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// How long a spawn takes, in milliseconds, and what was spawned.
fn spawn(builder: &Builder) -> Result<(f64, Vec<DictionaryFrontend>), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    let mut backends = Vec::new();
    for number in 0..BACKENDS {
        let builder = builder.clone().name(format!("words-{number}"));
        let start = Instant::now();
        backends.push(DictionaryFrontend::spawn_with(&builder)?);
        times.push(start.elapsed());
    }
    Ok((median(times), backends))
}

fn load_nothing() {
    WORDS.get_or_init(|| Words { text: String::new(), places: Vec::new() });
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The function that loads takes no argument, because it runs in another process; the environment
    // that this program was started with is there too. So it is started again, with the name in it.
    if let (Some(file), None) = (env::args_os().nth(1), env::var_os(FILE)) {
        let file = fs::canonicalize(file)?;
        return Err(Command::new(env::current_exe()?).env(FILE, file).exec().into());
    }
    let nothing = ForkServer::with_preload(load_nothing)?;
    let (bare, _) = spawn(&Builder::new().fork_server(&nothing))?;
    let start = Instant::now();
    let server = ForkServer::with_preload(load)?;
    let loading = start.elapsed();
    let (spawning, backends) = spawn(&Builder::new().fork_server(&server))?;

    let (count, bytes) = backends[0].size()?;
    println!("{count} words, {:.1} MiB, loaded once in {loading:.0?}", mebibytes(bytes as u64));
    println!("spawn: {spawning:.2} ms, and {bare:.2} ms with nothing loaded\n");

    let mut asked = HashSet::new();
    for (number, backend) in backends.iter().enumerate() {
        for word in backend.sample(100, number)? {
            assert!(backend.contains(&word)?, "`{word}` is in the list");
            asked.insert(word);
        }
        assert!(!backend.contains("no such word at all")?);
    }
    let pending: Vec<_> = backends.iter().map(|backend| backend.different_async()).collect();
    let different = pending.into_iter().map(|pending| pending.wait()).collect::<Result<Vec<_>, _>>()?;
    assert!(different.iter().all(|&count| count == different[0]));
    println!("{} words asked for, {} different ones in the list\n", asked.len(), different[0]);

    println!(
        "{:<10} {:>7} {:>14} {:>18} {:>12}",
        "backend", "pid", "resident MiB", "proportional MiB", "unique MiB"
    );
    for backend in &backends {
        let process = backend.process();
        let usage = process.usage();
        if usage.unique > UNIQUE_MAX_BYTES {
            return Err(format!("`{}` has {} bytes of its own", process.name(), usage.unique).into());
        }
        println!(
            "{:<10} {:>7} {:>14.1} {:>18.1} {:>12.2}",
            process.name(),
            process.pid(),
            mebibytes(usage.resident),
            mebibytes(usage.proportional),
            mebibytes(usage.unique)
        );
    }
    Ok(())
}
