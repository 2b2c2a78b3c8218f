//! What holds for every expansion: absolute paths, no `unsafe`, the same each time, short enough to read.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::visit::{self, Visit};

use super::golden;
use super::support::{expanded, pretty};
use crate::errors::Errors;
use crate::expand;
use crate::parse::{Parsed, parse};

/// The generated part alone, from input without mistakes.
fn generated(args: TokenStream, block: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let parsed = parse(&mut errors, args, block);
    errors.finish().unwrap();
    match parsed {
        Parsed::Actor(actor, _) => expand::expand(&actor),
        _ => panic!("no actor"),
    }
}

fn words(tokens: &TokenStream, into: &mut BTreeSet<String>) {
    for tree in tokens.clone() {
        match tree {
            TokenTree::Ident(ident) => {
                into.insert(ident.to_string());
            }
            TokenTree::Group(group) => words(&group.stream(), into),
            _ => {}
        }
    }
}

/// Paths that depend on what is in scope at the user's.
#[derive(Default)]
struct Relative(Vec<syn::Path>);

impl<'ast> Visit<'ast> for Relative {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // `derive` and its like are built in; what they derive is not.
        if attribute.path().is_ident("derive")
            && let Ok(derived) = attribute
                .parse_args_with(syn::punctuated::Punctuated::<syn::Path, syn::Token![,]>::parse_terminated)
        {
            self.0.extend(derived.into_iter().filter(|path| path.leading_colon.is_none()));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.0.push(path.clone());
        }
        visit::visit_path(self, path);
    }
}

#[test]
fn paths_are_absolute_or_the_users() {
    let locals = [
        "Self",
        "self",
        "__items",
        "access",
        "actor",
        "backend",
        "birth",
        "bool",
        "builder",
        "call",
        "constructor",
        "context",
        "formatter",
        "handle",
        "i32",
        "never",
        "request",
        "str",
        "timeout",
        "DecoderConstructor",
        "DecoderFrontend",
        "DecoderRequest",
        "CounterConstructor",
        "CounterFrontend",
        "CounterRequest",
        "FetcherConstructor",
        "FetcherFrontend",
        "FetcherRequest",
        "PorterConstructor",
        "PorterFrontend",
        "PorterRequest",
        "StreamerConstructor",
        "StreamerFrontend",
        "StreamerRequest",
        "TailerConstructor",
        "TailerFrontend",
        "TailerRequest",
        "SessionConstructor",
        "SessionFrontend",
        "SessionRequest",
        "TableConstructor",
        "TableFrontend",
        "TableRequest",
        "StoreConstructor",
        "StoreForget",
        "StorePutAs",
    ];
    for input in golden::inputs() {
        let (args, block) = golden::read(&input);
        let mut known: BTreeSet<String> = locals.into_iter().map(str::to_owned).collect();
        words(&args, &mut known);
        words(&block, &mut known);
        let file: syn::File = syn::parse2(generated(args, block)).unwrap();
        let mut relative = Relative::default();
        relative.visit_file(&file);
        for path in relative.0 {
            let first = path.segments.first().unwrap().ident.to_string();
            let made = first.starts_with("argument_") || first == "hint";
            assert!(known.contains(&first) || made, "{}: {}", input.display(), path.to_token_stream());
        }
    }
}

#[test]
fn nothing_is_unsafe_or_imported() {
    for input in golden::inputs() {
        let (args, block) = golden::read(&input);
        let mut found = BTreeSet::new();
        words(&generated(args, block), &mut found);
        for banned in ["unsafe", "use", "mod", "macro_rules", "unimplemented", "todo", "panic", "unwrap"] {
            assert!(!found.contains(banned), "{}: {banned}", input.display());
        }
    }
}

#[test]
fn expansions_are_deterministic() {
    for input in golden::inputs() {
        let (args, block) = golden::read(&input);
        assert_eq!(expanded(args.clone(), block.clone()), expanded(args, block));
    }
}

/// Lines of the generated part, docs apart, with attributes on lines of their own.
fn lines_for(methods: usize) -> usize {
    let method = |index: usize| format!("pub fn m{index}(&mut self, n: i64) -> i64 {{}}");
    let methods: String = (0..methods).map(method).collect();
    let block = format!("impl Counter {{ pub fn new(start: i64) -> Self {{}} {methods} }}").parse().unwrap();
    let text = pretty(&without_docs(generated(TokenStream::new(), block)));
    text.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Doc comments stretch variants over lines that are theirs.
fn without_docs(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => {
                let is_doc =
                    group.stream().into_iter().next().is_some_and(|first| first.to_string() == "doc");
                if is_doc {
                    kept.pop();
                    continue;
                }
                let mut inner = proc_macro2::Group::new(group.delimiter(), without_docs(group.stream()));
                inner.set_span(group.span());
                kept.push(inner.into());
            }
            tree => kept.push(tree),
        }
    }
    kept.into_iter().collect()
}

#[test]
fn expansions_are_short() {
    for methods in [0, 1, 10, 50] {
        let lines = lines_for(methods);
        // Two enums, one implementation of `Actor`, the frontend; then eight lines a method.
        assert!(lines <= 40 + 8 * methods, "{methods} methods give {lines} lines");
    }
}
