//! Model in, tokens out: one file per generated item, none of which can fail or look anything up.
//! Every token that is not the user's has the macro's own hygiene, so `builder` and `call` never clash with an
//! argument of that name. Layer: above `model`.

/// `quote!` with the macro's own hygiene.
macro_rules! emit {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

mod actor;
mod arms;
mod calls;
mod docs;
mod frontend;
mod generic;
mod generics;
mod messages;
mod replies;
mod tasks;
mod types;

use proc_macro2::{Ident, TokenStream};
use quote::format_ident;
use syn::ext::IdentExt as _;
use syn::visit_mut::VisitMut as _;
use syn::{GenericParam, Generics, Lifetime, PathArguments, Type, parse_quote};

use self::generics::Declared;
use self::types::Lifetimes;
use crate::model::{Actor, Argument, Function, Method};

/// What all generated items share.
pub(crate) struct Expansion<'m> {
    actor: &'m Actor,
    /// Signatures only, for a block with mistakes.
    skeleton: bool,
    runtime: &'m syn::Path,
    /// The same in strings and links.
    runtime_text: String,
    /// The lifetime of what a message borrows.
    message: Lifetime,
    generics: Declared,
    /// The actor's path without arguments, for links.
    actor_path: String,
}

/// Everything that stands beside the user's block.
pub(crate) fn expand(actor: &Actor) -> TokenStream {
    let expansion = Expansion::new(actor, false);
    let requests = messages::requests(&expansion);
    let constructors = messages::constructors(&expansion);
    let generic = expansion.generic_methods().map(|method| generic::message(&expansion, method));
    let generic = emit!(#(#generic)*);
    let backend = actor::implementation(&expansion);
    let frontend = frontend::frontend(&expansion);
    let alias = runtime_alias(actor).map(|alias| {
        let (cfgs, runtime) = (expansion.cfgs(), expansion.runtime);
        emit!(#cfgs use #runtime as #alias;)
    });
    emit!(#alias #requests #constructors #generic #backend #frontend)
}

/// The frontend of a block with mistakes: all of its signatures, none of its messages.
pub(crate) fn skeleton(actor: &Actor) -> TokenStream {
    let expansion = Expansion::new(actor, true);
    let backend = actor::skeleton(&expansion);
    let frontend = frontend::frontend(&expansion);
    emit!(#backend #frontend)
}

/// The type with `'static` for every lifetime.
pub(crate) fn owned(ty: &Type) -> Type {
    types::place(ty, &Lifetimes::Static, ty)
}

/// The generics without lifetimes of their own.
pub(crate) fn owned_generics(generics: &Generics) -> Generics {
    let anything: Type = parse_quote!(());
    types::placed(generics, &Lifetimes::Static, &anything, |visitor, generics| {
        generics.params = generics
            .params
            .iter()
            .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
            .cloned()
            .collect();
        visitor.visit_generics_mut(generics);
    })
}

impl<'m> Expansion<'m> {
    fn new(actor: &'m Actor, skeleton: bool) -> Self {
        Self {
            actor,
            skeleton,
            runtime: &actor.runtime,
            runtime_text: runtime_alias(actor)
                .map_or_else(|| types::path_text(&actor.runtime), |alias| alias.to_string()),
            message: message_lifetime(actor),
            generics: Declared::new(&generics_of(actor), None),
            actor_path: path_without_arguments(&actor.self_ty),
        }
    }

    /// `#[cfg]`s of the block.
    fn cfgs(&self) -> TokenStream {
        let cfgs = &self.actor.cfgs;
        emit!(#(#cfgs)*)
    }

    /// The type of the field in which this argument travels.
    fn field(&self, argument: &Argument) -> TokenStream {
        types::field(argument, &self.message, &self.actor.self_ty, self.runtime)
    }

    /// Methods that are variants of the request enum; the others choose their code by the types at the call.
    fn plain_methods(&self) -> impl Iterator<Item = &'m Method> {
        self.actor.methods.iter().filter(|method| !method.function.is_generic())
    }

    /// Methods with a message of their own.
    fn generic_methods(&self) -> impl Iterator<Item = &'m Method> {
        self.actor.methods.iter().filter(|method| method.function.is_generic())
    }

    /// What a generated function does, or for a skeleton, something that fits every return type.
    fn body(&self, body: TokenStream) -> TokenStream {
        if self.skeleton { emit!(loop {}) } else { body }
    }

    /// Whether the messages of these functions borrow.
    fn borrows<'f>(functions: impl IntoIterator<Item = &'f Function>) -> bool {
        functions.into_iter().flat_map(Function::arguments).any(|argument| types::borrows(&argument.ty))
    }
}

/// The block's generics with the actor's name for `Self`, which means something else in generated items.
fn generics_of(actor: &Actor) -> Generics {
    types::placed(&actor.generics, &Lifetimes::Kept, &actor.self_ty, |visitor, generics| {
        visitor.visit_generics_mut(generics);
    })
}

/// A name for a runtime path such as `$crate::worker`, which has no meaning in the strings of serde's attributes.
fn runtime_alias(actor: &Actor) -> Option<Ident> {
    let first = actor.runtime.segments.first()?;
    (first.ident == "$crate").then(|| format_ident!("__runtime_of_{}", actor.name.unraw()))
}

/// `'a`, or the first letter that the block's generics do not use.
fn message_lifetime(actor: &Actor) -> Lifetime {
    let (generics, clause) = (&actor.generics, &actor.generics.where_clause);
    let methods = actor.methods.iter().map(|method| &method.function.original.generics);
    let method_clauses = methods.clone().map(|generics| &generics.where_clause);
    let taken = emit!(#generics #clause #(#methods)* #(#method_clauses)*).to_string();
    let is_free = |name: &String| !taken.contains(name.as_str());
    let chosen = ('a'..='z').map(|letter| format!("'{letter}")).find(is_free);
    Lifetime::new(chosen.as_deref().unwrap_or("'message"), proc_macro2::Span::mixed_site())
}

fn path_without_arguments(self_ty: &Type) -> String {
    let Type::Path(path) = self_ty else {
        return String::new();
    };
    let mut path = path.path.clone();
    for segment in &mut path.segments {
        segment.arguments = PathArguments::None;
    }
    types::path_text(&parse_quote!(#path))
}
