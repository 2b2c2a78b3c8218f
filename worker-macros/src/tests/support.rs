//! What the tests share: expand, print, compare.

use proc_macro2::TokenStream;

use crate::pipeline;

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
