//! The frontend: the struct, what every frontend has, and the traits it implements.
//! Input: `impl Decoder { .. }`
//! Output: `pub struct DecoderFrontend(::worker_core::Handle<Decoder>);` and its methods.

use proc_macro2::TokenStream;
use syn::Visibility;

use super::{Expansion, calls, docs};
use crate::model::Actor;

/// As many as clippy lets pass.
const MANY_ARGUMENTS: usize = 7;

/// The struct and all that is implemented for it.
pub(super) fn frontend(expansion: &Expansion<'_>) -> TokenStream {
    let constructors =
        expansion.actor.constructors.iter().map(|constructor| calls::constructor(expansion, constructor));
    let methods = expansion.actor.methods.iter().map(|method| calls::method(expansion, method));
    let own = emit!(#(#constructors)* #(#methods)*);
    let (structure, methods, traits) = (structure(expansion), inherent(expansion, &own), traits(expansion));
    emit!(#structure #methods #traits)
}

fn structure(expansion: &Expansion<'_>) -> TokenStream {
    let (actor, runtime, cfgs) = (expansion.actor, expansion.runtime, expansion.cfgs());
    let (name, self_ty, visibility) = (&actor.frontend, &actor.self_ty, visibility(actor));
    let (declaration, where_clause) =
        (expansion.generics.declaration(None), &expansion.generics.where_clause);
    let docs = docs::lines(&format!(
        "The frontend of {}: the actor lives in a process of its own, and each method here is a message to it.\n\n\
         Clones share the actor.",
        expansion.actor_link()
    ));
    let derive = derives(expansion).then(|| emit!(#[derive(::core::clone::Clone, ::core::fmt::Debug)]));
    emit! {
        #cfgs
        #docs
        #derive
        #visibility struct #name #declaration (#runtime::Handle<#self_ty>) #where_clause;
    }
}

fn inherent(expansion: &Expansion<'_>, own: &TokenStream) -> TokenStream {
    let (cfgs, name) = (expansion.cfgs(), &expansion.actor.frontend);
    let (declaration, arguments) = (expansion.generics.declaration(None), expansion.generics.arguments(None));
    let (where_clause, visibility) = (&expansion.generics.where_clause, visibility(expansion.actor));
    let timeout = docs::lines(&format!(
        "The same actor, with calls that fail after `timeout` ({}).",
        expansion.public_link("CallError")
    ));
    let unused = expansion.skeleton.then(|| emit!(#[allow(unused_variables, reason = "signatures only")]));
    // A `spawn_with` has one parameter more than its constructor.
    let many = expansion.actor.functions().any(|function| function.arguments().count() >= MANY_ARGUMENTS);
    let many = many.then(|| emit!(clippy::too_many_arguments,));
    emit! {
        #cfgs
        #unused
        #[allow(private_interfaces, dead_code, #many reason = "private actor, unused calls")]
        impl #declaration #name #arguments #where_clause {
            #own
            #timeout
            #[must_use]
            #visibility fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
                Self(self.0.with_timeout(timeout))
            }
        }
    }
}

/// A derive would ask the actor's type parameters for what only the handle needs.
fn derives(expansion: &Expansion<'_>) -> bool {
    expansion.generics.is_empty()
}

fn traits(expansion: &Expansion<'_>) -> TokenStream {
    let (actor, runtime, cfgs) = (expansion.actor, expansion.runtime, expansion.cfgs());
    let (name, self_ty) = (&actor.frontend, &actor.self_ty);
    let (declaration, arguments) = (expansion.generics.declaration(None), expansion.generics.arguments(None));
    let where_clause = &expansion.generics.where_clause;
    let written = (!derives(expansion)).then(|| {
        emit! {
            #cfgs
            #[automatically_derived]
            impl #declaration ::core::clone::Clone for #name #arguments #where_clause {
                fn clone(&self) -> Self {
                    Self(self.0.clone())
                }
            }
            #cfgs
            #[automatically_derived]
            impl #declaration ::core::fmt::Debug for #name #arguments #where_clause {
                fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Debug::fmt(&self.0, formatter)
                }
            }
        }
    });
    emit! {
        #written
        #cfgs
        impl #declaration ::core::ops::Deref for #name #arguments #where_clause {
            type Target = #runtime::Remote;
            fn deref(&self) -> &#runtime::Remote {
                &self.0
            }
        }
        #cfgs
        impl #declaration #runtime::Frontend for #name #arguments #where_clause {}
        #[automatically_derived]
        impl #declaration ::core::convert::From<#runtime::Handle<#self_ty>> for #name #arguments #where_clause {
            fn from(handle: #runtime::Handle<#self_ty>) -> Self {
                Self(handle)
            }
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
