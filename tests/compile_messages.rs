//! What a user's mistake looks like once rustc has rendered it: every file in `ui` is compiled against the runtime, and
//! its errors are those that it announces, no more. Not here: the rules themselves, which `worker-macros` tests on tokens.
//! Layer: a program of its own, which runs cargo on a package that it writes.
//!
//! A line of a case announces an error with `//~ text`: an error whose headline contains this text is reported there.
//! Only the text is compared, which is ours; what rustc writes around it may change.

#[path = "support/package.rs"]
mod package;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use package::Package;

/// An announcement, or errors that were reported.
#[derive(Debug, PartialEq)]
struct Errors {
    line: usize,
    text: String,
    count: usize,
}

#[test]
fn mistakes_are_reported_once_and_where_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = cases(&root.join("ui"));
    let stderr = check(&cases);
    let reported = reported(&stderr);
    let mut wrong = String::new();
    for case in &cases {
        let announced = announced(case);
        assert!(!announced.is_empty(), "{}: announces no error", case.display());
        let none = Vec::new();
        let found = reported.get(file_name(case)).unwrap_or(&none);
        let is_met = |announced: &Errors| found.iter().any(|found| meets(found, announced));
        let is_announced = |found: &Errors| announced.iter().any(|announced| meets(found, announced));
        if !announced.iter().all(is_met) || !found.iter().all(is_announced) {
            let _ = writeln!(wrong, "{}: announced {announced:#?}, found {found:#?}", file_name(case));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn meets(found: &Errors, announced: &Errors) -> bool {
    found.line == announced.line && found.text.contains(&announced.text) && found.count == announced.count
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn announced(case: &Path) -> Vec<Errors> {
    let source = fs::read_to_string(case).unwrap();
    let announcement = |(index, line): (usize, &str)| {
        let (_, announced) = line.split_once("//~")?;
        Some(Errors { line: index + 1, text: announced.trim().to_owned(), count: 1 })
    };
    source.lines().enumerate().filter_map(announcement).collect()
}

/// What cargo says of a package with a program for each case.
fn check(cases: &[PathBuf]) -> String {
    let program = |case: &PathBuf| (case.file_stem().unwrap().to_str().unwrap().to_owned(), case.clone());
    let mut package = Package::new("compile_messages", "worker-core");
    package.write("2024", &cases.iter().map(program).collect::<Vec<_>>());
    let output = package.cargo(&["check", "--offline", "--bins", "--keep-going", "--color=never"]);
    String::from_utf8(output.stderr).unwrap()
}

/// The errors of each case: `error[..]: headline`, and below it ` --> file:line:column`.
fn reported(stderr: &str) -> BTreeMap<&str, Vec<Errors>> {
    let mut all = BTreeMap::<&str, Vec<Errors>>::new();
    let mut headline = None;
    for line in stderr.lines() {
        if let Some((level, text)) = line.split_once(": ").filter(|(level, _)| level.starts_with("error")) {
            let _ = level;
            headline = Some(text);
        } else if let (Some(text), Some((_, place))) = (headline, line.split_once("--> ")) {
            headline = None;
            let mut parts = place.rsplitn(3, ':').skip(1);
            let (line, file) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap());
            let errors = all.entry(file_name(Path::new(file))).or_default();
            match errors.iter_mut().find(|errors| errors.line == line && errors.text == text) {
                Some(errors) => errors.count += 1,
                None => errors.push(Errors { line, text: text.to_owned(), count: 1 }),
            }
        }
    }
    assert!(!all.is_empty(), "cargo reports no error in any case:\n{stderr}");
    all
}
