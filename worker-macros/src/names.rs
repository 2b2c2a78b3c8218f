//! Names derived from the user's: variants, frontend methods, made-up argument names.
//! No rules about clashes (see `check`). Layer: above `words` and `model`.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{ReturnType, Visibility};

use crate::model::Function;
use crate::words;

/// The user's place with the macro's own hygiene: an editor jumps to the user's code, lints see generated code.
pub(crate) fn generated_at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// A method of the runtime, named at the user's return type, where a type that cannot travel is reported.
pub(crate) fn at_output(function: &Function, name: &str) -> Ident {
    let span = match &function.original.output {
        ReturnType::Default => function.name.span(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    Ident::new(name, generated_at(span))
}

/// The same name as something the macro generates.
pub(crate) fn generated(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(generated_at(name.span()));
    name
}

/// A visibility as part of something the macro generates: an item begins with it, and lints look at where an item begins.
pub(crate) fn generated_visibility(visibility: &Visibility) -> TokenStream {
    fn generated(tokens: TokenStream) -> TokenStream {
        let moved = |mut tree: TokenTree| {
            let span = generated_at(tree.span());
            if let TokenTree::Group(group) = &tree {
                tree = Group::new(group.delimiter(), generated(group.stream())).into();
            }
            // Only its own span tells which crate `$crate` is.
            if tree.to_string() != "$crate" {
                tree.set_span(span);
            }
            tree
        };
        tokens.into_iter().map(moved).collect()
    }
    generated(visibility.to_token_stream())
}

/// `Decoder` and `Frontend` give `DecoderFrontend`.
pub(crate) fn suffixed(name: &Ident, suffix: &str) -> Ident {
    format_ident!("{}{suffix}", name.unraw(), span = generated_at(name.span()))
}

/// `decode_frame` gives `DecodeFrame`; a name that gives no identifier stays as it is.
pub(crate) fn variant(name: &Ident) -> Ident {
    let text = name.unraw().to_string();
    let mut camel = String::with_capacity(text.len());
    for word in text.split('_') {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            camel.extend(first.to_uppercase());
            camel.push_str(letters.as_str());
        }
    }
    let candidates = [camel.clone(), format!("_{camel}"), format!("{camel}_")];
    let chosen = candidates.iter().find_map(|candidate| syn::parse_str::<Ident>(candidate).ok());
    let mut variant = chosen.unwrap_or_else(|| name.clone());
    variant.set_span(generated_at(name.span()));
    variant
}

/// `spawn` for `new`, else `spawn_name`.
pub(crate) fn spawn(constructor: &Ident) -> Ident {
    if constructor == words::NEW {
        Ident::new(words::SPAWN, generated_at(constructor.span()))
    } else {
        format_ident!("{}_{}", words::SPAWN, constructor.unraw(), span = generated_at(constructor.span()))
    }
}

/// `_hint` says that the backend ignores it; the message carries it all the same, as `hint`.
pub(crate) fn used(name: &Ident, taken: &[String]) -> Ident {
    let text = name.to_string();
    let used = text.trim_start_matches('_');
    let is_free = used != text && !taken.iter().any(|other| other == used);
    match syn::parse_str::<Ident>(used).ok().filter(|_| is_free) {
        Some(mut used) => {
            used.set_span(generated_at(name.span()));
            used
        }
        None => name.clone(),
    }
}

/// An identifier for the `index`th parameter (from one) that none of `taken` uses.
pub(crate) fn argument(index: usize, span: Span, taken: &[String]) -> Ident {
    let mut text = format!("argument_{index}");
    while taken.contains(&text) {
        text.push('_');
    }
    Ident::new(&text, generated_at(span))
}

/// The struct that carries a generic method's arguments: `DecoderPut` for `put`.
pub(crate) fn message(actor: &Ident, function: &Function) -> Ident {
    suffixed(actor, &function.variant.to_string())
}
