//! The command line of the program.
//! Not here: acting on it.
//! Layer: below the program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::{DEADLINE, TWICE};

/// What the command line says.
pub(crate) struct Options {
    pub(crate) pattern: String,
    pub(crate) workers: usize,
    pub(crate) deadline: Duration,
    /// Whether the same is done in threads too, and both times are told.
    pub(crate) compare: bool,
    pub(crate) paths: Vec<PathBuf>,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            pattern: TWICE.to_owned(),
            workers,
            deadline: DEADLINE,
            compare: false,
            paths: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().and_then(|value| value.into_string().ok());
            match argument.to_str() {
                Some("-e") => options.pattern = value().ok_or("`-e` wants a pattern")?,
                Some("-j") => {
                    let number = value().and_then(|text| text.parse().ok()).filter(|&number| number > 0);
                    options.workers = number.ok_or("`-j` wants the number of processes, at least 1")?;
                }
                Some("-t") => {
                    let seconds = value().and_then(|text| text.parse().ok());
                    let deadline = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                    options.deadline = deadline.ok_or("`-t` wants a number of seconds")?;
                }
                Some("--compare") => options.compare = true,
                Some("--") => options.paths.extend(arguments.by_ref().map(PathBuf::from)),
                Some(word) if word.starts_with('-') => {
                    return Err(format!(
                        "unknown option `{word}`; [-e PATTERN] [-j N] [-t SECONDS] [--compare] [FILE OR FOLDER]..."
                    ));
                }
                _ => options.paths.push(argument.into()),
            }
        }
        Ok(options)
    }
}
