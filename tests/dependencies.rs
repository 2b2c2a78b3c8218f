//! What depends on what: a user's build on no more than `docs/expansion.md` lists and no later compiler than the README
//! says, and each room of the runtime on those below it in the picture of `docs/architecture.md`.
//! Not here: what of the standard library is used, which clippy knows (`incompatible_msrv`).
//! Layer: reads the pages and the sources, and asks cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What a program prints.
fn output_of(command: &mut Command) -> String {
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The names that cargo lists for edges of these kinds.
fn tree(edges: &str) -> BTreeSet<String> {
    let package = ["tree", "--package=worker-core", "--offline", "--locked"];
    let text =
        output_of(cargo().args(package).args(["--prefix=none", "--format={p}"]).args(["--edges", edges]));
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

/// A version as numbers, the parts that are left out as zero.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().expect("a number"));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[test]
fn no_dependency_needs_a_later_compiler_than_is_promised() {
    const PROMISED: &str = env!("CARGO_PKG_RUST_VERSION");
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    assert!(readme.contains(&format!("Rust {PROMISED} or later")), "the README names another version");
    let told = output_of(Command::new("rustc").arg("-vV"));
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).expect("the host");
    // Of this platform alone: what others need may not be here.
    let metadata = output_of(cargo().args([
        "metadata",
        "--format-version=1",
        "--offline",
        "--locked",
        "--filter-platform",
        host,
    ]));
    // Each package begins with its id, and names the version that it needs behind that, if it names any.
    let needs = metadata.split("\"id\":\"").filter_map(|package| {
        let (_, needed) = package.split_once("\"rust_version\":\"")?;
        Some((package.split('"').next()?, needed.split('"').next()?))
    });
    let needs: Vec<_> = needs.collect();
    assert!(needs.iter().any(|(id, _)| id.contains("#tokio@")), "{needs:?}");
    let later: Vec<_> = needs.iter().filter(|(_, needed)| version(needed) > version(PROMISED)).collect();
    assert!(later.is_empty(), "later than {PROMISED}: {later:?}");
}

/// The rooms of the picture, and the layer that each is on.
fn rooms() -> BTreeMap<String, u32> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/architecture.md")).unwrap();
    let (_, picture) = page.split_once("## Rooms of worker-core").expect("the page has the picture");
    let picture = picture.split("```").nth(1).expect("the picture is a block");
    let mut layer = None;
    let mut rooms = BTreeMap::new();
    for line in picture.lines().skip(1) {
        // In columns: perhaps a number, and then names, each with what it is.
        let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty()).peekable();
        layer = columns.next_if(|column| column.parse::<u32>().is_ok()).map_or(layer, |n| n.parse().ok());
        while let Some(name) = columns.next() {
            rooms.insert(name.to_owned(), layer.expect("the first line has a number"));
            columns.next();
        }
    }
    rooms
}

fn sources_below(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { sources_below(&path) } else { vec![path] }).collect()
}

#[test]
fn every_room_knows_only_rooms_below_it() {
    let rooms = rooms();
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../worker-core/src");
    let mut wrong = Vec::new();
    let mut uses = 0;
    for (room, layer) in rooms.iter().filter(|(room, _)| *room != "lib") {
        for path in sources_below(&runtime.join(room)) {
            let source = fs::read_to_string(&path).unwrap();
            let header = format!("//! Layer {layer}: ");
            let Some(kind) = source.lines().find_map(|line| line.strip_prefix(&header)) else {
                wrong.push(format!("{path:?} does not begin with its layer, {layer}"));
                continue;
            };
            if kind.starts_with("tests") || kind.starts_with("a model") {
                continue;
            }
            let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for known in line.split("crate::").skip(1) {
                    let known = known.split(|end: char| !end.is_alphanumeric() && end != '_').next();
                    let Some((known, below)) = known.and_then(|known| rooms.get_key_value(known)) else {
                        continue;
                    };
                    uses += 1;
                    if known != room && below >= layer {
                        wrong.push(format!("{path:?}, on layer {layer}, uses `{known}`, on layer {below}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rooms.len() > 10 && uses > 100, "{uses} uses in {rooms:?}");
}
