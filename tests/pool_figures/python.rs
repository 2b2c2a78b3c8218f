//! The same work on Python's pools, if there is a Python.
//! Not here: the script, which is `python.py`.
//! Layer: over a child process.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Microseconds for an item, of each of its pools by name.
pub fn measure(workers: usize, items: u64, item: Duration) -> Result<Vec<(String, f64)>, Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pool_figures/python.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(workers.to_string()).arg(items.to_string()).arg(item.as_nanos().to_string());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("python3 CANNOT BE RUN ({error}): its pools are not measured");
            return Ok(Vec::new());
        }
    };
    if !output.status.success() {
        return Err(format!("python3 failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let line = |line: &str| -> Result<(String, f64), Box<dyn Error>> {
        let (name, micros) = line.split_once('\t').ok_or("a line without a tab")?;
        Ok((name.to_owned(), micros.trim().parse()?))
    };
    text.lines().map(line).collect()
}
