//! The order of things: parse, check, one barrier, expand or else fall back.
//! Ordinary functions on `proc_macro2` tokens, so that tests need no compiler. Layer: top, under the entry.

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
use crate::parse::{Parsed, parse};
use crate::{check, expand, fallback};

/// What the attribute puts in place of an item.
pub(crate) fn run(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let parsed = parse(&mut errors, args, item.clone());
    if let Parsed::Actor(actor, _) = &parsed {
        check::check(&mut errors, actor);
    }
    match (errors.finish(), parsed) {
        (Ok(()), Parsed::Actor(actor, block)) => {
            let generated = expand::expand(&actor);
            quote!(#block #generated)
        }
        (Ok(()), _) => item,
        (Err(error), parsed) => fallback::fall_back(parsed, item, &error),
    }
}
