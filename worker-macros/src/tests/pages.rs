//! Pages of the documentation show files of these tests, and show them as they are.
//! `BLESS=1 cargo test -p worker-macros` copies the files anew.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The page with the code below `<!-- marker -->` replaced.
fn with_code(page: &str, marker: &str, code: &str) -> String {
    let marker = format!("<!-- {marker} -->\n");
    let (before, after) = page.split_once(&marker).expect("the page has the marker");
    let old = after.trim_start();
    let rest = match old.strip_prefix("```rust") {
        Some(block) => block.split_once("\n```\n").expect("the block ends").1,
        None => after,
    };
    let rest = rest.trim_start();
    format!("{before}{marker}\n```rust\n{}\n```\n\n{rest}", code.trim())
}

#[track_caller]
fn check(page: &str, codes: &[(&str, String)]) {
    let path = root().join("../docs").join(page);
    let written = fs::read_to_string(&path).unwrap();
    let wanted = codes.iter().fold(written.clone(), |page, (marker, code)| with_code(&page, marker, code));
    if env::var_os("BLESS").is_some() {
        fs::write(&path, wanted).unwrap();
    } else {
        assert!(written == wanted, "docs/{page} is not as the tests are (BLESS=1 copies them)");
    }
}

#[test]
fn the_expansion_is_shown_as_it_is() {
    let golden = |name: &str| fs::read_to_string(root().join("tests/golden").join(name)).unwrap();
    let input = golden("plain.rs");
    let output = golden("plain.expanded.rs");
    let (_, generated) = output.split_once("\n}\n").expect("the user's block comes first");
    check("expansion.md", &[("plain.rs", input), ("plain.expanded.rs", generated.to_owned())]);
}

#[test]
fn the_code_over_any_frontend_is_shown_as_it_is() {
    let source = fs::read_to_string(root().join("tests/traits.rs")).unwrap();
    let from = source.find("/// The trait: plain").unwrap();
    let until = source.find("/// Another.").unwrap();
    check("macro.md", &[("traits.rs", source[from..until].to_owned())]);
}
