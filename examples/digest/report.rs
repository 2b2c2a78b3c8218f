//! What the program prints in the end.
//! Not here: the progress bar.
//! Layer: below the program.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use worker_core::SpawnError;

use super::entries::Entry;

/// Prints what is known, then what went wrong; says whether nothing did.
pub(crate) fn report(entries: &[Entry], errors: &[SpawnError]) -> io::Result<bool> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut complete = true;
    for entry in entries {
        if let Some(Ok(digest)) = entry.outcome.get() {
            write_line(&mut output, *digest, &entry.path)?;
        }
    }
    output.flush()?;
    for error in errors {
        eprintln!("digest: a worker could not be started: {error}");
    }
    for entry in entries {
        let reason = match entry.outcome.get() {
            Some(Ok(_)) => continue,
            Some(Err(reason)) => reason,
            None => "not hashed, for want of a worker",
        };
        eprintln!("digest: {}: {reason}", entry.path.display());
        complete = false;
    }
    Ok(complete)
}

/// One line as `sha256sum` writes it: a name that would break the line is escaped and marked.
fn write_line(output: &mut impl Write, digest: [u8; 32], path: &Path) -> io::Result<()> {
    let name = path.as_os_str().as_bytes();
    if name.iter().any(|byte| b"\\\n\r".contains(byte)) {
        output.write_all(b"\\")?;
    }
    for byte in digest {
        write!(output, "{byte:02x}")?;
    }
    output.write_all(b"  ")?;
    for &byte in name {
        match byte {
            b'\\' => output.write_all(b"\\\\")?,
            b'\n' => output.write_all(b"\\n")?,
            b'\r' => output.write_all(b"\\r")?,
            other => output.write_all(&[other])?,
        }
    }
    output.write_all(b"\n")
}
