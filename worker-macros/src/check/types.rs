//! Rules about what can travel, by the syntax of types: no pointers into a process, no types without a name.
//! Whether a named type can be serialised is for rustc to say. Layer: part of `check`.

use syn::visit::{self, Visit};
use syn::{Lifetime, ReturnType, Type, TypeParamBound, TypeReference, TypeTraitObject};

use crate::errors::Errors;
use crate::parse::types::{
    Outcome, bare, is_byte_slice, is_context, is_std_path, is_str, lent, only_argument, optional, result,
    shared_borrow, streamed,
};
use crate::shown::shown;

/// Where a type stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Argument,
    Output,
}

/// `fn f(&self, a: &mut T, b: impl Trait, c: &dyn Trait, d: *const T, e: fn(), f: Vec<&T>, g: &'static str)`
pub(super) fn argument(errors: &mut Errors, ty: &Type) {
    let mut walk = Walk { errors, side: Side::Argument };
    match shared_borrow(optional(ty)) {
        // The outermost borrow is what messages are made for.
        Some(_) if is_context(optional(ty)) => walk.visit_type(optional(ty)),
        Some(reference) => {
            walk.lifetime(reference.lifetime.as_ref());
            walk.visit_type(&reference.elem);
        }
        None => walk.visit_type(ty),
    }
}

/// `fn f(&self) -> Option<&T>`, `-> &mut T`, `-> impl Trait`, `-> Box<dyn Trait>`, `-> *const T`, `-> fn()`
pub(super) fn output(errors: &mut Errors, output: &ReturnType) {
    let ReturnType::Type(_, ty) = output else {
        return;
    };
    let mut walk = Walk { errors, side: Side::Output };
    if let Some((_, item)) = streamed(ty) {
        return walk.visit_type(item);
    }
    match result(ty, None) {
        Some(Outcome::Parts(value, error)) => {
            walk.visit_type(lent(value).unwrap_or(value));
            walk.visit_type(&error);
        }
        _ => walk.visit_type(lent(ty).unwrap_or(ty)),
    }
}

struct Walk<'e> {
    errors: &'e mut Errors,
    side: Side,
}

impl Walk<'_> {
    fn lifetime(&mut self, lifetime: Option<&Lifetime>) {
        if let Some(lifetime) =
            lifetime.filter(|lifetime| lifetime.ident == "static" && self.side == Side::Argument)
        {
            self.errors.at(
                lifetime,
                "nothing that comes from another process is `'static`: remove it, or own the data",
            );
        }
    }

    fn reference(&mut self, reference: &TypeReference) {
        let found = shown(reference);
        if reference.mutability.is_some() {
            let way_out = match self.side {
                Side::Argument => "take it by value and return the new one",
                Side::Output => "return a value",
            };
            return self
                .errors
                .at(reference, format!("`{found}` cannot reach into another process: {way_out}"));
        }
        match self.side {
            Side::Output => self.errors.at(
                reference,
                format!("a reply can lend `&T`, `Cow<T>`, and `Option` and `Vec` of them, found `{found}` inside another type: return an owned value there"),
            ),
            Side::Argument if is_sliceable(&reference.elem) => self.lifetime(reference.lifetime.as_ref()),
            Side::Argument => self.errors.at(
                reference,
                format!("inside another type only `&str`, `&[u8]` and `&Path` can be borrowed, found `{found}`: own the data there"),
            ),
        }
    }
}

/// What can be borrowed from a message as it is.
fn is_sliceable(element: &Type) -> bool {
    is_str(element) || is_byte_slice(element) || is_std_path(element)
}

impl Visit<'_> for Walk<'_> {
    fn visit_type(&mut self, ty: &Type) {
        let side = match self.side {
            Side::Argument => "take",
            Side::Output => "return",
        };
        let found = || shown(ty);
        match ty {
            _ if self.side == Side::Output && is_carried_error(ty) => {}
            Type::Reference(_) if is_context(ty) => {
                self.errors
                    .at(ty, "a `Context` never travels: take it as a parameter of its own, `&Context<Self>`");
            }
            Type::Reference(reference) => self.reference(reference),
            Type::ImplTrait(_) if self.side == Side::Argument => self.errors.at(
                ty,
                format!(
                    "`{}` has no name that a message could carry: take a named type or a type parameter",
                    found()
                ),
            ),
            Type::ImplTrait(_) => {
                self.errors.at(ty, format!("`{}` cannot be returned to another process: return `impl Iterator<Item = T>` or `impl Stream<Item = T>`, or a named type, such as a `Vec`", found()));
            }
            Type::TraitObject(object) => {
                let way_out = instead_of_object(object, self.side);
                self.errors.at(ty, format!("`{}` cannot travel to another process: {way_out}", found()));
            }
            Type::Ptr(_) => {
                self.errors.at(
                    ty,
                    format!(
                        "the pointer `{}` means nothing in another process: {side} the value itself",
                        found()
                    ),
                );
            }
            Type::FnPtr(_) => {
                self.errors.at(ty, format!("the function pointer `{}` means nothing in another process: {side} a value that names the choice, such as an enum", found()));
            }
            _ => visit::visit_type(self, bare(ty)),
        }
    }

    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        match self.side {
            Side::Argument => self.lifetime(Some(lifetime)),
            Side::Output if lifetime.ident == "static" => {}
            Side::Output => self.errors.at(
                lifetime,
                format!("a reply can lend `&T`, `Cow<T>`, and `Option` and `Vec` of them, found `{lifetime}` inside another type: write `'static`, or return an owned value"),
            ),
        }
    }
}

/// `Box<dyn Error + Send + Sync>`, which the runtime carries as its text.
fn is_carried_error(ty: &Type) -> bool {
    let Some(Type::TraitObject(object)) = boxed(ty) else {
        return false;
    };
    let names = object.bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last(),
        _ => None,
    });
    let mut names: Vec<String> = names.map(|segment| segment.ident.to_string()).collect();
    names.sort();
    names == ["Error", "Send", "Sync"] && object.bounds.len() == names.len()
}

/// The `T` of a `Box<T>`.
fn boxed(ty: &Type) -> Option<&Type> {
    only_argument(ty, "Box").map(bare)
}

/// What to do instead of a trait object.
fn instead_of_object(object: &TypeTraitObject, side: Side) -> &'static str {
    let is_error = object.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Error"),
        _ => false,
    });
    match side {
        Side::Argument => "take a named type, such as an enum",
        Side::Output if is_error => "return a named type, or `Box<dyn Error + Send + Sync>`",
        Side::Output => "return a named type, such as an enum",
    }
}
