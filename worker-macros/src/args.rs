//! The options of the attribute: `frontend = Name`, `request = Name`, `constructor = Name`, `crate = path`.
//! Reads them and reports malformed ones; knows nothing of the block below. Layer: above `errors` and `words`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Token, parse_quote};

use crate::errors::Errors;
use crate::names;
use crate::shown::shown;
use crate::words::{self, OptionWord};

/// What the user chose; a name not chosen is derived from the actor's.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) frontend: Option<Ident>,
    pub(crate) request: Option<Ident>,
    pub(crate) constructor: Option<Ident>,
    pub(crate) runtime: Option<syn::Path>,
}

impl Options {
    /// The path of the runtime crate. It stands in generated code wherever the user has nothing to shorten, so it has the
    /// macro's own spans, but for `$crate`, as only its own span tells which crate.
    pub(crate) fn runtime(&self) -> syn::Path {
        let mut path = self.runtime.clone().unwrap_or_else(|| parse_quote!(::worker_core));
        for segment in path.segments.iter_mut().filter(|segment| segment.ident != "$crate") {
            segment.ident = names::generated(&segment.ident);
        }
        path
    }

    fn slot(&mut self, word: &str) -> Option<&mut Option<Ident>> {
        match word {
            word if word == words::FRONTEND.word => Some(&mut self.frontend),
            word if word == words::REQUEST.word => Some(&mut self.request),
            word if word == words::CONSTRUCTOR.word => Some(&mut self.constructor),
            _ => None,
        }
    }
}

/// Reads the attribute's arguments; a bad option is reported and skipped.
pub(crate) fn parse(errors: &mut Errors, tokens: TokenStream) -> Options {
    let mut options = Options::default();
    let outcome = (|input: ParseStream<'_>| {
        while !input.is_empty() {
            option(errors, &mut options, input);
            skip_to_comma(input);
        }
        Ok(())
    })
    .parse2(tokens);
    if let Err(error) = outcome {
        errors.push(error);
    }
    options
}

fn option(errors: &mut Errors, options: &mut Options, input: ParseStream<'_>) {
    let Ok(word) = input.call(Ident::parse_any) else {
        let found = rest_of_option(input);
        let text = shown(&found);
        return errors.at(&found, format!("expected an option, found `{text}`: write {}", words::options()));
    };
    let Some(known) = words::OPTIONS.into_iter().find(|option| word == option.word) else {
        return errors.at(&word, format!("unknown option `{word}`: expected {}", words::options()));
    };
    if input.parse::<Token![=]>().is_err() || input.is_empty() || input.peek(Token![,]) {
        return errors.at(&word, format!("`{word}` needs a value: write `{word} = {}`", known.value));
    }
    value(errors, options, known, &word, input);
}

fn value(
    errors: &mut Errors,
    options: &mut Options,
    known: &OptionWord,
    word: &Ident,
    input: ParseStream<'_>,
) {
    let tokens = rest_of_option(input);
    let repeated = if known.word == words::CRATE.word {
        match syn::Path::parse_mod_style.parse2(tokens.clone()) {
            Ok(path) => options.runtime.replace(path).is_some(),
            Err(_) => return malformed(errors, word, known, &tokens),
        }
    } else {
        match (syn::parse2::<Ident>(tokens.clone()), options.slot(known.word)) {
            (Ok(name), Some(slot)) => slot.replace(name).is_some(),
            _ => return malformed(errors, word, known, &tokens),
        }
    };
    if repeated {
        errors.at(word, format!("option `{word}` is given twice: keep one of the two"));
    }
}

fn malformed(errors: &mut Errors, word: &Ident, known: &OptionWord, tokens: &TokenStream) {
    let expected =
        if known.word == words::CRATE.word { "the path of the runtime crate" } else { "the name of a type" };
    errors.at(
        tokens,
        format!("`{word}` expects {expected}, found `{}`: write `{word} = {}`", shown(tokens), known.value),
    );
}

/// Everything up to the next comma of this level.
fn rest_of_option(input: ParseStream<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        match input.parse::<TokenTree>() {
            Ok(token) => tokens.extend([token]),
            Err(_) => break,
        }
    }
    tokens
}

fn skip_to_comma(input: ParseStream<'_>) {
    let _ = rest_of_option(input);
    let _ = input.parse::<Token![,]>();
}
