//! The frontend: the struct and its own methods; what every frontend has is derived (`derive`).
//! Input: `impl Decoder { .. }`
//! Output: `pub struct DecoderFrontend(::worker_core::Handle<Decoder>);` and its methods.

use proc_macro2::TokenStream;
use syn::Visibility;

use super::{Expansion, calls, docs};
use crate::model::Actor;
use crate::names;

/// As many as clippy lets pass.
const MANY_ARGUMENTS: usize = 7;

/// The struct and its methods.
pub(super) fn frontend(expansion: &Expansion<'_>) -> TokenStream {
    let constructors =
        expansion.actor.constructors.iter().map(|constructor| calls::constructor(expansion, constructor));
    let methods = expansion.actor.methods.iter().map(|method| calls::method(expansion, method));
    let own = emit!(#(#constructors)* #(#methods)*);
    let (structure, methods) = (structure(expansion), inherent(expansion, &own));
    emit!(#structure #methods)
}

fn structure(expansion: &Expansion<'_>) -> TokenStream {
    let (actor, runtime, cfgs) = (expansion.actor, expansion.runtime, expansion.cfgs());
    let (name, self_ty, visibility) =
        (&actor.frontend, &actor.self_ty, names::generated_visibility(&visibility(actor)));
    let (declaration, where_clause) =
        (expansion.generics.declaration(None), &expansion.generics.where_clause);
    let docs = docs::lines(&format!(
        "The frontend of {}: the actor lives in a process of its own, and each method here is a message to it.\n\n\
         Clones share the actor.",
        expansion.actor_link()
    ));
    emit! {
        #cfgs
        #docs
        #[derive(#runtime::Frontend)]
        #visibility struct #name #declaration (#runtime::Handle<#self_ty>) #where_clause;
    }
}

fn inherent(expansion: &Expansion<'_>, own: &TokenStream) -> TokenStream {
    let (cfgs, name) = (expansion.cfgs(), &expansion.actor.frontend);
    let (declaration, arguments) = (expansion.generics.declaration(None), expansion.generics.arguments(None));
    let where_clause = &expansion.generics.where_clause;
    let unused = expansion.skeleton.then(|| emit!(#[allow(unused_variables, reason = "signatures only")]));
    // A `spawn_with` has one parameter more than its constructor.
    let many = expansion.actor.functions().any(|function| function.given().count() >= MANY_ARGUMENTS);
    let many = many.then(|| emit!(clippy::too_many_arguments,));
    emit! {
        #cfgs
        #unused
        #[allow(private_interfaces, dead_code, #many reason = "private actor, unused calls")]
        impl #declaration #name #arguments #where_clause {
            #own
        }
    }
}

/// The frontend is as visible as the most visible function it carries.
fn visibility(actor: &Actor) -> Visibility {
    let rank = |visibility: &Visibility| match visibility {
        Visibility::Public(_) => 3,
        Visibility::Restricted(restricted) if restricted.path.is_ident("crate") => 2,
        Visibility::Restricted(restricted) if restricted.path.is_ident("self") => 0,
        Visibility::Restricted(_) => 1,
        Visibility::Inherited => 0,
    };
    let all = actor.functions().map(|function| &function.visibility);
    all.max_by_key(|visibility| rank(visibility)).cloned().unwrap_or(Visibility::Inherited)
}
