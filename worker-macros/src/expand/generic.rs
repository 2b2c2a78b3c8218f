//! Generic methods: the types at the call choose the code, so each has a message of its own instead of a variant.
//! Input: `pub fn put<T: Serialize + DeserializeOwned>(&mut self, key: &str, value: T) -> usize`
//! Output: `struct DecoderPut<'a, T> { key: &'a str, value: T }` and how to run it on a `Decoder`.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::visit_mut::VisitMut as _;
use syn::{GenericParam, Generics, Ident, Lifetime, Type};

use super::actor::allow_deprecated;
use super::generics::Declared;
use super::messages::{fields, mentions};
use super::types::{self, Lifetimes};
use super::{Expansion, arms, docs, generics_of, replies};
use crate::model::{Function, Method};
use crate::{names, words};

/// A function's own generics, with the actor's name for `Self`.
pub(super) fn own(expansion: &Expansion<'_>, function: &Function) -> Generics {
    types::placed(
        &function.original.generics,
        &Lifetimes::Kept,
        &expansion.actor.self_ty,
        |visitor, generics| visitor.visit_generics_mut(generics),
    )
}

/// One generic method as its struct sees it.
struct Message<'m> {
    name: Ident,
    function: &'m Function,
    generics: Declared,
    borrows: bool,
    /// Type parameters that no field mentions.
    unused: Vec<Ident>,
}

impl<'m> Message<'m> {
    fn new(expansion: &Expansion<'_>, function: &'m Function) -> Self {
        let own = own(expansion, function);
        let generics = Declared::new(&generics_of(expansion.actor), Some(&own));
        let certain = function.arguments().filter(|argument| argument.cfgs.is_empty());
        let fields: Vec<TokenStream> = certain.map(|argument| expansion.field(argument)).collect();
        let is_unused = |name: &&Ident| !fields.iter().any(|field| mentions(field, name));
        let unused = generics.types().filter(is_unused).cloned().collect();
        let borrows = Expansion::borrows([function]);
        Self { name: names::message(&expansion.actor.name, function), function, generics, borrows, unused }
    }

    /// What the marker stands for, when one is needed; `borrow` stands for a borrow of the message.
    fn marker(&self, borrow: &TokenStream) -> Option<TokenStream> {
        let unused = &self.unused;
        let certain = self.function.arguments().filter(|argument| argument.cfgs.is_empty());
        let unsure = self.borrows && !certain.into_iter().any(|argument| types::borrows(&argument.ty));
        let borrow = unsure.then(|| emit!(#borrow,));
        let needed = unsure || !unused.is_empty();
        needed.then(|| emit!(<(#borrow #(fn() -> #unused,)*)>))
    }

    fn ty(&self, lifetime: &Lifetime) -> TokenStream {
        let (name, arguments) = (&self.name, self.generics.arguments(self.borrows.then_some(lifetime)));
        emit!(#name #arguments)
    }
}

/// The struct's literal, from fields of the arguments: all types are named, as some may stand nowhere in a field.
pub(super) fn literal(expansion: &Expansion<'_>, function: &Function, fields: &[TokenStream]) -> TokenStream {
    let message = Message::new(expansion, function);
    let (name, arguments) = (&message.name, message.generics.arguments(None));
    let marker = message.marker(&emit!(&())).map(|_| emit!(__marker: ::core::marker::PhantomData));
    let fields = fields.iter().chain(&marker);
    emit!(#name::#arguments { #(#fields),* })
}

/// The struct of one generic method and how to run it.
pub(super) fn message(expansion: &Expansion<'_>, method: &Method) -> TokenStream {
    let message = Message::new(expansion, &method.function);
    let (structure, invocation) = (structure(expansion, &message), invocation(expansion, &message, method));
    emit!(#structure #invocation)
}

fn structure(expansion: &Expansion<'_>, message: &Message<'_>) -> TokenStream {
    let (cfgs, own_cfgs, runtime) = (expansion.cfgs(), &message.function.carried.cfgs, expansion.runtime);
    let serde = format!("{}::__private::serde", expansion.runtime_text);
    let (name, where_clause) = (&message.name, &message.generics.where_clause);
    let declaration = message.generics.declaration(message.borrows.then_some(&expansion.message));
    let docs = docs::lines(&format!("The arguments of {}.", expansion.link(message.function)));
    let fields = fields(expansion, message.function);
    let lifetime = &expansion.message;
    let marker = message
        .marker(&emit!(&#lifetime ()))
        .map(|marker| emit!(#[serde(skip)] __marker: ::core::marker::PhantomData #marker));
    let fields = fields.into_iter().chain(marker);
    emit! {
        #cfgs
        #(#own_cfgs)*
        #docs
        #[derive(#runtime::__private::Serialize, #runtime::__private::Deserialize)]
        #[serde(crate = #serde, bound = "")]
        struct #name #declaration #where_clause {
            #(#fields,)*
        }
    }
}

fn invocation(expansion: &Expansion<'_>, message: &Message<'_>, method: &Method) -> TokenStream {
    let (cfgs, own_cfgs, runtime) = (expansion.cfgs(), &message.function.carried.cfgs, expansion.runtime);
    let (self_ty, where_clause): (&Type, _) = (&expansion.actor.self_ty, &message.generics.where_clause);
    let declaration = message.generics.declaration(None);
    let elided = message.ty(&Lifetime::new("'_", proc_macro2::Span::mixed_site()));
    let (lifetime, decoded) = (&expansion.message, message.ty(&expansion.message));
    let allow = allow_deprecated([message.function]);
    let name = &message.function.name;
    let chosen = message.function.chosen_at_the_call().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    });
    let chosen = emit!(::<#(#chosen),*>);
    let at = names::at_output(message.function, words::NEW).span();
    let structure = &message.name;
    let pattern =
        arms::Pattern { path: emit!(#structure), own: true, open: message.marker(&emit!(&())).is_some() };
    let arms = arms::arms(&pattern, message.function, &emit!(call.context()), |values| {
        replies::answer(expansion, method, quote_spanned!(at=> actor.#name #chosen (#values)))
    });
    emit! {
        #cfgs
        #(#own_cfgs)*
        impl #declaration #runtime::__private::GenericRequest<#self_ty> for #elided #where_clause {
            type Decoded<#lifetime> = #decoded;
            #allow
            fn invoke(request: Self::Decoded<'_>, actor: &mut #self_ty, call: &#runtime::Call<'_, #self_ty>) {
                match request {
                    #arms
                }
            }
        }
    }
}
