//! Match arms: from a message's fields back to the user's call.
//! Input: `pub fn shift(&mut self, by: &Point, cx: &Context<Self>)`
//! Output: `DecoderRequest::Shift { by } => call.reply(self.shift(&by, call.context())),`

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Meta};

use crate::model::{Argument, Carriage, Function, Parameter};

/// The arms of one function: one, or one per combination of its arguments' `#[cfg]`s, since an argument of a call
/// cannot carry an attribute.
pub(super) fn arms(
    message: &Ident,
    function: &Function,
    context: &TokenStream,
    answer: impl Fn(TokenStream) -> TokenStream,
) -> TokenStream {
    let conditional: Vec<&Argument> = function
        .arguments()
        .filter(|argument| !argument.cfgs.is_empty())
        .collect();
    let mut all = TokenStream::new();
    for chosen in 0..1_usize << conditional.len() {
        let present = |argument: &Argument| {
            let position = conditional
                .iter()
                .position(|other| other.name == argument.name);
            position.is_none_or(|position| chosen >> position & 1 == 1)
        };
        let conditions = conditional
            .iter()
            .map(|argument| condition(argument, present(argument)));
        let (cfgs, variant) = (&function.carried.cfgs, &function.variant);
        let names: Vec<&Ident> = function
            .arguments()
            .filter(|argument| present(argument))
            .map(|argument| &argument.name)
            .collect();
        let names = if function.arguments().next().is_none() {
            emit!()
        } else {
            emit!({ #(#names),* })
        };
        let values = function
            .parameters
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Context(_) => Some(context.clone()),
                Parameter::Argument(argument) => {
                    present(argument).then(|| value(argument, &argument.name))
                }
            });
        let values = emit!(#(#values),*);
        let answer = answer(values);
        all.extend(emit!(#(#cfgs)* #(#conditions)* #message::#variant #names => #answer,));
    }
    all
}

/// An argument as the user's method takes it.
pub(super) fn value(argument: &Argument, place: impl quote::ToTokens) -> TokenStream {
    match argument.carriage {
        Carriage::Ref => emit!(&#place),
        Carriage::OptionalRef => emit!(#place.as_deref()),
        Carriage::Plain | Carriage::Bytes | Carriage::Path => emit!(#place),
    }
}

fn condition(argument: &Argument, present: bool) -> TokenStream {
    let predicates = argument.cfgs.iter().filter_map(predicate);
    if present {
        emit!(#[cfg(all(#(#predicates),*))])
    } else {
        emit!(#[cfg(not(all(#(#predicates),*)))])
    }
}

fn predicate(cfg: &Attribute) -> Option<&TokenStream> {
    match &cfg.meta {
        Meta::List(list) => Some(&list.tokens),
        _ => None,
    }
}
