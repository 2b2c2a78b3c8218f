//! Which files are searched.
//! Not here: searching them.
//! Layer: below the program.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// The files that the arguments name, folders with everything below them; without arguments, this repository.
pub(crate) fn files_of(arguments: &[PathBuf]) -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let (roots, without) = match arguments {
        [] => (vec![here.to_owned()], vec![OsStr::new("target"), OsStr::new(".git")]),
        roots => (roots.to_vec(), Vec::new()),
    };
    let mut files = Vec::new();
    for root in roots {
        let walk = WalkDir::new(&root).sort_by_file_name().into_iter();
        for found in walk.filter_entry(|entry| !without.iter().any(|name| *name == entry.file_name())) {
            match found {
                Ok(entry) if entry.path().is_file() => files.push(entry.into_path()),
                Ok(_) => {}
                // It is searched all the same, so that its error is told with the others.
                Err(error) => files.push(error.path().unwrap_or(&root).to_owned()),
            }
        }
    }
    files
}

/// A file on which the engine hangs; it is gone with this.
pub(crate) struct Hostile(PathBuf);

impl Hostile {
    /// One line of one letter, with which a back-reference can match in endlessly many ways.
    pub(crate) fn write() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("grep_pool-hostile-{}.txt", std::process::id()));
        let hostile = Self(path);
        fs::write(&hostile.0, hostile_line())?;
        Ok(hostile)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

fn hostile_line() -> Vec<u8> {
    let word = [b'a'; 40_000];
    [&word[..], b" ", &word[1..], b"!"].concat()
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
