//! A test, or a helper program, in a fresh copy of the test program.
//! Not here: what the copy does; that is an ordinary test, told by a variable that it is the copy.
//! Layer: tests only.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells the copy of a test program which test it is there for.
const VARIABLE: &str = "WORKER_TESTS_ALONE";

/// Runs a test by itself in a process of its own, for what other tests would disturb, or be
/// disturbed by: limits, counts of descriptors, the working directory.
pub(crate) fn alone(test: &str, run: impl FnOnce()) {
    if is_copy_for(test) {
        return run();
    }
    let output = copy_of(test).output().expect("the test program can be started again");
    assert!(
        output.status.success(),
        "`{test}` failed in a process of its own: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "`{test}` is not the name of the calling test:\n{text}");
}

/// Whether this process was started for `test`.
pub(crate) fn is_copy_for(test: &str) -> bool {
    env::var(VARIABLE).is_ok_and(|value| value == test)
}

/// A copy of the test program that runs one test, with nothing on its standard input.
pub(crate) fn copy_of(test: &str) -> Command {
    copy_at(&env::current_exe().expect("the test program knows its path"), test)
}

/// As [`copy_of`], from another place.
pub(crate) fn copy_at(executable: &Path, test: &str) -> Command {
    let mut command = Command::new(executable);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(VARIABLE, test).stdin(Stdio::null());
    command
}

/// Writes the test program to another place, from where [`copy_at`] runs it; the test removes the file.
///
/// By a process of its own: were the file open for writing here, what another test forks just then would have it open too,
/// and it could not be executed meanwhile (`ETXTBSY`).
pub(crate) fn write_copy(path: &Path) {
    let own = env::current_exe().expect("the test program knows its path");
    let status = Command::new("cp").arg(own).arg(path).status().expect("there is `cp`");
    assert!(status.success(), "the test program could not be copied: {status}");
}

/// Runs one test in a copy with a changed environment; says whether it passed, and what it printed.
pub(crate) fn output_of(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = copy_of(test);
    command.envs(variables.iter().copied());
    finish(command)
}

/// Runs a command to its end; says whether it succeeded, and what it printed.
pub(crate) fn finish(mut command: Command) -> (bool, String) {
    let output = command.output().expect("the copy can be started");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
