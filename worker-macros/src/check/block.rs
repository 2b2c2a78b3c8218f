//! Rules about the block itself: what it implements, what it borrows, whether anything can be spawned, its options.
//! Layer: part of `check`.

use syn::visit::{self, Visit};
use syn::{GenericParam, Lifetime, Path, Type};

use crate::errors::Errors;
use crate::model::Actor;
use crate::shown::shown;
use crate::words;

/// `impl Draw for Decoder { .. }`
pub(super) fn trait_impl(errors: &mut Errors, actor: &Actor, implemented: &Path) {
    let (attribute, name) = (words::ATTRIBUTE, &actor.name);
    let found = shown(implemented);
    errors.at(
        implemented,
        format!(
            "`#[{attribute}]` expects an inherent impl block, found an impl of `{found}`: write \
             `impl {name} {{ .. }}` and call the trait's methods from there"
        ),
    );
}

/// `impl<'a> Decoder<'a> { .. }`
pub(super) fn lifetimes(errors: &mut Errors, actor: &Actor) {
    let message = |lifetime: &Lifetime| {
        format!("an actor lives in another process and cannot borrow with `{lifetime}`: own the data")
    };
    let mut declared = false;
    for parameter in &actor.generics.params {
        if let GenericParam::Lifetime(parameter) = parameter {
            declared = true;
            errors.at(&parameter.lifetime, message(&parameter.lifetime));
        }
    }
    if declared {
        return;
    }
    struct Elided<'ty>(Vec<&'ty Lifetime>);
    impl<'ty> Visit<'ty> for Elided<'ty> {
        fn visit_lifetime(&mut self, lifetime: &'ty Lifetime) {
            if lifetime.ident == "_" {
                self.0.push(lifetime);
            }
            visit::visit_lifetime(self, lifetime);
        }
    }
    let mut elided = Elided(Vec::new());
    elided.visit_type(&actor.self_ty);
    for lifetime in elided.0 {
        errors.at(lifetime, message(lifetime));
    }
}

/// `impl Decoder { pub fn decode(&self) {} }`
pub(super) fn constructors(errors: &mut Errors, actor: &Actor) {
    if !actor.constructors.is_empty() || actor.incomplete {
        return;
    }
    let (name, frontend) = (&actor.name, &actor.frontend);
    match actor.hidden_constructors.first() {
        Some(hidden) => errors.at(
            hidden,
            format!("the constructor `{hidden}` has no visibility, so no `{frontend}` can be spawned: write `pub fn {hidden}`"),
        ),
        None => errors.at(
            &actor.self_ty,
            format!("`{name}` has no constructor: add a `pub fn new(..)` that returns `Self` or `Result<Self, E>`"),
        ),
    }
}

/// `#[process_actor(frontend = Decoder)]`
pub(super) fn options(errors: &mut Errors, actor: &Actor) {
    let generated = [
        (&words::FRONTEND, &actor.frontend),
        (&words::REQUEST, &actor.request),
        (&words::CONSTRUCTOR, &actor.constructor),
    ];
    for (index, (option, name)) in generated.into_iter().enumerate() {
        let word = option.word;
        let is_actor = *name == actor.name && is_plain_path(&actor.self_ty);
        if is_actor {
            errors.at(name, format!("`{name}` is the actor itself: choose another name for `{word} = Name`"));
        }
        let earlier = generated.iter().take(index).find(|(_, other)| *other == name);
        if let Some((other, _)) = earlier.filter(|_| !is_actor) {
            let other = other.word;
            errors.at(
                name,
                format!("`{name}` is already the name of the {other}: choose another for `{word} = Name`"),
            );
        }
    }
}

/// Whether the type is named without a module, so that a generated item of its name would clash.
fn is_plain_path(self_ty: &Type) -> bool {
    matches!(self_ty, Type::Path(path) if path.path.segments.len() == 1)
}
