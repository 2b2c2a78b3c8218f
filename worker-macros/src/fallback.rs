//! What stands in place of a block with mistakes: the block itself, the errors, and a skeleton of the frontend, so
//! that one mistake is one error and an editor still completes. Layer: beside `expand`.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{GenericParam, ReturnType, Type, parse_quote};

use crate::expand;
use crate::model::{Actor, Function, Reply};
use crate::parse::{Parsed, types};
use crate::words;

/// The user's item without our helper attributes, a skeleton frontend, and the errors.
pub(crate) fn fall_back(parsed: Parsed, item: TokenStream, error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    match parsed {
        Parsed::Actor(mut actor, block) if can_stand(&actor) => {
            tame(&mut actor);
            let skeleton = expand::skeleton(&actor);
            quote!(#block #skeleton #errors)
        }
        Parsed::Actor(_, block) | Parsed::Block(block) => quote!(#block #errors),
        Parsed::Nothing => quote!(#item #errors),
    }
}

/// Whether a frontend beside this block would not be a mistake of its own.
fn can_stand(actor: &Actor) -> bool {
    // The frontend of an actor comes from its inherent impl, which may well be annotated too.
    actor.implemented.is_none() && actor.frontend != actor.name
}

/// Takes out what would give a second error in generated code.
fn tame(actor: &mut Actor) {
    let lifetimes = |parameter: &GenericParam| matches!(parameter, GenericParam::Lifetime(_));
    if actor.generics.params.iter().any(lifetimes) {
        actor.self_ty = expand::owned(&actor.self_ty);
        actor.generics = expand::owned_generics(&actor.generics);
    }
    let mut names: BTreeSet<String> =
        words::FRONTEND_METHODS.into_iter().map(|(name, _)| name.to_owned()).collect();
    actor.constructors.retain_mut(|constructor| {
        nameable(&mut constructor.function);
        let is_new = constructor.function.name == words::NEW;
        let (spawn, spawn_with) = (constructor.spawn.to_string(), constructor.spawn_with.to_string());
        is_new || (names.insert(spawn) && names.insert(spawn_with))
    });
    actor.methods.retain_mut(|method| {
        nameable(&mut method.function);
        method.reply = types::reply(&method.function.original.output, method.said.as_ref());
        if method.oneway.is_some() {
            method.reply = Reply::Unit;
        }
        names.insert(method.function.name.to_string())
    });
    actor.methods.retain(|method| method.oneway.is_some() || names.insert(method.twin.to_string()));
}

/// A signature that stands by itself: `impl Trait` in a return type becomes a boxed trait object, which is a type like any other.
fn nameable(function: &mut Function) {
    struct Box;
    impl VisitMut for Box {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            visit_mut::visit_type_mut(self, ty);
            if let Type::ImplTrait(impl_trait) = ty {
                let bounds = &impl_trait.bounds;
                *ty = parse_quote!(::std::boxed::Box<dyn #bounds>);
            }
        }
    }
    // A bound by a lifetime of the function is a mistake that the skeleton need not repeat.
    if function.original.generics.lifetimes().next().is_some() {
        function.original.generics = expand::owned_generics(&function.original.generics);
    }
    if let ReturnType::Type(_, ty) = &mut function.original.output {
        Box.visit_type_mut(ty);
    }
}
