//! What a user's mistake looks like once rustc has rendered it: every file in `ui` is compiled against the runtime, and
//! its errors are those that it announces, no more. Not here: the rules themselves, which `worker-macros` tests on tokens.
//! Layer: a program of its own, which runs cargo on a package that it writes.
//!
//! A line of a case announces an error with `//~ text`: an error whose headline contains this text is reported there.
//! Only the text is compared, which is ours; what rustc writes around it may change.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

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
    let stderr = check(root, &cases);
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
fn check(root: &Path, cases: &[PathBuf]) -> String {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_messages");
    fs::create_dir_all(&package).unwrap();
    let workspace = root.parent().unwrap();
    let mut manifest = format!(
        "[workspace]\n[package]\nname = \"cases\"\nedition = \"2024\"\nautobins = false\n[dependencies]\n\
         worker-core = {{ path = {:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n",
        workspace.join("worker-core")
    );
    for case in cases {
        let name = case.file_stem().and_then(|name| name.to_str()).unwrap();
        let _ = write!(manifest, "[[bin]]\nname = {name:?}\npath = {case:?}\n");
    }
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    // The same versions as here, so that nothing is to be fetched.
    fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["check", "--offline", "--bins", "--keep-going", "--color=never"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .output()
        .unwrap();
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
