//! Golden pairs: `tests/golden/name.rs` expands to `tests/golden/name.expanded.rs`.
//! `BLESS=1 cargo test -p worker-macros` writes the second of each pair anew.

use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Item, Meta};

use super::support::expanded;

pub(super) fn inputs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<PathBuf> =
        entries.filter(|path| path.extension() == Some("rs".as_ref()) && !is_output(path)).collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    inputs
}

fn is_output(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".expanded.rs")
}

/// The attribute's arguments and the block below it.
pub(super) fn read(path: &Path) -> (TokenStream, TokenStream) {
    let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
    let Some(Item::Impl(mut block)) = file.items.into_iter().find(|item| matches!(item, Item::Impl(_)))
    else {
        panic!("{}: no impl block", path.display())
    };
    let attribute = block.attrs.remove(0);
    let args = match attribute.meta {
        Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    };
    (args, block.into_token_stream())
}

#[test]
fn expansions_are_the_golden_ones() {
    let mut stale = Vec::new();
    for input in inputs() {
        let (args, block) = read(&input);
        let actual = expanded(args, block);
        let output = input.with_extension("expanded.rs");
        if env::var_os("BLESS").is_some() {
            fs::write(&output, actual).unwrap();
        } else if fs::read_to_string(&output).ok().as_deref() != Some(actual.as_str()) {
            stale.push(format!("{}:\n{actual}", output.display()));
        }
    }
    assert!(stale.is_empty(), "not as blessed (BLESS=1 accepts):\n{}", stale.join("\n"));
}
