//! What a user's build takes in with the runtime is what `docs/expansion.md` lists, and no more.
//! Not here: features, which are chosen.
//! Layer: reads the page and asks cargo.

use std::collections::BTreeSet;
use std::process::Command;
use std::{env, fs};

/// The names that cargo lists for edges of these kinds.
fn tree(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--package=worker-core", "--offline", "--locked", "--prefix=none", "--format={p}"])
        .args(["--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    text.lines().filter_map(name).filter(|name| name != "worker-core").collect()
}

/// The names that the page lists behind this label.
fn listed<'page>(page: &'page str, label: &str) -> BTreeSet<&'page str> {
    let (_, list) = page.split_once("<!-- dependencies -->").expect("the page has the list");
    let line = list.lines().find_map(|line| line.strip_prefix(label)).expect("the list has the label");
    line.split_whitespace().collect()
}

#[test]
fn a_build_depends_on_what_is_listed() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/expansion.md")).unwrap();
    let at_run_time = tree("normal,no-proc-macro");
    let all = tree("normal,build");
    let at_compile_time: BTreeSet<&str> = all.difference(&at_run_time).map(String::as_str).collect();
    let at_run_time: BTreeSet<&str> = at_run_time.iter().map(String::as_str).collect();
    assert_eq!(at_run_time, listed(&page, "at run time:"));
    assert_eq!(at_compile_time, listed(&page, "at compile time:"));
}
