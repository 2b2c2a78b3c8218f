//! Collects every mistake of a block, so that the user sees all of them at once.
//! Knows no rule and no message. Layer: bottom, used by `args`, `parse` and `check`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far; [`Errors::finish`] must be asked in the end.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Errors {
    found: Option<syn::Error>,
    finished: bool,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a mistake at exactly these tokens (a joined span would show only the first one on stable).
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        let tokens: TokenStream = tokens.to_token_stream();
        if tokens.is_empty() {
            self.push(syn::Error::new(Span::call_site(), message));
        } else {
            self.push(syn::Error::new_spanned(tokens, message));
        }
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.found {
            Some(found) => found.combine(error),
            None => self.found = Some(error),
        }
    }

    /// The barrier: nothing after it can fail.
    pub(crate) fn finish(mut self) -> syn::Result<()> {
        self.finished = true;
        self.found.take().map_or(Ok(()), Err)
    }
}

impl Drop for Errors {
    /// Forgetting to look would swallow the user's mistakes.
    fn drop(&mut self) {
        debug_assert!(self.finished || std::thread::panicking(), "errors were collected and never looked at");
    }
}
