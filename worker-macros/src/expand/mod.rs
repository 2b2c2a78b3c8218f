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
mod generics;
mod messages;
mod types;

use proc_macro2::TokenStream;
use syn::{Lifetime, PathArguments, Type, parse_quote};

use self::generics::Declared;
use crate::model::{Actor, Argument, Function};

/// What all generated items share.
pub(crate) struct Expansion<'m> {
    actor: &'m Actor,
    runtime: &'m syn::Path,
    /// The lifetime of what a message borrows.
    message: Lifetime,
    generics: Declared,
    /// The actor's path without arguments, for links.
    actor_path: String,
}

/// Everything that stands beside the user's block.
pub(crate) fn expand(actor: &Actor) -> TokenStream {
    let expansion = Expansion::new(actor);
    let requests = messages::requests(&expansion);
    let constructors = messages::constructors(&expansion);
    let backend = actor::implementation(&expansion);
    let frontend = frontend::frontend(&expansion);
    emit!(#requests #constructors #backend #frontend)
}

impl<'m> Expansion<'m> {
    pub(crate) fn new(actor: &'m Actor) -> Self {
        Self {
            actor,
            runtime: &actor.runtime,
            message: message_lifetime(actor),
            generics: Declared::new(&actor.generics, None),
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
    fn plain_methods(&self) -> impl Iterator<Item = &'m crate::model::Method> {
        self.actor
            .methods
            .iter()
            .filter(|method| !method.function.is_generic())
    }

    /// Whether the messages of these functions borrow.
    fn borrows<'f>(functions: impl IntoIterator<Item = &'f Function>) -> bool {
        functions
            .into_iter()
            .flat_map(Function::arguments)
            .any(|argument| types::borrows(&argument.ty))
    }
}

/// `'a`, or the first letter that the block's generics do not use.
fn message_lifetime(actor: &Actor) -> Lifetime {
    let (generics, clause) = (&actor.generics, &actor.generics.where_clause);
    let methods = actor
        .methods
        .iter()
        .map(|method| &method.function.original.generics);
    let method_clauses = methods.clone().map(|generics| &generics.where_clause);
    let taken = emit!(#generics #clause #(#methods)* #(#method_clauses)*).to_string();
    let is_free = |name: &String| !taken.contains(name.as_str());
    let chosen = ('a'..='z').map(|letter| format!("'{letter}")).find(is_free);
    Lifetime::new(
        chosen.as_deref().unwrap_or("'message"),
        proc_macro2::Span::mixed_site(),
    )
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
