//! Python's multiprocessing, which measures itself when told to: a pipe, a manager, a pool of processes.
//! Not here: the script (`python.py`).
//! Layer: beside the peers, since its clock is in Python.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Outcome;

/// What is called.
pub const KINDS: [(&str, &str); 3] =
    [("pipe", "Python Pipe"), ("manager", "Python Manager"), ("pool", "Python ProcessPoolExecutor")];

pub struct Python {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    /// `None` where there is no Python.
    pub fn start() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/peers/python.py");
        let mut child = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .inspect_err(|error| eprintln!("compare: no Python here, so its rows are left out: {error}"))
            .ok()?;
        let (orders, answers) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Self { child, orders, answers })
    }

    /// Median time of a call in microseconds.
    pub fn median_us(
        &mut self,
        kind: &str,
        what: &str,
        bytes: usize,
        calls: u32,
        pause_us: u64,
    ) -> Outcome<f64> {
        writeln!(self.orders, "{kind} {what} {bytes} {calls} {pause_us}")?;
        self.orders.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim().parse().map_err(|_| format!("Python answered `{}`", line.trim()))?)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = writeln!(self.orders, "end");
        let _ = self.child.wait();
    }
}
