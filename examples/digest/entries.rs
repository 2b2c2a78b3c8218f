//! Which files are to be hashed.
//! Not here: hashing them.
//! Layer: below the program.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use walkdir::WalkDir;

/// One line of the result.
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) outcome: OnceLock<Result<[u8; 32], String>>,
}

impl Entry {
    fn new(path: PathBuf, size_bytes: u64) -> Self {
        Self { path, size_bytes, outcome: OnceLock::new() }
    }

    fn unreadable(path: PathBuf, error: &io::Error) -> Self {
        Self { path, size_bytes: 0, outcome: OnceLock::from(Err(error.to_string())) }
    }
}

/// Everything to be hashed, in the order in which it is printed.
pub(crate) fn entries_of(arguments: &[PathBuf]) -> Vec<Entry> {
    if arguments.is_empty() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        return entries_below(here, &[&here.join("target"), &here.join(".git")]);
    }
    let entries = arguments.iter().flat_map(|path| match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => entries_below(path, &[]),
        Ok(metadata) => vec![Entry::new(path.clone(), metadata.len())],
        Err(error) => vec![Entry::unreadable(path.clone(), &error)],
    });
    entries.collect()
}

/// The files in a folder, sorted by the bytes of their paths.
fn entries_below(folder: &Path, without: &[&Path]) -> Vec<Entry> {
    let walk = WalkDir::new(folder).into_iter().filter_entry(|found| !without.contains(&found.path()));
    let mut entries: Vec<Entry> = walk.filter_map(|found| entry_of(found, folder)).collect();
    entries.sort_by(|one, other| one.path.as_os_str().as_bytes().cmp(other.path.as_os_str().as_bytes()));
    entries
}

/// `None` for what has no content that ends: folders, pipes, sockets and devices.
fn entry_of(found: walkdir::Result<walkdir::DirEntry>, folder: &Path) -> Option<Entry> {
    match found {
        Ok(found) if found.file_type().is_dir() => None,
        Ok(found) => match fs::metadata(found.path()) {
            Ok(metadata) => metadata.is_file().then(|| Entry::new(found.into_path(), metadata.len())),
            Err(error) => Some(Entry::unreadable(found.into_path(), &error)),
        },
        Err(error) => {
            let path = error.path().unwrap_or(folder).to_owned();
            Some(Entry::unreadable(path, &error.into_io_error().unwrap_or(io::ErrorKind::Other.into())))
        }
    }
}
