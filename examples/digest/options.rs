//! The command line of the program.
//! Not here: acting on it.
//! Layer: below the program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::thread;

/// What the command line says.
pub(crate) struct Options {
    pub(crate) workers: usize,
    pub(crate) kill_one: bool,
    pub(crate) paths: Vec<PathBuf>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self { workers, kill_one: false, paths: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--") => options.paths.extend(arguments.by_ref().map(PathBuf::from)),
                Some("--kill-one") => options.kill_one = true,
                Some("-j") => {
                    options.workers = workers_of(arguments.next().as_ref().and_then(|n| n.to_str()))?
                }
                Some(joined) if joined.starts_with("-j") => options.workers = workers_of(joined.get(2..))?,
                Some(word) if word.starts_with('-') => {
                    return Err(format!("unknown option `{word}`; [-j N] [--kill-one] [FILE OR FOLDER]..."));
                }
                _ => options.paths.push(argument.into()),
            }
        }
        Ok(options)
    }
}

fn workers_of(text: Option<&str>) -> Result<usize, String> {
    match text.and_then(|text| text.parse().ok()) {
        Some(0) | None => Err("`-j` wants the number of workers, at least 1".to_owned()),
        Some(workers) => Ok(workers),
    }
}
