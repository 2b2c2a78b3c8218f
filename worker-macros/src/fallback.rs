//! What stands in place of a block with mistakes: the block itself, the errors, and a skeleton of the frontend, so
//! that one mistake is one error and an editor still completes. Layer: beside `expand`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::parse::Parsed;

/// The user's item without our helper attributes, a skeleton frontend, and the errors.
pub(crate) fn fall_back(parsed: Parsed, item: TokenStream, error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    match parsed {
        Parsed::Actor(_, block) | Parsed::Block(block) => quote!(#block #errors),
        Parsed::Nothing => quote!(#item #errors),
    }
}
