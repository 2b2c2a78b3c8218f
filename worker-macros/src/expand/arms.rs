//! Match arms: from a message's fields back to the user's call.
//! Input: `pub fn shift(&mut self, by: &Point, cx: &Context<Self>)`
//! Output: `DecoderRequest::Shift { by } => call.reply(self.shift(&by, call.context())).carry(),`

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Meta};

use crate::model::{Argument, Carriage, Function, Parameter};

/// What the arms of a function match on.
pub(super) struct Pattern {
    /// `DecoderRequest::Shift`.
    pub(super) path: TokenStream,
    /// It is a struct of one function, not a variant among others.
    pub(super) own: bool,
    /// It has fields besides the arguments.
    pub(super) open: bool,
}

impl Pattern {
    /// A variant of a message enum.
    pub(super) fn variant(message: &Ident, function: &Function) -> Self {
        let variant = &function.variant;
        Self { path: emit!(#message::#variant), own: false, open: false }
    }
}

/// The arms of one function: one, or one per combination of its arguments' `#[cfg]`s, since an argument of a call
/// cannot carry an attribute.
pub(super) fn arms(
    pattern: &Pattern,
    function: &Function,
    context: &TokenStream,
    answer: impl Fn(TokenStream) -> TokenStream,
) -> TokenStream {
    let conditional: Vec<&Argument> =
        function.arguments().filter(|argument| !argument.cfgs.is_empty()).collect();
    let mut all = TokenStream::new();
    for chosen in 0..1_usize << conditional.len() {
        let present = |argument: &Argument| {
            let position = conditional.iter().position(|other| other.name == argument.name);
            position.is_none_or(|position| chosen >> position & 1 == 1)
        };
        let conditions = conditional.iter().map(|argument| condition(argument, present(argument)));
        // A message of its own is conditional as a whole.
        let cfgs = function.carried.cfgs.iter().filter(|_| !pattern.own);
        let rest = pattern.open.then(|| emit!(..));
        let path = &pattern.path;
        let names: Vec<&Ident> = function
            .arguments()
            .filter(|argument| present(argument))
            .map(|argument| &argument.name)
            .collect();
        let names = if function.arguments().next().is_none() && !pattern.own {
            emit!()
        } else {
            emit!({ #(#names,)* #rest })
        };
        let values = function.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Context(_) => Some(context.clone()),
            Parameter::Items(_) => None,
            Parameter::Argument(argument) => present(argument).then(|| value(argument, &argument.name)),
        });
        let values = emit!(#(#values),*);
        let answer = answer(values);
        all.extend(emit!(#(#cfgs)* #(#conditions)* #path #names => #answer,));
    }
    all
}

/// An argument as the user's method takes it.
pub(super) fn value(argument: &Argument, place: impl ToTokens) -> TokenStream {
    match argument.carriage {
        Carriage::Ref => emit!(&#place),
        Carriage::OptionalRef => emit!(#place.as_deref()),
        Carriage::Descriptor => emit!(::std::os::fd::AsFd::as_fd(&#place)),
        Carriage::Plain | Carriage::Bytes | Carriage::Path => emit!(#place),
    }
}

fn condition(argument: &Argument, present: bool) -> TokenStream {
    let predicates: Vec<&TokenStream> = argument.cfgs.iter().filter_map(predicate).collect();
    let all = match predicates.as_slice() {
        [only] => emit!(#only),
        _ => emit!(all(#(#predicates),*)),
    };
    if present { emit!(#[cfg(#all)]) } else { emit!(#[cfg(not(#all))]) }
}

fn predicate(cfg: &Attribute) -> Option<&TokenStream> {
    match &cfg.meta {
        Meta::List(list) => Some(&list.tokens),
        _ => None,
    }
}
