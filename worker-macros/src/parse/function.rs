//! Turns one function of the block into its place in the model: constructor, method, hook or none of them.
//! Judges nothing that `check` can judge. Layer: above the other rooms of `parse`.

use proc_macro2::Ident;
use syn::spanned::Spanned as _;
use syn::{FnArg, Pat, PatType, Path, Type, Visibility, parse_quote_spanned};

use super::{attributes, block, types};
use crate::errors::Errors;
use crate::model::{
    Actor, Argument, Carriage, Constructor, Function, Hook, HookKind, Method, Misplaced, Parameter, Reply,
    Said,
};
use crate::{names, words};

/// Adds one function of the user's block to the actor.
pub(crate) fn add(errors: &mut Errors, actor: &mut Actor, function: &block::Function) {
    let signature = &function.signature;
    let helper = attributes::only_helper(errors, &function.attributes);
    let exported = !matches!(function.visibility, Visibility::Inherited);
    let has_self = signature.receiver().is_some();
    let (said, helper) = match helper {
        Some((word @ (words::FALLIBLE | words::INFALLIBLE), attribute)) => {
            (Some(Said { fallible: word == words::FALLIBLE, attribute }), None)
        }
        helper => (None, helper),
    };
    let constructs =
        types::constructs(&signature.output, &actor.self_ty, said.as_ref()).filter(|_| !has_self);

    match helper {
        Some((word, attribute)) if hook_kind(word).is_some() => {
            actor.hooks.extend(hook_kind(word).map(|kind| hook(kind, attribute, function)));
        }
        Some((_, attribute)) if !exported || !has_self => {
            let name = signature.ident.clone();
            actor.misplaced.push(Misplaced { attribute, function: name, has_self });
        }
        _ if said.is_some() && !(exported && (has_self || constructs.is_some())) => {
            let (function, attribute) = (signature.ident.clone(), said.map(|said| said.attribute));
            let misplaced = attribute.map(|attribute| Misplaced { attribute, function, has_self });
            actor.misplaced.extend(misplaced);
        }
        // Defined twice: rustc says so, and a second variant would only say it again.
        _ if exported && has_self && is_repeated(actor, function) => {}
        oneway if exported && has_self => {
            let reply = types::reply(&signature.output, said.as_ref());
            let mut digested = digest(function);
            if let Reply::Stream(_, item) = &reply {
                digested.parameters.push(items(&actor.runtime, item));
            }
            actor.methods.push(Method {
                function: digested,
                oneway: oneway.map(|(_, attribute)| attribute),
                reply,
                said,
                twin: names::suffixed(&signature.ident, words::ASYNC_SUFFIX),
            });
        }
        _ => match constructs {
            Some(_) if exported && is_repeated(actor, function) => {}
            Some(fallible) if exported => {
                let spawn = names::spawn(&signature.ident);
                let spawn_with = names::suffixed(&spawn, words::WITH_SUFFIX);
                actor.constructors.push(Constructor {
                    function: digest(function),
                    fallible,
                    spawn,
                    spawn_with,
                });
            }
            Some(_) => actor.hidden_constructors.push(signature.ident.clone()),
            None => {}
        },
    }
}

fn is_repeated(actor: &Actor, function: &block::Function) -> bool {
    let conditional = !attributes::cfgs(&function.attributes).is_empty();
    let same = |other: &Function| {
        other.name == function.signature.ident && (other.carried.cfgs.is_empty() || !conditional)
    };
    actor.functions().any(same)
}

fn hook_kind(word: &str) -> Option<HookKind> {
    match word {
        words::STARTED => Some(HookKind::Started),
        words::STOPPED => Some(HookKind::Stopped),
        words::ACTIVATE => Some(HookKind::Activate),
        words::DEACTIVATE => Some(HookKind::Deactivate),
        _ => None,
    }
}

fn hook(kind: HookKind, attribute: syn::Attribute, function: &block::Function) -> Hook {
    Hook {
        kind,
        attribute,
        visibility: function.visibility.clone(),
        cfgs: attributes::cfgs(&function.attributes),
        original: function.signature.clone(),
        parameters: parameters(function),
    }
}

fn digest(function: &block::Function) -> Function {
    let name = function.signature.ident.clone();
    Function {
        visibility: function.visibility.clone(),
        carried: attributes::carried(&function.attributes),
        original: function.signature.clone(),
        parameters: parameters(function),
        variant: names::variant(&name),
        name,
    }
}

fn parameters(function: &block::Function) -> Vec<Parameter> {
    let inputs = &function.signature.inputs;
    let typed = |input: &'_ FnArg| match input {
        FnArg::Typed(typed) => Some(typed.clone()),
        FnArg::Receiver(_) => None,
    };
    let typed: Vec<PatType> = inputs.iter().filter_map(typed).collect();
    let taken: Vec<String> =
        typed.iter().filter_map(|input| plain_name(&input.pat)).map(|name| name.to_string()).collect();
    let read = |(index, input): (usize, &PatType)| parameter(index + 1, input, &taken);
    typed.iter().enumerate().map(read).collect()
}

/// Where the items of a stream go.
fn items(runtime: &Path, item: &Type) -> Parameter {
    let ty = parse_quote_spanned!(names::generated_at(item.span())=> #runtime::Sender<#item>);
    let name = Ident::new(words::ITEMS, names::generated_at(item.span()));
    Parameter::Items(Argument { cfgs: Vec::new(), name, ty, carriage: Carriage::Plain })
}

fn parameter(index: usize, input: &PatType, taken: &[String]) -> Parameter {
    let ty: Type = (*input.ty).clone();
    if types::is_context(&ty) {
        return Parameter::Context(ty);
    }
    let name = match plain_name(&input.pat) {
        Some(name) => names::used(&name, taken),
        None => names::argument(index, input.pat.span(), taken),
    };
    Parameter::Argument(Argument {
        cfgs: attributes::cfgs(&input.attrs),
        name,
        carriage: types::carriage(&ty),
        ty,
    })
}

/// The name that a pattern such as `x`, `mut x` or `x @ ..` binds as a whole.
fn plain_name(pattern: &Pat) -> Option<Ident> {
    match pattern {
        Pat::Ident(pattern) => Some(pattern.ident.clone()),
        Pat::Paren(pattern) => plain_name(&pattern.pat),
        _ => None,
    }
}
