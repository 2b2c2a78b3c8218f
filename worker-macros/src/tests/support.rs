//! What the tests share: expand, print, and read the mistakes of a block.

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::parse::{Parsed, parse};
use crate::{check, pipeline};

/// The expansion, formatted; a text that does not parse fails the test with the tokens in view.
pub(super) fn expanded(args: TokenStream, item: TokenStream) -> String {
    pretty(&pipeline::run(args, item))
}

/// Formatted tokens.
pub(super) fn pretty(tokens: &TokenStream) -> String {
    match syn::parse2::<syn::File>(tokens.clone()) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => panic!("the expansion does not parse: {error}\n{tokens}"),
    }
}

/// The mistakes of a block: each message and the text it underlines.
pub(super) fn diagnostics(args: &str, item: &str) -> Vec<(String, String)> {
    let tokens = |source: &str| source.parse::<TokenStream>().unwrap();
    let mut errors = Errors::new();
    if let Parsed::Actor(actor, _) = parse(&mut errors, tokens(args), tokens(item)) {
        check::check(&mut errors, &actor);
    }
    let Err(found) = errors.finish() else {
        return Vec::new();
    };
    let text = |error: &syn::Error| error.span().source_text().unwrap_or_default();
    found.into_iter().map(|error| (error.to_string(), text(&error))).collect()
}
