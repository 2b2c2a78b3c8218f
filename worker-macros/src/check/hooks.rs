//! Rules about hooks: what the backend can call by itself.
//! Layer: part of `check`.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{ReturnType, Safety, Signature, Visibility};

use super::{functions, parameters};
use crate::errors::Errors;
use crate::model::{Actor, Hook, Reply, arguments};
use crate::parse::types;
use crate::shown::shown;

/// `#[started] pub fn warm_up(n: u32) -> u32`, and two hooks of a kind.
pub(super) fn hooks(errors: &mut Errors, actor: &Actor) {
    for (index, hook) in actor.hooks.iter().enumerate() {
        let attribute = shown(hook.attribute.path());
        let same = |other: &&Hook| other.kind == hook.kind && (other.cfgs.is_empty() || hook.cfgs.is_empty());
        if let Some(first) = actor.hooks.iter().take(index).find(same) {
            let first = &first.original.ident;
            errors.at(
                &hook.attribute,
                format!(
                    "`#[{attribute}]` is already on `{first}`: keep one hook and call the rest from there"
                ),
            );
        }
        signature(errors, &attribute, hook);
    }
}

fn signature(errors: &mut Errors, attribute: &str, hook: &Hook) {
    let signature = &hook.original;
    let name = &signature.ident;
    if !matches!(hook.visibility, Visibility::Inherited) {
        let found = shown(&hook.visibility);
        errors.at(
            &hook.visibility,
            format!("a `#[{attribute}]` hook is called by its backend only, found `{found}`: remove it"),
        );
    }
    if signature.receiver().is_none() {
        errors.at(
            parameter_list(signature),
            format!("a `#[{attribute}]` hook works on its actor: write `{name}(&mut self)`"),
        );
    }
    functions::receiver(errors, signature);
    for argument in arguments(&hook.parameters) {
        let found = shown(&argument.ty);
        errors.at(
            &argument.ty,
            format!("a `#[{attribute}]` hook takes at most a `&Context<Self>`, found `{found}`: remove the parameter"),
        );
    }
    parameters::contexts(errors, &hook.parameters);
    if let ReturnType::Type(_, ty) = &signature.output
        && !matches!(types::reply(&signature.output, None), Reply::Unit | Reply::Never)
    {
        let found = shown(ty);
        errors.at(
            ty,
            format!("nobody receives what a `#[{attribute}]` hook returns, found `-> {found}`: remove it"),
        );
    }
    if let Some(asyncness) = &signature.asyncness {
        errors.at(asyncness, format!("a `#[{attribute}]` hook cannot be `async` yet: write `fn`"));
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        errors.at(unsafety, format!("a `#[{attribute}]` hook is called from safe code: remove `unsafe`"));
    }
    for parameter in signature
        .generics
        .params
        .iter()
        .filter(|parameter| !matches!(parameter, syn::GenericParam::Lifetime(_)))
    {
        errors.at(parameter, format!("nobody chooses the generics of a `#[{attribute}]` hook: remove them"));
    }
}

/// `(..)` as written.
fn parameter_list(signature: &Signature) -> TokenStream {
    let mut list = TokenStream::new();
    signature.paren_token.surround(&mut list, |list| signature.inputs.to_tokens(list));
    list
}
