//! Rules about names: what the user wrote against what the macro generates, naming the generated item.
//! Layer: part of `check`.

use std::collections::BTreeMap;

use syn::Ident;
use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::{Actor, Function};
use crate::words;

/// Who has a name on the frontend.
struct Owner<'m> {
    /// The name to edit and whether all of its function is conditional; none for what every frontend has.
    function: Option<&'m Function>,
    /// The name is the function's own, not derived from it.
    own: bool,
    what: String,
}

impl Owner<'_> {
    /// Two functions under different conditions may share a name, as in any impl block.
    fn may_share(&self, other: &Owner<'_>) -> bool {
        let conditional =
            |owner: &Owner<'_>| owner.function.is_some_and(|function| !function.carried.cfgs.is_empty());
        conditional(self) && conditional(other)
    }
}

/// `pub fn stop(&self)`, `pub fn get(&self)` beside `pub fn get_async(&self)`, a constructor named `with`
pub(super) fn frontend(errors: &mut Errors, actor: &Actor) {
    let mut names = Names { errors, frontend: &actor.frontend, owners: BTreeMap::new() };
    for (name, purpose) in words::FRONTEND_METHODS {
        let what = format!("on every frontend it {purpose}");
        names.claim(name.to_owned(), Owner { function: None, own: false, what });
    }
    for constructor in &actor.constructors {
        let function = &constructor.function;
        if function.name == words::NEW {
            continue;
        }
        for name in [&constructor.spawn, &constructor.spawn_with] {
            let what = format!("generated for the constructor `{}`", function.name);
            names.claim(name.unraw().to_string(), Owner { function: Some(function), own: false, what });
        }
    }
    for method in &actor.methods {
        let (function, name) = (&method.function, &method.function.name);
        let what = format!("generated for the method `{name}`");
        names.claim(name.unraw().to_string(), Owner { function: Some(function), own: true, what });
    }
    for method in actor.methods.iter().filter(|method| method.oneway.is_none()) {
        let function = &method.function;
        let what = format!("generated for the method `{}`", function.name);
        names.claim(method.twin.unraw().to_string(), Owner { function: Some(function), own: false, what });
    }
}

struct Names<'e, 'm> {
    errors: &'e mut Errors,
    frontend: &'m Ident,
    owners: BTreeMap<String, Owner<'m>>,
}

impl<'m> Names<'_, 'm> {
    fn claim(&mut self, name: String, claimant: Owner<'m>) {
        let Some(owner) = self.owners.get(&name) else {
            self.owners.insert(name, claimant);
            return;
        };
        if owner.may_share(&claimant) {
            return;
        }
        // The one to rename is whoever wrote the name himself.
        let (culprit, other) =
            if owner.own && !claimant.own { (owner, &claimant) } else { (&claimant, owner) };
        let Some(function) = culprit.function else {
            return;
        };
        let (frontend, what, written) = (self.frontend, &other.what, &function.name);
        let gives = if culprit.own { String::new() } else { format!("`{written}` gives `{name}`, and ") };
        let message =
            format!("{gives}`{name}` is already a method of `{frontend}` ({what}): rename `{written}`");
        self.errors.at(written, message);
    }
}

/// `pub fn a_b(&self)` beside `pub fn aB(&self)`
pub(super) fn messages(errors: &mut Errors, actor: &Actor) {
    let constructors = actor.constructors.iter().map(|constructor| &constructor.function);
    variants(errors, &actor.constructor, constructors);
    let (generic, plain): (Vec<&Function>, Vec<&Function>) =
        actor.methods.iter().map(|method| &method.function).partition(|function| function.is_generic());
    variants(errors, &actor.request, plain);
    structs(errors, actor, &generic);
}

fn variants<'m>(errors: &mut Errors, message: &Ident, functions: impl IntoIterator<Item = &'m Function>) {
    let mut owners: BTreeMap<String, &Function> = BTreeMap::new();
    for function in functions {
        let variant = function.variant.to_string();
        let Some(first) = owners.get(&variant) else {
            owners.insert(variant, function);
            continue;
        };
        if !first.carried.cfgs.is_empty() && !function.carried.cfgs.is_empty() {
            continue;
        }
        let (first, name) = (&first.name, &function.name);
        errors.at(
            name,
            format!(
                "`{name}` and `{first}` both give the variant `{message}::{variant}`: rename one of the two"
            ),
        );
    }
}

/// `pub fn request<T>(&self)`, whose message would be the struct `DecoderRequest`
fn structs(errors: &mut Errors, actor: &Actor, generic: &[&Function]) {
    let items = [&actor.name, &actor.frontend, &actor.request, &actor.constructor];
    let mut owners: BTreeMap<String, String> =
        items.into_iter().map(|item| (item.unraw().to_string(), format!("the type `{item}`"))).collect();
    for function in generic {
        let (structure, name) = (crate::names::message(&actor.name, function), &function.name);
        match owners.get(&structure.to_string()) {
            Some(owner) if function.carried.cfgs.is_empty() => errors.at(
                name,
                format!(
                    "the message of the generic method `{name}` would be named like {owner}: rename `{name}`"
                ),
            ),
            Some(_) => {}
            None => {
                owners.insert(structure.to_string(), format!("that of `{name}`"));
            }
        }
    }
}
