//! Rules about one exported function: its qualifiers, its receiver, what it takes, whether it may be one-way.
//! Layer: part of `check`.

use syn::visit::Visit;
use syn::{Lifetime, ReceiverKind, ReturnType, Safety, Signature, Type, WherePredicate};

use super::{parameters, types};
use crate::errors::Errors;
use crate::model::{Function, Method, Misplaced, Reply};
use crate::parse::types::bare;
use crate::shown::shown;

/// Arguments that can carry a `#[cfg]`: each doubles the arms of the match.
const MOST_CONDITIONAL_ARGUMENTS: usize = 3;

/// `pub unsafe fn read(&self)`, `pub async fn new() -> Self`, `pub async fn put<T>(&self, value: T)`
pub(super) fn qualifiers(errors: &mut Errors, function: &Function) {
    if let Safety::Unsafe(unsafety) = &function.original.safety {
        errors.at(
            unsafety,
            "an exported function cannot be `unsafe`, because its caller is in another process: make it safe, or \
             remove its visibility",
        );
    }
    let Some(asyncness) = &function.original.asyncness else {
        return;
    };
    if function.original.receiver().is_none() {
        errors.at(asyncness, "a constructor cannot be `async`: begin what waits in a method");
    } else if function.is_generic() {
        errors.at(
            asyncness,
            "a generic method cannot be `async`: make its types parameters of the actor, `impl<T> Actor<T>`, or \
             write `fn`",
        );
    }
}

/// `pub fn decode(self)`, `pub fn decode(self: Box<Self>)`, also for hooks.
pub(super) fn receiver(errors: &mut Errors, signature: &Signature) {
    let Some(receiver) = signature.receiver() else {
        return;
    };
    match &receiver.kind {
        ReceiverKind::Value => errors.at(
            receiver,
            "`self` by value would take the actor out of its process: write `&self` or `&mut self`",
        ),
        ReceiverKind::Typed(_, ty) if !is_borrowed_self(ty) => {
            let found = shown(ty);
            errors.at(
                receiver,
                format!("the backend lends itself only, found `self: {found}`: write `&self` or `&mut self`"),
            );
        }
        _ => {}
    }
}

fn is_borrowed_self(ty: &Type) -> bool {
    match bare(ty) {
        Type::Reference(reference) => {
            matches!(bare(&reference.elem), Type::Path(path) if path.path.is_ident("Self"))
        }
        _ => false,
    }
}

/// `pub fn decode(&self, into: &mut Image)`
pub(super) fn arguments(errors: &mut Errors, function: &Function) {
    for argument in function.given() {
        types::argument(errors, &argument.ty);
    }
    let conditional = function.arguments().filter(|argument| !argument.cfgs.is_empty());
    for argument in conditional.skip(MOST_CONDITIONAL_ARGUMENTS) {
        for cfg in &argument.cfgs {
            errors.at(
                cfg,
                format!("at most {MOST_CONDITIONAL_ARGUMENTS} arguments can carry `#[cfg]`: put it on the function"),
            );
        }
    }
}

/// `pub fn put<'de, T: Deserialize<'de>>(&mut self, value: T)`
pub(super) fn bounds(errors: &mut Errors, function: &Function) {
    if !function.is_generic() {
        return;
    }
    let mut named = Named { declared: Vec::new(), found: Vec::new() };
    let generics = &function.original.generics;
    named.declared.extend(generics.lifetimes().map(|parameter| &parameter.lifetime));
    for parameter in generics.type_params() {
        named.visit_type_param(parameter);
    }
    for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
        if let WherePredicate::Type(predicate) = predicate {
            named.visit_predicate_type(predicate);
        }
    }
    for lifetime in named.found {
        errors.at(
            lifetime,
            format!(
                "a value that travels is decoded where `{lifetime}` does not exist: bound it without, such as by \
                 `DeserializeOwned`"
            ),
        );
    }
}

/// Lifetimes of the function among the bounds of its types.
struct Named<'s> {
    declared: Vec<&'s Lifetime>,
    found: Vec<&'s Lifetime>,
}

impl<'s> Visit<'s> for Named<'s> {
    fn visit_lifetime(&mut self, lifetime: &'s Lifetime) {
        if self.declared.contains(&lifetime) {
            self.found.push(lifetime);
        }
    }
}

/// `pub fn new(cx: &Context<Self>) -> Self`, `pub fn new<T>(value: T) -> Self`
pub(super) fn constructor(errors: &mut Errors, function: &Function) {
    for context in parameters::all_contexts(&function.parameters) {
        errors.at(context, "a constructor runs before there is a `Context`: take it in a `#[started]` hook");
    }
    for parameter in function.chosen_at_the_call() {
        errors.at(
            parameter,
            "a constructor cannot be generic by itself: make it a parameter of the actor, `impl<T> Actor<T>`",
        );
    }
}

/// `#[oneway] pub fn log(&self) -> u32`
pub(super) fn oneway(errors: &mut Errors, method: &Method) {
    let has_reply = !matches!(method.reply, Reply::Unit | Reply::Never);
    if let (Some(_), true, ReturnType::Type(_, ty)) =
        (&method.oneway, has_reply, &method.function.original.output)
    {
        let found = shown(ty);
        errors.at(
            ty,
            format!("a one-way call has no reply, found `-> {found}`: remove it, or remove `#[oneway]`"),
        );
    }
}

/// `pub fn rows<T: Row>(&self) -> impl Iterator<Item = T>`
pub(super) fn stream(errors: &mut Errors, method: &Method) {
    if let (Reply::Stream(_, item), true) = (&method.reply, method.function.is_generic()) {
        errors.at(
            item,
            "a generic method cannot stream: make its types parameters of the actor, `impl<T> Actor<T>`, or return \
             a `Vec`",
        );
    }
}

/// `#[fallible] pub fn clear(&mut self)`
pub(super) fn said(errors: &mut Errors, method: &Method) {
    if let (Some(said), Reply::Unit | Reply::Never | Reply::Lent(_) | Reply::Stream(..)) =
        (&method.said, &method.reply)
    {
        let (attribute, name) = (shown(said.attribute.path()), &method.function.name);
        errors.at(
            &said.attribute,
            format!("`#[{attribute}]` tells what a return type is, `{name}` has none to tell of: remove it"),
        );
    }
}

/// `#[oneway] fn log(&self)`
pub(super) fn misplaced(errors: &mut Errors, misplaced: &Misplaced) {
    let (attribute, function) = (shown(misplaced.attribute.path()), &misplaced.function);
    let message = if misplaced.has_self {
        format!(
            "`#[{attribute}]` is for exported methods, `{function}` has no visibility: write `pub fn {function}`"
        )
    } else {
        format!(
            "`#[{attribute}]` is for methods, `{function}` has no `self`: write `{function}(&mut self, ..)`"
        )
    };
    errors.at(&misplaced.attribute, message);
}
